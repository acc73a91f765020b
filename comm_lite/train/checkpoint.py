r"""Checkpoints and finished models in files that run no code: safetensors, and JSON for what is no tensor."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from comm_lite import _check
from comm_lite._files import write_atomically
from comm_lite.nn.weights import fill, tensors_of

_FACTS = {
    "model": "again configuration".split(),
    "checkpoint": "settings again done epoch batch history samples lr seconds left scaler".split(),
}


def _write(path: Path, kind: str, tensors: dict[str, Tensor], facts: Mapping[str, Any]) -> None:
    from safetensors.torch import save

    try:
        header = json.dumps({"kind": kind, **facts})
    except TypeError as error:
        raise TypeError(
            f"a {kind} must hold tensors and what JSON can hold, got {error}; let evaluate return numbers, texts, "
            f"lists and dictionaries of them"
        ) from error
    write_atomically(path, save({name: value.contiguous() for name, value in tensors.items()}, {"comm_lite": header}))


def _read(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be a {kind}, found no file at {path}; check the name")
    content = path.read_bytes()
    try:
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts = json.loads(header["__metadata__"]["comm_lite"])
        if facts["kind"] != kind:
            raise ValueError(f"its kind is {facts['kind']!r}")
        if lacks := [name for name in _FACTS[kind] if name not in facts]:
            raise ValueError(f"it lacks {lacks}")
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} must be a whole {kind}, got another thing ({error!r:.200}); take one") from error
    return tensors, facts


def save(model: nn.Module, path: str | Path, configuration: Mapping[str, Any]) -> None:
    r"""Write a finished model: its weights in full, and what it takes to build it again.

    Args:
        model: any model.
        path: of the file, which is complete or absent at any time.
        configuration: keyword arguments of the function that builds the model, as JSON can hold them.

    Raises:
        TypeError: if the configuration is not what JSON can hold.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(nn.Linear(2, 1), f"{folder}/line.safetensors", {"in_features": 2, "out_features": 1})
        ...     load(f"{folder}/line.safetensors", nn.Linear)
        Linear(in_features=2, out_features=1, bias=True)
    """
    tensors, again = tensors_of(model)
    _write(Path(path), "model", tensors, {"again": again, "configuration": dict(configuration)})


def load(path: str | Path, build: Callable[..., nn.Module]) -> nn.Module:
    r"""Build the model that `save` wrote, anywhere; nothing in the file is ever executed.

    Args:
        path: of the file.
        build: called with the configuration of the file as keyword arguments; returns the model.

    Returns:
        The model on the CPU, in ``eval()``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or ``build`` makes another model.

    Example:
        >>> load("nowhere.safetensors", nn.Linear)
        Traceback (most recent call last):
        FileNotFoundError: path must be a model, found no file at nowhere.safetensors; check the name
    """
    tensors, facts = _read(path, "model")
    model = build(**facts["configuration"])
    fill(model, tensors, facts["again"], Path(path).name)
    return model.eval()


@dataclass(frozen=True)
class Checkpoints:
    r"""Where `fit` writes checkpoints, how often, and how many it keeps; one at least at the end of each epoch."""

    folder: str | Path
    r"""Of this run alone; it is made if it is missing."""
    every: int | None = None
    r"""Steps between two checkpoints; None writes at the ends of epochs only."""
    keep: int = 3
    r"""How many of the last are kept."""

    def __post_init__(self) -> None:
        if self.every is not None:
            _check.whole("every", self.every)
        _check.whole("keep", self.keep)

    def open(self, resume: str | Path | None) -> None:
        r"""Make the folder, refuse that of another run, and clear away what a killed process left half written."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        if resume is None and latest_checkpoint(self.folder) is not None:
            raise ValueError(
                f"folder must hold no checkpoint of another run, got {latest_checkpoint(self.folder)}; choose another "
                f"folder, or pass resume=latest_checkpoint(folder)"
            )
        for half in Path(self.folder).glob(".*.partial"):
            half.unlink(missing_ok=True)

    def write(self, steps: int, tensors: dict[str, Tensor], facts: Mapping[str, Any]) -> None:
        r"""Write one, then drop those that are too many."""
        _write(Path(self.folder, f"step_{steps:09}.safetensors"), "checkpoint", tensors, facts)
        for old in _checkpoints(self.folder)[: -self.keep]:
            old.unlink(missing_ok=True)

    @staticmethod
    def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        r"""Return the tensors and facts of a checkpoint; nothing in the file is ever executed."""
        return _read(path, "checkpoint")


def _checkpoints(folder: str | Path) -> list[Path]:
    return sorted(Path(folder).glob("step_*.safetensors"))


def latest_checkpoint(folder: str | Path) -> Path | None:
    r"""Find the newest checkpoint in a folder, for ``resume`` of `fit`.

    Args:
        folder: of a `Checkpoints`; it need not exist yet.

    Returns:
        The path, or None where there is none: then `fit` begins at the beginning.

    Raises:
        ValueError: if it is a file.

    Example:
        >>> print(latest_checkpoint("nowhere"))
        None
    """
    if Path(folder).is_file():
        raise ValueError(f"folder must be that of the checkpoints, got the file {folder}; pass its folder")
    return next(reversed(_checkpoints(folder)), None)
