r"""What stands under the name of a modality: parts of a model, tokens and their masks, and the names to keep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor, nn

from comm_lite import _check


class ByModality(nn.Module):
    r"""Modules or parameters by modality name, whatever the name; saved as by `nn.ModuleDict`.

    `nn.ModuleDict` refuses names that are its own attributes (``type``, ``keys``, ``train``) or hold a point
    (``text.en``). A point and a percent sign are saved as ``%2E`` and ``%25``, so that no two names meet.

    Args:
        what: what the parts are, for the texts of errors.
        parts: modules or parameters by modality name.

    Raises:
        TypeError: if a part is neither a module nor a parameter.
    """

    def __init__(self, what: str, parts: Mapping[str, nn.Module | nn.Parameter]) -> None:
        super().__init__()
        self._saved = {name: name.replace("%", "%25").replace(".", "%2E") for name in parts}
        for name, saved in self._saved.items():
            part = parts[name]
            if isinstance(part, nn.Parameter):
                self._parameters[saved] = part
            elif isinstance(part, nn.Module):
                self._modules[saved] = part
            else:
                raise TypeError(
                    f"{what}[{name!r}] must be a torch.nn.Module, got {type(part).__name__}; wrap it in one"
                )

    def __getitem__(self, name: str) -> nn.Module | nn.Parameter:
        saved = self._saved[name]
        return self._modules[saved] if saved in self._modules else self._parameters[saved]

    def __iter__(self) -> Iterator[str]:
        return iter(self._saved)

    def __len__(self) -> int:
        return len(self._saved)

    def keys(self) -> list[str]:
        r"""Return the names, in the order in which they came."""
        return list(self._saved)

    def values(self) -> list[nn.Module | nn.Parameter]:
        r"""Return the parts, in the order of the names."""
        return [self[name] for name in self._saved]

    def items(self) -> list[tuple[str, nn.Module | nn.Parameter]]:
        r"""Return pairs of name and part."""
        return [(name, self[name]) for name in self._saved]


def modality_names(what: str, names: Iterable[str]) -> list[str]:
    r"""Return the names as a list, if they can be those of modalities.

    Args:
        what: what names them, for the texts of errors.
        names: one or more different texts, none ending in ``_mask``.

    Returns:
        The names.

    Raises:
        TypeError: if a name is not a text, or one text comes in place of a list.
        ValueError: if there is none, one comes twice, or one ends in ``_mask``.

    Example:
        >>> modality_names("modalities", ("image", "text"))
        ['image', 'text']
    """
    if isinstance(names, str):
        raise TypeError(f"{what} must be a list of names, got the text {names!r}; write [{names!r}]")
    names = list(names)
    bad = [name for name in names if not isinstance(name, str) or not name]
    if bad:
        raise TypeError(f"{what} must name modalities by texts, got {bad}; write for instance 'image'")
    if not names:
        raise ValueError(f"{what} must name at least one modality, got none; pass one or more")
    if len(set(names)) < len(names):
        raise ValueError(f"{what} must differ, got {names}; name each of them once")
    bad = [name for name in names if name.endswith("_mask")]
    if bad:
        raise ValueError(f"a modality must not end in '_mask', got {bad}; that ending names its padding mask")
    return names


def named(keep: Iterable[str], modalities: list[str]) -> list[str]:
    r"""Return the modalities that ``keep`` names, in the model's own order.

    Args:
        keep: one or more names.
        modalities: the names that the model knows.

    Returns:
        The names.

    Raises:
        TypeError: if one text comes in place of a list.
        ValueError: if a name is unknown, or there is none.

    Example:
        >>> named(("text", "image"), ["image", "text", "sound"])
        ['image', 'text']
    """
    if isinstance(keep, str):
        raise TypeError(f"keep must be a tuple of names, got the text {keep!r}; write keep=({keep!r},)")
    keep = list(keep)
    _check.known_keys("keep", keep, modalities)
    return [name for name in modalities if name in keep]


def kept(tokens: Mapping[str, Tensor], modalities: list[str], keep: Iterable[str] | None) -> list[str]:
    r"""Return the modalities to fuse, in the model's own order.

    Args:
        tokens: tokens by modality name, and their masks.
        modalities: the names that the model knows.
        keep: one or more names; None for all that are present.

    Returns:
        The names.

    Raises:
        TypeError: if one text comes in place of a list.
        ValueError: if a name is unknown or absent, or there is none.

    Example:
        >>> kept({"text": 0, "text_mask": 0}, ["image", "text"], None)
        ['text']
    """
    present = [name for name in modalities if name in tokens]
    if keep is None:
        _check.known_keys("tokens", [name for name in tokens if not name.endswith("_mask")], modalities)
        return present
    keep = named(keep, modalities)
    absent = [name for name in keep if name not in tokens]
    if absent:
        raise ValueError(
            f"keep must name modalities that are present, {present}, got absent {absent}; drop them from keep"
        )
    return keep


def mean_of_real(tokens: Tensor, mask: Tensor | None) -> Tensor:
    r"""Return the mean over the real tokens of each row; zero where there is none.

    Args:
        tokens: (B, L, D).
        mask: (B, L), True at real tokens, or None where all are real.

    Returns:
        (B, D).

    Example:
        >>> import torch
        >>> mean_of_real(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]]))
        tensor([[2.]])
    """
    if mask is None:
        return tokens.mean(1)
    weight = mask[:, :, None].to(tokens.dtype)
    real = tokens.masked_fill(~mask[:, :, None], 0.0)  # not a product: padding may hold NaN
    return real.sum(1) / weight.sum(1).clamp(min=1)


def mask_of(tokens: Mapping[str, Tensor], name: str) -> Tensor | None:
    r"""Return the mask that stands beside a modality.

    Args:
        tokens: tokens (B, L, ...) by modality name, and their masks.
        name: of the modality.

    Returns:
        (B, L), True at real tokens, or None where all are real.

    Raises:
        TypeError: if the mask is not a tensor.
        ValueError: if it does not fit the tokens.

    Example:
        >>> import torch
        >>> mask_of({"text": torch.zeros(1, 2, 4)}, "text") is None
        True
    """
    mask = tokens.get(f"{name}_mask")
    if mask is not None:
        _check.mask(f"{name}_mask", mask, tokens[name].shape[:2])
    return mask
