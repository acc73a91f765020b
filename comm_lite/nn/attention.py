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
