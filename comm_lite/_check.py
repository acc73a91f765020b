r"""The texts of our errors, in one place.

Every check says what was wanted, what came and what to do. Each text is matched by a test.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import torch
from torch import Tensor

_everywhere = False


@contextmanager
def check_values(on: bool = True) -> Iterator[None]:
    r"""Look at the values of tensors on every device inside this block, and so wait for the device at each look.

    Shapes, types and names are checked always. Values (NaN, rows of zeros, masks that hide everything) are looked at
    on the CPU only, since each look at a GPU makes the program wait for it. Use this to find where a NaN comes from.
    """
    global _everywhere
    before, _everywhere = _everywhere, on
    try:
        yield
    finally:
        _everywhere = before


def values_of(value: Tensor) -> bool:
    r"""Return whether the values of ``value`` may be looked at here without holding up a training step."""
    if torch.compiler.is_compiling():
        return False
    return _everywhere or value.device.type == "cpu"


def positive(name: str, value: float) -> None:
    r"""Raise unless ``value`` is a finite number above zero (a scalar tensor counts as one)."""
    if isinstance(value, Tensor) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number above zero, got {type(value).__name__}; pass a float such as 0.1")
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} must be a finite number above zero, got {value}; pass a value such as 0.1")


def temperature(name: str, value: float | Tensor) -> None:
    r"""Raise unless ``value``, a float or a scalar tensor, keeps its square and inverse square in float32.

    The gradient of a learnt temperature holds its inverse square. Of a tensor that is not to be looked at (see
    `values_of`) type and shape alone are checked.
    """
    if isinstance(value, Tensor) and value.ndim == 0 and not values_of(value):
        if value.is_complex() or value.dtype == torch.bool:
            raise TypeError(f"{name} must be a number above zero, got {value.dtype}; pass a float such as 0.1")
        return
    positive(name, value)
    if not 1e-18 <= value <= 1e18:
        raise ValueError(
            f"{name} must lie in [1e-18, 1e+18], got {float(value):.3g}; "
            f"the loss or its gradient leaves float32 beyond, so pass a value such as 0.1"
        )


def whole(name: str, value: int, *, least: int = 1) -> None:
    r"""Raise unless ``value`` is an integer of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}; pass one of at least {least}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}; pass a larger one")


def heads(dim: int, heads: int) -> None:
    r"""Raise unless attention heads divide the width of a token."""
    whole("heads", heads)
    if dim % heads:
        most = next(number for number in range(min(8, dim), 0, -1) if dim % number == 0)
        raise ValueError(f"heads must divide dim, got heads={heads} and dim={dim}; choose for example heads={most}")


def between(name: str, value: float, low: float, high: float) -> None:
    r"""Raise unless ``value`` is a number with ``low <= value <= high``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number in [{low}, {high}], got {type(value).__name__}; pass a float")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in [{low}, {high}], got {value}; pass a value inside")


def is_tensor(name: str, value: object) -> None:
    r"""Raise unless ``value`` is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}; wrap it with torch.as_tensor")


def shape(name: str, value: Tensor, letters: str) -> None:
    r"""Raise unless ``value`` is a tensor with one axis per letter of ``letters`` (such as ``"B L D"``)."""
    is_tensor(name, value)
    wanted = letters.split()
    if value.ndim != len(wanted):
        raise ValueError(
            f"{name} must have shape ({', '.join(wanted)}), got {tuple(value.shape)}; "
            f"bring it to {len(wanted)} axes with reshape or unsqueeze"
        )


def integers(name: str, value: Tensor) -> None:
    r"""Raise unless ``value`` is a tensor of integers."""
    is_tensor(name, value)
    if value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise TypeError(f"{name} must hold integers, got {value.dtype}; call .long() first")


def columns(name: str, value: Tensor, most: Iterable[int], meaning: str) -> None:
    r"""Raise unless ``value`` holds integers (B, K), in column k from 0 to below ``most[k]``."""
    below = torch.tensor(list(most))
    shape(name, value, f"B {len(below)}")
    integers(name, value)
    if value.shape[1] != len(below) or bool((value < 0).any() or (value.cpu() >= below).any()):
        raise ValueError(
            f"{name} must have shape (B, {len(below)}) with columns below {below.tolist()}, "
            f"got shape {tuple(value.shape)} with values {value.unique().tolist()!s:.60}; the columns are {meaning}"
        )


def images(value: Tensor) -> None:
    r"""Raise unless ``value`` holds images (B, 3, H, W) as floats."""
    shape("images", value, "B 3 H W")
    if not value.is_floating_point():
        raise TypeError(f"images must hold floats in [0, 1], got {value.dtype}; divide uint8 images by 255 first")
    if value.shape[1] != 3:
        raise ValueError(
            f"images must have 3 channels (red, green, blue), got {value.shape[1]} in shape {tuple(value.shape)}; "
            f"move the channels to axis 1 or repeat a gray channel three times"
        )


def mask(name: str, value: Tensor, wanted: Iterable[int]) -> None:
    r"""Raise unless ``value`` is boolean and has the shape ``wanted``, one entry a token."""
    is_tensor(name, value)
    wanted = tuple(wanted)
    if value.dtype != torch.bool or tuple(value.shape) != wanted:
        raise ValueError(
            f"{name} must be boolean with shape {wanted}, True at real tokens, got {value.dtype} with shape "
            f"{tuple(value.shape)}; take it from the tokenizer, one entry a token"
        )


