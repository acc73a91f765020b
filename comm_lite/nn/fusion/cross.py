r"""Cross-attention between modalities: the tokens of one ask, those of the others answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.attention import CrossAttention, feed_forward
from comm_lite.nn.fusion.base import Fusion
from comm_lite.nn.modalities import ByModality, mean_of_real


class CrossAttentionFusion(Fusion):
    r"""Let the tokens of one modality, or of each, attend to the tokens of all others; costs L1 * L2 a pair.

    A learnt token asks along, so that something is asked also where the asking modality is missing. Where all others
    are missing, the answer is zero. The result is the mean over what asked.

    Args:
        modalities: names of the modalities, at least two.
        dim: width D of tokens and of the fused vector.
        heads: attention heads; must divide ``dim``.
        asking: the modality that asks (one way); None for each in turn (both ways), whose means are added.

    Example:
        >>> fuse = CrossAttentionFusion(["image", "text"], dim=8, heads=2, asking="text")
        >>> fuse({"image": torch.rand(2, 4, 8), "text": torch.rand(2, 5, 8)}).shape
        torch.Size([2, 8])

    Source: Lu et al. (2019), ViLBERT, for both ways. Differs from it in one layer, read out by the mean.
    """

    def __init__(self, modalities: Iterable[str], *, dim: int, heads: int = 8, asking: str | None = None) -> None:
        super().__init__(modalities, dim)
        _check.heads(dim, heads)
        if len(self.modalities) < 2:
            raise ValueError(f"modalities must be two or more, got {self.modalities}; one asks, another answers")
        if asking is not None and asking not in self.modalities:
            raise ValueError(f"asking must be one of {self.modalities}, got {asking!r}; name the modality that asks")
        askers = self.modalities if asking is None else [asking]
        answers = [name for name in self.modalities if asking is None or name != asking]
        self.first = ByModality("first", {name: nn.Parameter(torch.randn(dim)) for name in askers})
        self.kind = ByModality("kind", {name: nn.Parameter(0.02 * torch.randn(dim)) for name in answers})
        self.attention = ByModality("attention", {name: CrossAttention(dim, heads) for name in askers})
        self.mlp = ByModality("mlp", {name: feed_forward(dim) for name in askers})
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        parts = self.parts(tokens, keep)
        like = next(iter(parts.values()))[0]
        ones = {name: like.new_ones(part.shape[:2], dtype=torch.bool) for name, (part, _) in parts.items()}
        masks = {name: ones[name] if mask is None else mask for name, (_, mask) in parts.items()}
        total = 0.0
        for name in self.attention:
            asks = self.first[name].to(like.dtype).expand(len(like), 1, -1)
            real = like.new_ones(len(like), 1, dtype=torch.bool)
            if name in parts:
                asks, real = torch.cat([asks, parts[name][0]], 1), torch.cat([real, masks[name]], 1)
            others = [other for other in parts if other != name]
            if others:
                given = torch.cat([parts[other][0] + self.kind[other].to(like.dtype) for other in others], 1)
                seen = torch.cat([masks[other] for other in others], 1)
                asks = asks + self.attention[name](asks, given, seen[:, None])
            total = total + mean_of_real(asks + self.mlp[name](asks), real)
        return self.norm(total)
