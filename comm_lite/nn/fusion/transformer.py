r"""One transformer over the tokens of all modalities: CoMM's fusion, and with more layers what is called early."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.attention import Block
from comm_lite.nn.fusion.base import Fusion
from comm_lite.nn.modalities import ByModality


class ConcatSelfAttention(Fusion):
    r"""Fuse modalities by self-attention over all their tokens, read out at a learnt first token (CLS).

    Tokens of modalities that are not kept are left out of the sequence. Padding never takes part: where a modality
    comes with ``<name>_mask``, only its True positions are attended to, in training and evaluation alike.

    Args:
        modalities: names of the modalities; the order does not change the result.
        dim: width D of tokens and of the fused vector.
        layers: transformer layers, at least 1.
        heads: attention heads; must divide ``dim``.

    Returns (of a call with ``tokens`` and ``keep``):
        (B, D) fused vectors, before any projection head.

    Raises:
        ValueError: if ``heads`` does not divide ``dim``, or (when called) if nothing is kept, a kept modality is
            absent or unknown, or a mask does not fit its tokens.

    Example:
        >>> fuse = ConcatSelfAttention(["image", "text"], dim=32, heads=4)
        >>> tokens = {"image": torch.rand(2, 4, 32), "text": torch.rand(2, 5, 32)}
        >>> fuse(tokens).shape, fuse(tokens, keep=("text",)).shape
        (torch.Size([2, 32]), torch.Size([2, 32]))

    Source: Dufumier et al. (ICLR 2025), section 3. Differs from the paper: absent modalities are left out, as in the
    authors' code, rather than replaced by a mask token. Differs from the authors' code: the padding mask reaches the
    attention in training too, and a learnt code tells modalities apart.
    """

    def __init__(self, modalities: Iterable[str], *, dim: int, layers: int = 1, heads: int = 8) -> None:
        super().__init__(modalities, dim)
        _check.whole("layers", layers)
        _check.heads(dim, heads)
        self.cls = nn.Parameter(torch.randn(dim))
        self.kind = ByModality("kind", {name: nn.Parameter(0.02 * torch.randn(dim)) for name in self.modalities})
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name, Z_K of :eq:`eq-fusion`.

        ``keep``, the equation's K, may be None: then all that is present is fused.
        """
        found = self.parts(tokens, keep)
        parts = [part + self.kind[name].to(part.dtype) for name, (part, _) in found.items()]
        masks = [mask for _, mask in found.values()]
        batch = len(parts[0])
        first = self.cls.to(parts[0].dtype).expand(batch, 1, -1)
        sequence = torch.cat([first, *parts], dim=1)  # H_K (B, 1 + sum of L, D)
        present = None
        if any(mask is not None for mask in masks):
            ones = [sequence.new_ones(batch, part.shape[1], dtype=torch.bool) for part in parts]
            filled = [one if mask is None else mask for one, mask in zip(ones, masks, strict=True)]
            present = torch.cat([filled[0].new_ones(batch, 1), *filled], dim=1)
        for depth, block in enumerate(self.blocks):
            # only the first token is read out, so the last layer computes no other
            sequence = block(sequence, present, first_only=depth == len(self.blocks) - 1)
        return self.norm(sequence[:, 0])  # (eq-fusion)