def embeddings(*, least: int = 2, **tensors: Tensor) -> None:
    r"""Raise unless all tensors are floating, of one shape ``(B, D)``, ``B >= least``, finite, no row all zero.

    The last two are looked at where `values_of` says so.
    """
    first_name, first = next(iter(tensors.items()))
    for name, value in tensors.items():
        shape(name, value, "B D")
        if not value.is_floating_point():
            raise TypeError(f"{name} must hold floating-point embeddings, got {value.dtype}; call .float() first")
        if value.shape != first.shape:
            raise ValueError(
                f"{name} must have the shape of {first_name}, wanted {tuple(first.shape)}, "
                f"got {tuple(value.shape)}; row i of both must come from the same sample"
            )
        if value.shape[0] < least:
            raise ValueError(
                f"{name} must hold at least {least} rows, got {value.shape[0]}; "
                f"a contrastive loss needs other samples as negatives, so use a larger batch"
            )
        if not values_of(value):
            continue
        finite(name, value)
        if not value.any(dim=1).all():
            raise ValueError(
                f"{name} must have a direction in every row, got {int((~value.any(dim=1)).sum())} rows of zeros; "
                f"cosine similarity is undefined there, so look for a dead layer or a mask that hides everything"
            )


def finite(name: str, value: Tensor) -> None:
    r"""Raise if ``value`` holds NaN or infinity."""
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(
            f"{name} must be finite, got {bad} NaN or infinite of {value.numel()} numbers; "
            f"look for a division by zero, an overflow or a learning rate that is too high"
        )


def one_of(name: str, value: object, known: Iterable[object]) -> None:
    r"""Raise unless ``value`` is one of ``known``."""
    known = list(known)
    if value not in known:
        raise ValueError(f"{name} must be one of {known}, got {value!r}; choose one of these")


def some(name: str, got: Collection[object]) -> None:
    r"""Raise if ``got`` is empty."""
    if len(got) == 0:
        raise ValueError(f"{name} must hold at least one entry, got none; pass one or more")


def known_keys(name: str, got: Mapping[str, object] | Iterable[str], known: Iterable[str]) -> None:
    r"""Raise if ``got`` is empty or names something that is not in ``known``."""
    known, got = list(known), list(got)
    unknown = [key for key in got if key not in known]
    if unknown:
        raise ValueError(f"{name} must name only {known}, got unknown {unknown}; drop or rename them")
    if not got:
        raise ValueError(f"{name} must name at least one of {known}, got none; pass one or more")


def by_modality(name: str, value: object, *, least: int = 1, reserved: Iterable[str] = ()) -> None:
    r"""Raise unless ``value`` is a dictionary with at least ``least`` modality names, none of them ``reserved``."""
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{name} must be a dictionary from modality name to tensor, got {type(value).__name__}; "
            f"pass for instance {{'image': z1, 'text': z2}}"
        )
    if len(value) < least:
        raise ValueError(f"{name} must hold at least {least} modalities, got {sorted(value)}; add the missing ones")
    for key in reserved:
        if key in value:
            raise ValueError(f"{name} must not call a modality {key!r}, a name that the terms use; rename it")


def same_keys(name: str, value: Mapping[str, object], other_name: str, other: Mapping[str, object]) -> None:
    r"""Raise unless both dictionaries have the same keys, in any order."""
    if value.keys() != other.keys():
        raise ValueError(
            f"{name} must name the modalities of {other_name}, wanted {sorted(other)}, got {sorted(value)}; "
            f"take both from the same batch"
        )


def rows(name: str, value: Tensor, wanted: int) -> None:
    r"""Raise unless ``value`` is a tensor with ``wanted`` entries along its first axis."""
    is_tensor(name, value)
    if value.ndim == 0 or len(value) != wanted:
        raise ValueError(
            f"{name} must have one entry for each of the {wanted} rows, got shape {tuple(value.shape)}; "
            f"take both from the same samples"
        )


def texts(name: str, value: Iterable[str]) -> list[str]:
    r"""Return the texts as a list; raise unless there is one or more, and nothing else."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of texts, got {value!r:.60}; put a single one into a list")
    found = list(value)
    bad = [type(text).__name__ for text in found if not isinstance(text, str)]
    if bad:
        raise TypeError(f"{name} must hold only texts, got {bad[0]}; decode bytes and drop what is missing")
    if not found:
        raise ValueError(f"{name} must hold at least one text, got none; a used-up iterator must be made anew")
    return found


def probabilities(name: str, value: Any, letters: str | None = None) -> None:
    r"""Raise unless ``value``, an array of floats with one axis per letter of ``letters``, is a joint distribution."""
    if not hasattr(value, "dtype") or not hasattr(value, "ndim"):
        raise TypeError(
            f"{name} must be an array of probabilities, got {type(value).__name__}; wrap it with numpy.asarray"
        )
    if "float" not in str(value.dtype):
        raise TypeError(
            f"{name} must hold probabilities as floats, got {value.dtype}; divide counts by their sum: n / n.sum()"
        )
    wanted = letters.split() if letters else None
    if wanted and value.ndim != len(wanted):
        raise ValueError(
            f"{name} must have shape ({', '.join(wanted)}), got {tuple(value.shape)}; one axis a variable, "
            f"group or sum out the others"
        )
    if value.ndim == 0 or 0 in value.shape:
        raise ValueError(f"{name} must hold at least one probability, got shape {tuple(value.shape)}; pass a table")
    total = float(value.sum())
    if not math.isfinite(total):
        raise ValueError(f"{name} must be finite, got NaN or infinity; look for a division by zero")
    if float(value.min()) < 0:
        raise ValueError(f"{name} must not be negative, got {float(value.min()):.3g}; a probability is at least 0")
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{name} must sum to 1, got {total:.9g}; divide it by its sum")
