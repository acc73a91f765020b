r"""Q-Former: learnt queries look at an image and share self-attention with a text, as a mask allows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.attention import CrossAttention, feed_forward


def qformer_mask(queries: int, text: int, mode: str, *, device: torch.device | str = "cpu") -> Tensor:
    r"""Return who may see whom in the self-attention of queries and text.

    Args:
        queries: how many come first.
        text: how many words come behind them.
        mode: ``"itc"`` (contrast: neither sees the other), ``"itm"`` (matching: all see all) or ``"itg"`` (captioning:
            words see the queries and the words before them; queries see no word).
        device: where the mask goes.

    Returns:
        (Q + T, Q + T) booleans, rows look at columns.

    Raises:
        ValueError: if ``mode`` is unknown.

    Example:
        >>> qformer_mask(1, 2, "itg").int().tolist()
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    """
    _check.one_of("mode", mode, ("itc", "itm", "itg"))
    is_text = torch.arange(queries + text, device=device) >= queries
    if mode == "itm":
        return torch.ones_like(is_text)[:, None] & torch.ones_like(is_text)
    if mode == "itc":
        return is_text[:, None] == is_text
    return ~is_text | torch.ones(len(is_text), len(is_text), dtype=torch.bool, device=device).tril() & is_text[:, None]


class _Layer(nn.Module):
    r"""Self-attention of queries and text, cross-attention of the queries, and a feed-forward part for either."""

    def __init__(self, dim: int, heads: int, given: int, *, looks: bool) -> None:
        super().__init__()
        self.both = CrossAttention(dim, heads)
        self.look = CrossAttention(dim, heads, given=given) if looks else None
        self.mlp, self.mlp_text = feed_forward(dim), feed_forward(dim)

    def forward(self, q: Tensor, t: Tensor, images: Tensor, seen: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        both = torch.cat([q, t], 1)
        both = both + self.both(both, both, seen)
        q, t = both[:, : q.shape[1]], both[:, q.shape[1] :]
        if self.look is not None:
            q = q + self.look(q, images, mask if mask is None else mask[:, None])
        return q + self.mlp(q), t + self.mlp_text(t)


class QFormer(nn.Module):
    r"""Let learnt queries collect from an image what a text speaks of; every other layer looks at the image.

    Args:
        dim: width D of queries and text tokens.
        queries: their number Q.
        layers: transformer layers.
        heads: attention heads; must divide ``dim``.
        given: width of the image tokens; None for D.

    Returns (of a call):
        Queries (B, Q, D) and text tokens (B, T, D); zero where all is padding, and at padded words.

    Raises:
        ValueError: if ``heads`` does not divide ``dim``, or (when called) if the mode is unknown or a mask is wrong.

    Example:
        >>> former = QFormer(16, queries=4, heads=2)
        >>> queries, text = former(torch.rand(2, 9, 16), torch.rand(2, 5, 16), mode="itg")
        >>> queries.shape, text.shape
        (torch.Size([2, 4, 16]), torch.Size([2, 5, 16]))

    Source: Li et al. (2023), BLIP-2. Differs from it: the words come embedded, and the norms stand before.
    """

    def __init__(
        self, dim: int, *, queries: int = 32, layers: int = 2, heads: int = 8, given: int | None = None
    ) -> None:
        super().__init__()
        _check.whole("queries", queries)
        _check.whole("layers", layers)
        _check.heads(dim, heads)
        self.dim = dim
        self.queries = nn.Parameter(torch.randn(queries, dim) * dim**-0.5)
        each = range(layers)
        self.layers = nn.ModuleList(_Layer(dim, heads, given or dim, looks=number % 2 == 0) for number in each)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        images: Tensor,
        text: Tensor | None = None,
        *,
        mode: str = "itc",
        mask: Tensor | None = None,
        text_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        r"""Return queries (B, Q, D) and text (B, T, D) from image tokens (B, L, C) and embedded words (B, T, D).

        ``mask`` (B, L) and ``text_mask`` (B, T) are True at real tokens; ``mode`` is that of `qformer_mask`.
        """
        _check.shape("images", images, "B L C")
        q = self.queries.to(images.dtype).expand(len(images), -1, -1)
        t = images.new_zeros(len(images), 0, self.dim) if text is None else text
        _check.shape("text", t, "B T D")
        _check.rows("text", t, len(images))
        seen = qformer_mask(q.shape[1], t.shape[1], mode, device=t.device)[None]
        if text_mask is not None:
            _check.mask("text_mask", text_mask, t.shape[:2])
            t = t.masked_fill(~text_mask[:, :, None], 0.0)
            seen = seen & torch.cat([text_mask.new_ones(q.shape[:2]), text_mask], 1)[:, None]
        if mask is not None:
            _check.mask("mask", mask, images.shape[:2])
            images = images.masked_fill(~mask[:, :, None], 0.0)
        for layer in self.layers:
            q, t = layer(q, t, images, seen, mask)
        q, t = self.norm(q), self.norm(t)
        if mask is not None:
            q = q.masked_fill(~mask.any(1)[:, None, None], 0.0)
        return q, t if text_mask is None else t.masked_fill(~text_mask[:, :, None], 0.0)
