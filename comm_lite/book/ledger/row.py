r"""A row of the ledger: one claim at one size, the paper's figure, ours, and what it takes to measure it again."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from comm_lite import _check

PROFILES = ("budget", "laptop", "gpu")
"""Sizes whose figures mean something; ``smoke`` is none of them."""


def _number(name: str, value: object, *, optional: bool = False) -> None:
    if value is None and optional:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r:.40}; turn a tensor or text into a float")
    if not -1e300 < value < 1e300:  # also NaN, and whole numbers too long for a float
        raise ValueError(f"{name} must be finite, got {value!r:.20}; find where it came from")


def _line(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, got {type(value).__name__}; write one line")
    if not value or not value.isprintable() or value != value.strip():
        raise ValueError(f"{name} must be one printable line, got {value!r:.80}; rewrite it")


def _fits(name: str, value: object, pattern: str, wanted: str) -> None:
    _line(name, value)
    if not re.fullmatch(pattern, value):
        raise ValueError(f"{name} must be {wanted}, got {value!r:.80}; rewrite it")


@dataclass(frozen=True)
class Published:
    r"""A figure that somebody other than the paper has published for the same task."""

    value: float
    r"""The figure, in the unit of its row."""
    spread: float | None
    r"""Its standard deviation, or None if none was given."""
    what: str
    r"""Which method, and who ran it."""

    def __post_init__(self) -> None:
        _number("value", self.value)
        _number("spread", self.spread, optional=True)
        _line("what", self.what)


@dataclass(frozen=True)
class Row:
    r"""One claim at one size: what others report, what we measured, and how to measure it again.

    ``ours`` is None for a claim that was not measured; then everything that a measurement brings is empty too.
    `measured` fills it in.
    """

    claim: str
    r"""What the figure is of, such as ``"CoMM, Trifeatures, R"``; with the profile it names the row."""
    experiment: str
    r"""Which table it belongs to: lower case, digits and ``-``."""
    method: str
    r"""As the benchmark calls it."""
    profile: str
    r"""One of `PROFILES`."""
    task: str
    r"""R, U (the mean of U1 and U2), S, or another experiment's."""
    paper: float | None
    r"""The paper's figure, or None if it has none."""
    paper_spread: float | None
    r"""The paper's standard deviation, or None if it is not given or cannot be read."""
    paper_source: str | None
    r"""Where in the paper, and how it was read."""
    published: tuple[Published, ...]
    r"""What others have published for the task since."""
    ours: float | None
    r"""Mean of ``values``, or None if it was not measured."""
    interval: tuple[float, float] | None
    r"""Lowest and highest of ``values``: with three seeds, all there is to say about a spread."""
    seeds: tuple[int, ...]
    r"""The seed of each run."""
    values: tuple[float, ...]
    r"""What each run reached, in the order of ``seeds``."""
    seconds: tuple[float, ...]
    r"""What each run took, in the order of ``seeds``."""
    unit: str
    r"""Of ``paper``, ``ours`` and the rest: ``"%"`` or another."""
    device: str | None
    r"""In words, such as ``"CPU, 2 threads"`` or the name of the GPU; no host name and no path."""
    commit: str | None
    r"""Of the repository, 7 to 40 hexadecimal digits."""
    date: str | None
    r"""Of the measurement, ``YYYY-MM-DD``."""
    command: str
    r"""What measures it, typed at the root of the repository."""

    def __post_init__(self) -> None:
        for name in ("claim", "method", "task", "unit", "command"):
            _line(name, getattr(self, name))
        _fits("experiment", self.experiment, r"[a-z][a-z0-9-]*", "lower case, digits and -, such as 'trifeatures'")
        _check.one_of("profile", self.profile, PROFILES)
        if self.paper_source is not None:
            _line("paper_source", self.paper_source)
        if re.search(r"(^|[\s='\"])(/|~|[A-Za-z]:[/\\])", self.command):
            raise ValueError(f"command must hold no path of a machine, got {self.command!r}; write it from the root")
        for name in ("paper", "paper_spread", "ours"):
            _number(name, getattr(self, name), optional=True)
        if self.paper is None and self.paper_spread is not None:
            raise ValueError(f"paper_spread must be None where paper is, got {self.paper_spread}; give both or neither")
        number = int | float
        for name, kinds in {"published": Published, "seeds": int, "values": number, "seconds": number}.items():
            found = getattr(self, name)
            if not isinstance(found, tuple) or any(isinstance(v, bool) or not isinstance(v, kinds) for v in found):
                kind = getattr(kinds, "__name__", "number")
                raise TypeError(f"{name} must be a tuple of {kind}s, got {found!r:.60}; pass a tuple")
        if self.ours is not None:
            return self._all_measured()
        for name in ("interval", "seeds", "values", "seconds", "device", "commit", "date"):
            if getattr(self, name) not in (None, ()):
                raise ValueError(f"ours must be given where {name} is, got None for {self.claim!r}; use Row.measured")

    def _all_measured(self) -> None:
        sizes = {name: len(getattr(self, name)) for name in ("seeds", "values", "seconds")}
        if not self.seeds or len(set(sizes.values())) > 1 or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(
                f"seeds must name each run once, with one of values and seconds for each, got {sizes} and "
                f"seeds {self.seeds}; enter every run"
            )
        for name, each in (("values", self.values), ("seconds", self.seconds)):
            for seed, value in zip(self.seeds, each, strict=True):
                _number(f"{name} of seed {seed}", value)
        if min(self.seconds) <= 0:
            raise ValueError(f"seconds must be above zero, got {min(self.seconds)}; measure them")
        if self.unit == "%" and not 0 <= min(self.values) <= max(self.values) <= 100:
            raise ValueError(f"values in % must lie in [0, 100], got {self.values}; check the unit")
        if not isinstance(self.interval, tuple) or len(self.interval) != 2:
            raise TypeError(f"interval must be a tuple (low, high), got {self.interval!r:.60}; use Row.measured")
        for value in self.interval:
            _number("interval", value)
        low, high = self.interval
        wanted = (_mean(self.values), min(self.values), max(self.values))
        if not all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip((self.ours, low, high), wanted, strict=True)):
            raise ValueError(
                f"ours and interval must be mean, lowest and highest of values, wanted {wanted}, "
                f"got {(self.ours, low, high)}; use Row.measured"
            )
        _fits("device", self.device, r"[A-Za-z][\w ,.()+-]*", "words such as 'CPU, 2 threads', without a path")
        _fits("commit", self.commit, r"[0-9a-f]{7,40}", "7 to 40 hexadecimal digits, what git rev-parse HEAD says")
        _fits("date", self.date, r"\d{4}-\d\d-\d\d", "a date such as '2026-01-31'")
        try:
            datetime.date.fromisoformat(self.date)
        except ValueError as error:
            raise ValueError(f"date must be a day of the calendar, got {self.date!r}; write YYYY-MM-DD") from error

    def measured(
        self, values: Mapping[int, float], seconds: Mapping[int, float], *, device: str, commit: str, date: str,
        command: str | None = None,
    ) -> Row:  # fmt: skip
        r"""Return the row with a measurement in it, the mean and the interval computed from the runs.

        Args:
            values: what each run reached, by seed.
            seconds: what each run took, by seed.
            device: in words, without host name and path.
            commit: of the repository.
            date: of the measurement, ``YYYY-MM-DD``.
            command: what was typed; None if it was the row's.
        """
        if set(values) != set(seconds):
            raise ValueError(
                f"seconds must be given for the seeds of values, wanted {sorted(values)}, got {sorted(seconds)}; "
                f"enter every run"
            )
        for seed, value in values.items():
            _number(f"values of seed {seed}", value)
        runs = tuple(values.values())
        return replace(
            self, ours=_mean(runs) if runs else None, interval=(min(runs), max(runs)) if runs else None,
            seeds=tuple(values), values=runs, seconds=tuple(seconds[seed] for seed in values), device=device,
            commit=commit, date=date, command=self.command if command is None else command,
        )  # fmt: skip


def _mean(values: tuple[float, ...]) -> float:
    return min(max(math.fsum(values) / len(values), min(values)), max(values))  # rounding may leave the interval
