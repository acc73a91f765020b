r"""Gated cross-attention: a frozen language model looks at images, and at first nothing changes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.attention import CrossAttention, feed_forward


def last_image(ids: Tensor, image_id: int) -> Tensor:
    r"""Return, for every place in a text, how many images were mentioned up to there: the number of the last one.

    Args:
        ids: (B, L) ids of words.
        image_id: the id that stands where an image was.

    Returns:
        (B, L) integers; 0 before the first image.

    Raises:
        TypeError: if ``ids`` are not integers.
        ValueError: if ``ids`` does not have two axes.

    Example:
        >>> last_image(torch.tensor([[5, 9, 6, 9, 7]]), image_id=9)
        tensor([[0, 1, 1, 2, 2]])
    """
    _check.shape("ids", ids, "B L")
    _check.integers("ids", ids)
    return (ids == image_id).cumsum(1)


class GatedCrossAttention(nn.Module):
    r"""Add what tokens see in the last image before them, times gates that start closed.

    .. math::
        y \leftarrow y + \tanh(\alpha) \, \mathrm{Attention}(q = y,\; kv = x), \qquad
        y \leftarrow y + \tanh(\beta) \, \mathrm{FFW}(y)

    With both gates at 0 the output is the input, bit for bit, and only the gates have a gradient. A token before the
    first image, or one whose image is not there, gets no answer, not a mean over all images.

    Args:
        dim: width D of the text tokens.
        heads: attention heads; must divide ``dim``.
        given: width of the image tokens; None for D.

    Returns (of a call with ``tokens``, ``images``, ``last`` and ``mask``):
        (B, L, D) tokens.

    Raises:
        ValueError: if ``heads`` does not divide ``dim``, or (when called) if shapes do not fit.

    Example:
        >>> block, text = GatedCrossAttention(16, heads=2), torch.rand(2, 5, 16)
        >>> bool((block(text, torch.rand(2, 3, 4, 16), torch.zeros(2, 5).long()) == text).all())
        True

    Source: Alayrac et al. (2022), Flamingo, with GELU for its squared ReLU.
    """

    def __init__(self, dim: int, *, heads: int = 8, given: int | None = None) -> None:
        super().__init__()
        _check.heads(dim, heads)
        self.dim = dim
        self.attention, self.mlp = CrossAttention(dim, heads, given=given), feed_forward(dim)
        self.gate_attention, self.gate_mlp = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, tokens: Tensor, images: Tensor, last: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""Return text tokens (B, L, D) after a look at images (B, I, R, C).

        ``last`` (B, L) is the number of the image that a token sees, from 1, or 0 for none, as `last_image` returns it;
        ``mask`` (B, I) is True where there is an image, None where all are.
        """
        _check.shape("tokens", tokens, "B L D")
        _check.shape("images", images, "B I R C")
        _check.integers("last", last)
        if last.shape != tokens.shape[:2] or len(images) != len(tokens):
            raise ValueError(
                f"last must have shape {tuple(tokens.shape[:2])} and images as many rows, got {tuple(last.shape)} and "
                f"{tuple(images.shape)}; one number a token, one row of images a text"
            )
        number = torch.arange(1, images.shape[1] + 1, device=last.device)
        seen = last[:, :, None] == number  # (B, L, I)
        if mask is not None:
            _check.mask("mask", mask, images.shape[:2])
            seen = seen & mask[:, None]
            images = images.masked_fill(~mask[:, :, None, None], 0.0)
        seen = seen.repeat_interleave(images.shape[2], dim=2)  # (B, L, I * R)
        tokens = tokens + self.gate_attention.tanh() * self.attention(tokens, images.flatten(1, 2), seen)
        return tokens + self.gate_mlp.tanh() * self.mlp(tokens)
