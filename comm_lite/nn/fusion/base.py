r"""What all fusions share: names, checks, and the tokens that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.modalities import kept, mask_of, mean_of_real, modality_names


class Fusion(nn.Module):
    r"""A module called as ``fusion(tokens, keep)``, which returns (B, D) for any subset of its modalities.

    A modality that is not kept, one that is absent, and a row of padding alone count the same: as missing.

    Args:
        modalities: names of the modalities.
        dim: width D of tokens and of the fused vector.

    Raises:
        ValueError: if names are wrong, or (when called) if nothing is kept, a kept modality is absent or unknown, or a
            mask does not fit its tokens.
    """

    def __init__(self, modalities: Iterable[str], dim: int) -> None:
        super().__init__()
        self.modalities = modality_names("modalities", modalities)
        _check.whole("dim", dim)
        self.dim = dim

    def parts(
        self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None
    ) -> dict[str, tuple[Tensor, Tensor | None]]:
        r"""Return tokens (B, L, D), zero in the padding, and mask (B, L) or None, of each kept modality, in order."""
        names = kept(tokens, self.modalities, keep)
        found = {}
        for name in names:
            part = tokens[name]
            _check.shape(f"tokens[{name!r}]", part, "B L D")
            _check.rows(f"tokens[{name!r}]", part, len(tokens[names[0]]))
            if part.shape[-1] != self.dim:
                raise ValueError(
                    f"tokens[{name!r}] must have width {self.dim}, got shape {tuple(part.shape)}; "
                    f"give the converter the same dim as the fusion"
                )
            mask = mask_of(tokens, name)
            if mask is not None:  # attention weighs padding with 0, but 0 * NaN is NaN
                part = part.masked_fill(~mask[:, :, None], 0.0)
            found[name] = part, mask
        return found

    def vectors(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None) -> dict[str, tuple[Tensor, Tensor]]:
        r"""Return the mean of the real tokens (B, D) of every modality, and whether there are any (B, 1).

        Where a modality is missing, the mean is zero.
        """
        parts = self.parts(tokens, keep)
        like = next(iter(parts.values()))[0]
        found = {}
        for name in self.modalities:
            if name in parts:
                part, mask = parts[name]
                there = like.new_ones(len(like), 1, dtype=torch.bool) if mask is None else mask.any(1, keepdim=True)
                found[name] = mean_of_real(part, mask), there
            else:
                found[name] = like.new_zeros(len(like), self.dim), like.new_zeros(len(like), 1, dtype=torch.bool)
        return found
