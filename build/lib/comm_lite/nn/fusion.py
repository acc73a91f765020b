r"""Fusion: from the tokens of several modalities to one vector, for any subset of the modalities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comm_lite import _check


class _Block(nn.Module):
    r"""One pre-norm transformer layer; `nn.TransformerEncoderLayer` cannot return just the first position cheaply."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, tokens: Tensor, present: Tensor | None, *, first_only: bool) -> Tensor:
        batch, length, dim = tokens.shape
        normed = self.norm1(tokens)
        asking = normed[:, :1] if first_only else normed
        q = self.query(asking).view(batch, -1, self.heads, dim // self.heads).transpose(1, 2)  # (B, heads, Lq, d)
        kv = self.key_value(normed).view(batch, length, 2, self.heads, dim // self.heads)
        k, v = kv.permute(2, 0, 3, 1, 4)  # (B, heads, L, d) each
        mask = None if present is None else present[:, None, None, :]
        mixed = _attend(q, k, v, mask)
        tokens = (tokens[:, :1] if first_only else tokens) + self.out(mixed.transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm2(tokens))


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    r"""Attention of (B, heads, Lq, d) over (B, heads, L, d), :eq:`eq-attention`.

    ``mask`` broadcasts to the scores, True at the tokens of the equation's set S, which may be seen.
    """
    if q.device.type != "cpu" or q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # on a CPU the fused kernel's backward pass takes five times as long in half precision (benchmarks/attention.py)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(dim=-1).to(v.dtype) @ v  # (eq-attention)


class ConcatSelfAttention(nn.Module):
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
        super().__init__()
        if isinstance(modalities, str):
            raise TypeError(f"modalities must be a list of names, got the text {modalities!r}; write [{modalities!r}]")
        self.modalities = list(modalities)
        _check.known_keys("modalities", self.modalities, self.modalities)
        if len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities must differ, got {self.modalities}; name each of them once")
        for name, value in (("dim", dim), ("layers", layers), ("heads", heads)):
            _check.whole(name, value)
        if dim % heads:
            raise ValueError(
                f"heads must divide dim, got heads={heads} and dim={dim}; choose for example heads={_largest(dim)}"
            )
        self.dim = dim
        self.cls = nn.Parameter(torch.randn(dim))
        self.kind = nn.ParameterDict({name: nn.Parameter(0.02 * torch.randn(dim)) for name in self.modalities})
        self.blocks = nn.ModuleList(_Block(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name, Z_K of :eq:`eq-fusion`.

        ``keep``, the equation's K, may be None: then all that is present is fused.
        """
        kept = _kept(tokens, self.modalities, keep)
        parts, masks = [], []
        for name in kept:
            part = tokens[name]
            _check.shape(f"tokens[{name!r}]", part, "B L D")
            _check.rows(f"tokens[{name!r}]", part, len(tokens[kept[0]]))
            if part.shape[-1] != self.dim:
                raise ValueError(
                    f"tokens[{name!r}] must have width {self.dim}, got shape {tuple(part.shape)}; "
                    f"give the converter the same dim as the fusion"
                )
            mask = _mask(tokens, name)
            if mask is not None:  # attention weighs padding with 0, but 0 * NaN is NaN
                part = part.masked_fill(~mask[:, :, None], 0.0)
            parts.append(part + self.kind[name].to(part.dtype))
            masks.append(mask)
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


def _largest(dim: int) -> int:
    return next(heads for heads in range(min(8, dim), 0, -1) if dim % heads == 0)


def _kept(tokens: Mapping[str, Tensor], modalities: list[str], keep: Iterable[str] | None) -> list[str]:
    r"""The kept modalities in the model's own order; an error where one is unknown or absent."""
    present = [name for name in modalities if name in tokens]
    if keep is None:
        _check.known_keys("tokens", [name for name in tokens if not name.endswith("_mask")], modalities)
        return present
    keep = _named(keep, modalities)
    absent = [name for name in keep if name not in tokens]
    if absent:
        raise ValueError(
            f"keep must name modalities that are present, {present}, got absent {absent}; drop them from keep"
        )
    return keep


def _named(keep: Iterable[str], modalities: list[str]) -> list[str]:
    r"""The modalities that ``keep`` names, in the model's own order."""
    if isinstance(keep, str):
        raise TypeError(f"keep must be a tuple of names, got the text {keep!r}; write keep=({keep!r},)")
    keep = list(keep)
    _check.known_keys("keep", keep, modalities)
    return [name for name in modalities if name in keep]


def _mask(tokens: Mapping[str, Tensor], name: str) -> Tensor | None:
    mask = tokens.get(f"{name}_mask")
    if mask is None:
        return None
    _check.is_tensor(f"{name}_mask", mask)
    if mask.dtype != torch.bool or mask.shape != tokens[name].shape[:2]:
        raise ValueError(
            f"{name}_mask must be boolean with shape {tuple(tokens[name].shape[:2])}, True at real tokens, "
            f"got {mask.dtype} with shape {tuple(mask.shape)}; one entry a token"
        )
    return mask
