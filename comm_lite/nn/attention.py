r"""Attention and the transformer layer that text encoder and fusion share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    r"""Mix the values of all tokens that a query may see, weighed by the softmax of its scores; :eq:`eq-attention`.

    Args:
        q: queries (B, heads, Lq, d).
        k: keys (B, heads, L, d).
        v: values (B, heads, L, d).
        mask: boolean, broadcasts to the scores (B, heads, Lq, L), True at the tokens of the equation's set S, which may
            be seen; None where all may. Every query must see at least one.

    Returns:
        (B, heads, Lq, d).

    Example:
        >>> one = torch.ones(1, 1, 1, 2)
        >>> attend(one, torch.randn(1, 1, 3, 2), one.expand(1, 1, 3, 2), None)
        tensor([[[[1., 1.]]]])
    """
    if q.device.type != "cpu" or q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # on a CPU the fused kernel's backward pass takes five times as long in half precision (benchmarks/attention.py)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(dim=-1).to(v.dtype) @ v  # (eq-attention)


class Block(nn.Module):
    r"""One pre-norm transformer layer; `nn.TransformerEncoderLayer` cannot return just the first position cheaply.

    Args:
        dim: width D of a token.
        heads: attention heads; must divide ``dim``.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, tokens: Tensor, present: Tensor | None, *, first_only: bool = False) -> Tensor:
        r"""Return tokens (B, L, D), or only the first of each row (B, 1, D); ``present`` (B, L) says who is seen."""
        batch, length, dim = tokens.shape
        normed = self.norm1(tokens)
        asking = normed[:, :1] if first_only else normed
        q = self.query(asking).view(batch, -1, self.heads, dim // self.heads).transpose(1, 2)  # (B, heads, Lq, d)
        kv = self.key_value(normed).view(batch, length, 2, self.heads, dim // self.heads)
        k, v = kv.permute(2, 0, 3, 1, 4)  # (B, heads, L, d) each
        mask = None if present is None else present[:, None, None, :]
        mixed = attend(q, k, v, mask)
        tokens = (tokens[:, :1] if first_only else tokens) + self.out(mixed.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))


class CrossAttention(nn.Module):
    r"""Let tokens ask other tokens; a token that may see none of them gets zero, not a mean of everything.

    Args:
        dim: width D of the asking tokens and of the answer.
        heads: attention heads; must divide ``dim``.
        given: width of the tokens that answer; None for D.
    """

    def __init__(self, dim: int, heads: int, *, given: int | None = None) -> None:
        super().__init__()
        given = dim if given is None else given
        self.heads = heads
        self.norm_asking, self.norm_given = nn.LayerNorm(dim), nn.LayerNorm(given)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(given, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, asking: Tensor, given: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""Return answers (B, Lq, D); ``mask`` (B, Lq or 1, L) is True where a token may look, None for everywhere."""
        q = self.query(self.norm_asking(asking)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        kv = self.key_value(self.norm_given(given)).unflatten(2, (2, self.heads, -1))
        k, v = kv.permute(2, 0, 3, 1, 4)  # (B, heads, L, d) each
        if mask is None:
            return self.out(attend(q, k, v, None).transpose(1, 2).flatten(2))
        some = mask.any(2, keepdim=True)  # (B, Lq or 1, 1)
        mixed = attend(q, k, v, (mask | ~some)[:, None])
        return self.out(mixed.transpose(1, 2).flatten(2)).masked_fill(~some, 0.0)


def feed_forward(dim: int) -> nn.Sequential:
    r"""Return the part of a transformer layer that acts on each token alone.

    Args:
        dim: width D of a token.

    Returns:
        A normalisation and two linear maps with GELU between, from (B, L, D) to (B, L, D).

    Example:
        >>> feed_forward(8)(torch.rand(1, 2, 8)).shape
        torch.Size([1, 2, 8])
    """
    return nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
