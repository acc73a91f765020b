r"""What was measured while training: kept, averaged, written out, and watched for a plateau."""

from __future__ import annotations

import json
import math
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Write = Callable[[int, Mapping[str, Any]], object]
"""What `fit` calls after a step or an epoch: ``write(number, values)``, numbers by name."""


class PlateauWarning(UserWarning):
    r"""A loss has stayed where a model that tells no sample from another would have it."""


@dataclass
class History:
    r"""What was measured while training, one entry an epoch; means count every sample once."""

    loss: list[float] = field(default_factory=list)
    r"""Mean loss, in the unit of the loss (nats for ours)."""
    terms: dict[str, list[float]] = field(default_factory=dict)
    r"""Mean of each term that ``step`` returned beside the loss, by name."""
    lr: list[float] = field(default_factory=list)
    r"""Largest learning rate among the groups at the epoch's last step."""
    gradient_norm: list[float] = field(default_factory=list)
    r"""Mean norm of the gradient before it is clipped; 0 in a step that float16 skipped."""
    seconds: list[float] = field(default_factory=list)
    r"""Wall seconds, evaluation left out."""
    samples_a_second: list[float] = field(default_factory=list)
    r"""Samples that were trained on in a second."""
    evaluations: list[Any] = field(default_factory=list)
    r"""What ``evaluate`` returned; empty without it."""


class Tally:
    r"""The numbers of the steps of an epoch, left on their device until the epoch ends.

    Example:
        >>> tally, history = Tally(), History()
        >>> tally.add(3, {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(2.0)}, lr=0.1)
        >>> tally.add(1, {"loss": torch.tensor(5.0), "gradient_norm": torch.tensor(2.0)}, lr=0.1)
        >>> tally.close(history, seconds=0.5)["loss"]
        2.0
    """

    def __init__(self) -> None:
        self.samples: list[int] = []
        self.values: dict[str, list[Tensor]] = {}
        self.lr = 0.0
        self.seconds = 0.0  # those of the same epoch before a resumption

    def add(self, samples: int, values: Mapping[str, Tensor], *, lr: float) -> None:
        r"""Take note of a step."""
        if self.samples and self.values.keys() != values.keys():
            raise ValueError(
                f"step must return the same terms each time, wanted {sorted(self.values)}, got {sorted(values)}; "
                f"return a zero for what does not apply"
            )
        self.samples.append(samples)
        self.lr = lr
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def forget(self, steps: int) -> None:
        r"""Drop the last steps, which were undone."""
        for numbers in (self.samples, *self.values.values()):
            del numbers[max(0, len(numbers) - steps) :]

    def close(self, history: History, seconds: float) -> dict[str, float]:
        r"""Enter the means into the history, begin anew, and return them."""
        weights = torch.tensor(self.samples, dtype=torch.float32)
        means = {}
        for name, numbers in self.values.items():
            of = torch.stack(numbers).float()
            means[name] = ((of * weights.to(of.device)).sum() / weights.sum()).item()
        seconds += self.seconds
        means |= {"lr": self.lr, "seconds": seconds, "samples_a_second": sum(self.samples) / max(seconds, 1e-9)}
        for name, value in means.items():
            own = name in ("loss", "gradient_norm", "lr", "seconds", "samples_a_second")
            (getattr(history, name) if own else history.terms.setdefault(name, [])).append(value)
        self.__init__()
        return means


class Alarm:
    r"""Warns once if the mean loss of the later half of the steps up to a share of all is a guess.

    Args:
        guess: the loss; None hears nothing.
        share: of all steps.
        total: all steps.

    Example:
        >>> Alarm(None, 0.5, 10).hear(torch.tensor(1.0))
    """

    def __init__(self, guess: float | None, share: float, total: int) -> None:
        self.guess, self.share, self.left = guess, share, max(1, math.ceil(share * total))
        self.recent: deque[Tensor] = deque(maxlen=max(1, self.left // 2))

    def hear(self, loss: Tensor) -> None:
        r"""Hear the loss of one step."""
        if self.guess is None or self.left == 0:
            return
        self.recent.append(loss)
        self.left -= 1
        if self.left == 0:
            mean = torch.stack(list(self.recent)).float().mean().item()
            if abs(mean - self.guess) <= 0.02 * self.guess:
                warnings.warn(
                    f"the loss is {mean:.3f} after {self.share:.0%} of the steps, within 2 % of {self.guess:.3f}, that "
                    f"of a model that tells no sample from another; raise lr, warm up longer, raise the temperature "
                    f"or start from another seed",
                    PlateauWarning,
                    stacklevel=3,
                )


def jsonl_writer(path: str | Path) -> Write:
    r"""Write numbers as they come, one JSON object a line, at the end of a file.

    Args:
        path: of the file; what stands there stays. After a resumption the steps since the checkpoint stand twice.

    Returns:
        ``write(number, values)`` for ``on_step`` or ``on_epoch`` of `fit`; what is not finite becomes null.

    Raises:
        FileNotFoundError: if there is no such folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     jsonl_writer(f"{folder}/log.jsonl")(3, {"loss": torch.tensor(0.5)})
        ...     Path(folder, "log.jsonl").read_text()
        '{"number": 3, "loss": 0.5}\n'
    """
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists, found none at {path}; make it first")

    def write(number: int, values: Mapping[str, Any]) -> None:
        found = {name: float(value) for name, value in values.items()}
        line = {"number": number} | {name: value if math.isfinite(value) else None for name, value in found.items()}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return write


def tensorboard_writer(folder: str | Path, *, under: str = "step") -> Write:
    r"""Write numbers as curves that TensorBoard shows.

    Args:
        folder: of the run.
        under: first part of the curves' names, such as ``"step"`` or ``"epoch"``.

    Returns:
        ``write(number, values)`` for ``on_step`` or ``on_epoch`` of `fit`.

    Raises:
        ImportError: if TensorBoard is not installed.

    Example:
        >>> callable(tensorboard_writer)
        True
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            f"tensorboard_writer must have the package tensorboard, got {error}; pip install it or use jsonl_writer"
        ) from error
    board = SummaryWriter(str(folder))

    def write(number: int, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            board.add_scalar(f"{under}/{name}", float(value), number)
        board.flush()

    return write
