r"""The file of the ledger: read whole, appended to by one process at a time, never left half written."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from comm_lite._files import write_atomically
from comm_lite.book.ledger.row import Published, Row


def read_ledger(path: str | Path) -> list[Row]:
    r"""Read every row of a ledger, in the order in which they were entered.

    Args:
        path: of a JSON file that `append` wrote; a new ledger is a file that holds ``[]``.

    Returns:
        The rows.

    Raises:
        ValueError: if the file is cut off or is no list of rows; the text names the row.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ledger.json")
        ...     _ = path.write_text("[]")
        ...     print(read_ledger(path))
        []
    """
    path = Path(path)
    try:
        found = json.loads(path.read_bytes().decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} must hold a whole JSON list, got what cannot be read ({error}); the file was left as it is: "
            f"mend it, or take it back from git"
        ) from error
    if not isinstance(found, list):
        raise ValueError(f"{path} must hold a list of rows, got {type(found).__name__}; a new ledger holds []")
    rows = []
    for index, item in enumerate(found):
        try:
            rows.append(_row(item))
        except (TypeError, ValueError) as error:
            name = item.get("claim") if isinstance(item, dict) else None
            raise ValueError(f"row {index} of {path} ({name!r:.60}) is wrong: {error}") from error
    return rows


def _no_constant(text: str):
    raise ValueError(f"{text} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key stands twice among {[key for key, _ in pairs]}")
    return found


def _exactly(kind: type, item: object) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise TypeError(f"a {kind.__name__} must be an object, got {type(item).__name__}; give every field a key")
    wanted = {field.name for field in fields(kind)}
    if item.keys() != wanted:
        raise ValueError(
            f"a {kind.__name__} must have exactly its fields, missing {sorted(wanted - item.keys())}, "
            f"unknown {sorted(item.keys() - wanted)}; add or drop these"
        )
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}


def _row(item: object) -> Row:
    found = _exactly(Row, item)
    if isinstance(found["published"], tuple):
        found["published"] = tuple(Published(**_exactly(Published, each)) for each in found["published"])
    return Row(**found)


def append(path: str | Path, row: Row) -> bool:
    r"""Enter a row at the end of a ledger; what stands there stays.

    The new file is written whole under another name and then takes the old one's place, so that a full disk or an
    interruption leaves the old ledger. While one process appends, others wait.

    Args:
        path: of a ledger that exists.
        row: what to enter.

    Returns:
        True, or False if the very same row stands there already; then nothing is written.

    Raises:
        TypeError: if ``row`` is no `Row`.
        ValueError: if the ledger cannot be read, or ``row.device`` names this host.
        TimeoutError: if another process keeps the ledger for half a minute.

    Example:
        >>> import tempfile
        >>> from comm_lite.book.ledger import Row
        >>> row = Row("CoMM, toy, R", "toy", "CoMM", "budget", "R", None, None, None, (), None, None, (), (), (), "%",
        ...     None, None, None, "python benchmarks/toy.py")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ledger.json")
        ...     _ = path.write_text("[]")
        ...     print(append(path, row), append(path, row), read_ledger(path)[0].claim)
        True False CoMM, toy, R
    """
    if not isinstance(row, Row):
        raise TypeError(f"row must be a Row, got {type(row).__name__}; make one, or fill one in with Row.measured")
    host = platform.node().partition(".")[0]
    if host and row.device and re.search(rf"(?<!\w){re.escape(host)}(?!\w)", row.device, re.IGNORECASE):
        raise ValueError(f"device must not name this host, got {row.device!r}; say what it is in words")
    path = Path(path).resolve()  # what a link leads to is replaced, not the link
    with _alone(path):
        rows = read_ledger(path)
        if row in rows:
            return False
        _write(path, [*rows, row])
    return True


@contextmanager
def _alone(path: Path, *, patience: float = 30.0) -> Iterator[None]:
    lock, until = path.with_name(f".{path.name}.lock"), time.monotonic() + patience
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{lock} must go away before {path.name} can be written, got it for {patience:g} s; "
                    f"if no other process is appending, one was killed while it did: delete the file"
                ) from None
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _write(path: Path, rows: list[Row]) -> None:
    lines = [json.dumps(asdict(row), ensure_ascii=False, allow_nan=False) for row in rows]  # one a line, for git diff
    write_atomically(path, ("[\n" + ",\n".join(lines) + "\n]\n").encode())


def latest(rows: Iterable[Row]) -> dict[tuple[str, str], Row]:
    r"""Pick the newest row for each claim and profile.

    Args:
        rows: from `read_ledger`.

    Returns:
        By ``(claim, profile)``, in the order in which they first came: the row with the latest date; of several from
        one day, the one that was entered last; one that was not measured only where there is no other.

    Raises:
        TypeError: if something is no `Row`.

    Example:
        >>> latest([])
        {}
    """
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        if not isinstance(row, Row):
            raise TypeError(f"rows must hold only Rows, got {type(row).__name__}; pass what read_ledger returns")
        before = found.setdefault((row.claim, row.profile), row)
        if (row.date or "") >= (before.date or ""):
            found[row.claim, row.profile] = row
    return found
