r"""Random views of a batch of texts: some words are left out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check


@dataclass(frozen=True)
class TextAugment:
    r"""Leave out each word of a text with a chance of its own; the first token, the start, always stays.

    A call with ids (B, L), their mask (B, L) and a generator on their device returns new ids and a new mask of the
    same shapes: a word that is left out becomes padding, id 0 and mask False, in its place. A label survives as long
    as one of the words that tell it does: it is preserved on average, not in every view.

    Example:
        >>> ids = torch.tensor([[2, 8, 9, 7, 3, 0]])
        >>> view, mask = TextAugment(drop_chance=0.5)(ids, ids != 0, generator=torch.Generator().manual_seed(0))
        >>> view.tolist(), bool(((view != 0) == mask).all())
        ([[2, 8, 0, 0, 0, 0]], True)
    """

    drop_chance: float = 0.4
    r"""Chance to leave a word out, in [0, 1)."""

    def __post_init__(self) -> None:
        _check.between("drop_chance", self.drop_chance, 0.0, 0.99)

    def __call__(self, ids: Tensor, mask: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        r"""Return ids (B, L) with words left out, and the mask (B, L) of those that stayed."""
        _check.shape("ids", ids, "B L")
        _check.integers("ids", ids)
        _check.mask("mask", mask, ids.shape)
        stays = torch.rand(ids.shape, generator=generator, device=ids.device) >= self.drop_chance
        stays[:, :1].fill_(True)
        mask = mask & stays
        return ids * mask, mask
