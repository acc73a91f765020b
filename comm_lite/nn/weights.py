r"""Trained weights in a file: small, without code in them, and read only if they are the very bytes that were meant."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite._files import write_atomically


def save_weights(model: nn.Module, path: str | Path) -> str:
    r"""Write the weights of a model, in half precision, to one file that is complete or absent at any time.

    Args:
        model: any model; what is not a floating-point number is written as it is, and what stands in it under several
            names, such as one encoder for two modalities, is written once.
        path: of the file, in the safetensors format.

    Returns:
        The sha256 of the file, for `load_weights`; the same weights give the same.

    Raises:
        ValueError: if a weight is NaN or infinite, or too large for half precision.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = save_weights(nn.Linear(2, 2), f"{folder}/linear.safetensors")
        ...     _ = load_weights(nn.Linear(2, 2), f"{folder}/linear.safetensors", sha256=digest)
        >>> len(digest)
        64
    """
    from safetensors.torch import save

    tensors, again = tensors_of(model)
    for name, value in tensors.items():
        tensors[name] = value.half() if value.is_floating_point() else value
        _check.finite(f"{name} in half precision", tensors[name])
    content = save(tensors, {"again": json.dumps(again)} if again else None)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def tensors_of(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    r"""Collect what a model holds, each tensor once.

    Args:
        model: whose parameters and buffers.

    Returns:
        The tensors by name, on the CPU, and for each further name of a shared one the name under which it stands.

    Example:
        >>> line = nn.Linear(2, 1, bias=False)
        >>> tensors, again = tensors_of(nn.ModuleList([line, line]))
        >>> list(tensors), again
        (['0.weight'], {'1.weight': '0.weight'})
    """
    first: dict[int, str] = {}
    names = {name: first.setdefault(id(value), name) for name, value in model.state_dict(keep_vars=True).items()}
    tensors = {name: value.cpu().contiguous() for name, value in model.state_dict().items() if names[name] == name}
    return tensors, {name: owner for name, owner in names.items() if name != owner}


def fill(model: nn.Module, tensors: dict[str, Tensor], again: dict[str, str], source: str) -> None:
    r"""Put what `tensors_of` collected into a model built as the one it came from.

    Args:
        model: what is filled.
        tensors: by name.
        again: the further names of shared ones.
        source: where they came from, for the error.

    Raises:
        ValueError: if names, shapes or what is shared differ; nothing is changed then.

    Example:
        >>> line = nn.Linear(2, 1)
        >>> fill(line, *tensors_of(nn.Linear(2, 1)), "another")
    """
    wanted = model.state_dict()
    tensors = tensors | {name: tensors[owner] for name, owner in again.items() if owner in tensors}
    differ = sorted(
        name
        for name in tensors.keys() | wanted.keys()
        if name not in tensors or name not in wanted or tensors[name].shape != wanted[name].shape
    )
    if differ:
        raise ValueError(
            f"model must be built as the one in {source}, got {len(differ)} weights that differ in name or "
            f"shape, such as {differ[0]}; build it with the sizes it was saved with"
        )
    untied = sorted(set(again.items()) ^ set(tensors_of(model)[1].items()))
    if untied:
        raise ValueError(
            f"model must share the weights that are shared in {source}, got a difference at {untied[0][0]}; "
            f"build it with one module in the same places"
        )
    with torch.no_grad():
        model.load_state_dict(tensors)


def load_weights(model: nn.Module, path: str | Path, *, sha256: str) -> nn.Module:
    r"""Fill a model with the weights that `save_weights` wrote; nothing in the file is ever executed.

    Args:
        model: built as the one that was saved.
        path: of the file.
        sha256: what `save_weights` returned.

    Returns:
        The model, in ``eval()``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds other bytes, or the weights of another model; one in which other weights are
            shared is another one.

    Example:
        >>> load_weights(nn.Linear(2, 2), "nowhere.safetensors", sha256="")
        Traceback (most recent call last):
        FileNotFoundError: path must be a file of weights, found none at nowhere.safetensors; restore it or make it anew
    """
    from safetensors.torch import load

    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"path must be a file of weights, found none at {path}; restore it or make it anew"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{Path(path).name} must have sha256 {sha256[:12]}…, got {found[:12]}… from {len(content)} bytes; the file "
            f"is damaged or of another version, so restore it or make it anew"
        )
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    again = json.loads(header.get("__metadata__", {}).get("again", "{}"))
    fill(model, load(content), again, Path(path).name)
    return model.eval()
