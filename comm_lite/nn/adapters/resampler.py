r"""Perceiver resampler: from any number of tokens to a fixed number."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.attention import CrossAttention, feed_forward


class PerceiverResampler(nn.Module):
    r"""Let a few learnt tokens, the latents, collect what any number of tokens hold; the latents see each other, too.

    .. math::
        z \leftarrow z + \mathrm{Attention}(q = z,\; kv = [x; z]), \qquad z \leftarrow z + \mathrm{FFW}(z)

    Without codes the order of the tokens makes no difference, so where something is cannot be told.

    Args:
        dim: width D of tokens and latents.
        latents: their number R.
        layers: how often they collect.
        heads: attention heads; must divide ``dim``.
        frames: most frames T of a clip; each gets a learnt code. 0 for no such code.
        places: tokens S of a frame; each place gets a learnt code. 0 for no such code.

    Returns (of a call with ``x`` and ``mask``):
        (B, R, D) latents; zero for a row of padding alone.

    Raises:
        ValueError: if ``heads`` does not divide ``dim``, or (when called) if shapes or mask do not fit.

    Example:
        >>> PerceiverResampler(16, latents=4, heads=2)(torch.rand(2, 9, 16)).shape
        torch.Size([2, 4, 16])

    Source: Alayrac et al. (2022), Flamingo. Differs from it where asked to: codes of places, and GELU inside.
    """

    def __init__(
        self, dim: int, *, latents: int = 64, layers: int = 2, heads: int = 8, frames: int = 0, places: int = 0
    ) -> None:
        super().__init__()
        for name, value, least in (("latents", latents, 1), ("layers", layers, 1), ("frames", frames, 0)):
            _check.whole(name, value, least=least)
        _check.whole("places", places, least=0)
        _check.heads(dim, heads)
        self.dim = dim
        self.latents = nn.Parameter(torch.randn(latents, dim) * dim**-0.5)
        self.frames = nn.Parameter(torch.randn(frames, 1, dim) * dim**-0.5) if frames else None
        self.places = nn.Parameter(torch.randn(places, dim) * dim**-0.5) if places else None
        self.attention = nn.ModuleList(CrossAttention(dim, heads) for _ in range(layers))
        self.mlp = nn.ModuleList(feed_forward(dim) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""Return latents (B, R, D) of tokens (B, L, D), or (B, T, S, D) for frames; ``mask`` is as ``x`` without D."""
        _check.is_tensor("x", x)
        if x.ndim == 3:
            x = x[:, None]  # one frame
            mask = mask if mask is None else mask[:, None]
        if x.ndim != 4 or x.shape[3] != self.dim or (self.frames is not None and x.shape[1] > len(self.frames)):
            most = "" if self.frames is None else f" with T up to {len(self.frames)}"
            raise ValueError(
                f"x must have shape (B, L, {self.dim}) or (B, T, S, {self.dim}){most}, got {tuple(x.shape)}; "
                f"project or cut it first"
            )
        if self.places is not None and x.shape[2] != len(self.places):
            raise ValueError(
                f"x must have {len(self.places)} places, got {tuple(x.shape)}; build it with places={x.shape[2]}"
            )
        if mask is not None:
            _check.mask("mask", mask, x.shape[:3])
            x, mask = x.masked_fill(~mask[..., None], 0.0), mask.flatten(1)
        if self.frames is not None:
            x = x + self.frames[: x.shape[1]]
        x = (x if self.places is None else x + self.places).flatten(1, 2)  # (B, T * S, D)
        z = self.latents.to(x.dtype).expand(len(x), -1, -1)
        seen = None if mask is None else torch.cat([mask, mask.new_ones(z.shape[:2])], 1)[:, None]
        for attention, mlp in zip(self.attention, self.mlp, strict=True):
            z = z + attention(z, torch.cat([x, z], 1), seen)
            z = z + mlp(z)
        z = self.norm(z)
        return z if mask is None else z.masked_fill(~mask.any(1)[:, None, None], 0.0)
