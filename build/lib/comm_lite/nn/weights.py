r"""Trained weights in a file: small, without code in them, and read only if they are the very bytes that were meant."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from torch import nn

from comm_lite import _check


def save_weights(model: nn.Module, path: str | Path) -> str:
    r"""Write the weights of a model, in half precision, to one file that is complete or absent at any time.

    Args:
        model: any model; what is not a floating-point number is written as it is.
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

    tensors = {}
    for name, value in model.state_dict().items():
        tensors[name] = (value.half() if value.is_floating_point() else value).cpu().contiguous()
        _check.finite(f"{name} in half precision", tensors[name])
    content, part = save(tensors), Path(f"{path}.part")
    part.write_bytes(content)
    os.replace(part, path)
    return hashlib.sha256(content).hexdigest()


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
        ValueError: if the file holds other bytes, or the weights of another model.

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
    tensors, wanted = load(content), model.state_dict()
    differ = sorted(
        name
        for name in tensors.keys() | wanted.keys()
        if name not in tensors or name not in wanted or tensors[name].shape != wanted[name].shape
    )
    if differ:
        raise ValueError(
            f"model must be built as the one in {Path(path).name}, got {len(differ)} weights that differ in name or "
            f"shape, such as {differ[0]}; build it with the sizes it was saved with"
        )
    with torch.no_grad():
        model.load_state_dict(tensors)
    return model.eval()
