r"""Fusions of one vector a modality, the mean of its real tokens: sums, products, and what lies between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.fusion.base import Fusion
from comm_lite.nn.modalities import ByModality


def _mlp(inward: int, hidden: int, outward: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inward, hidden), nn.GELU(), nn.Linear(hidden, outward))


class LateFusion(Fusion):
    r"""Give each modality a head of its own and add what they say: no head ever meets another modality.

    .. math::
        y = \sum_m f_m(z_m)

    A sum cannot express XOR: f(0) + g(0) and f(1) + g(1) negative, f(0) + g(1) and f(1) + g(0) positive is a
    contradiction, since both pairs have the same sum.

    Args:
        modalities: names of the modalities.
        dim: width D of tokens and of the fused vector.
        hidden: width of the layer inside a head.

    Example:
        >>> LateFusion(["image", "text"], dim=8)({"image": torch.rand(2, 4, 8), "text": torch.rand(2, 5, 8)}).shape
        torch.Size([2, 8])
    """

    def __init__(self, modalities: Iterable[str], *, dim: int, hidden: int = 64) -> None:
        super().__init__(modalities, dim)
        _check.whole("hidden", hidden)
        self.heads = ByModality("heads", {name: _mlp(dim, hidden, dim) for name in self.modalities})

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        vectors = self.vectors(tokens, keep).items()
        return sum(self.heads[name](z) * there for name, (z, there) in vectors)


class ConcatFusion(Fusion):
    r"""Put the modalities side by side and read them by one linear map, or by two with a bend between.

    One linear map of a concatenation is a sum, W [z1; z2] = W1 z1 + W2 z2, and fails where late fusion does.

    Args:
        modalities: names of the modalities.
        dim: width D of tokens and of the fused vector.
        hidden: width of the hidden layer; None for one linear map.

    Example:
        >>> fuse = ConcatFusion(["image", "text"], dim=8, hidden=16)
        >>> fuse({"image": torch.rand(2, 4, 8)}).shape  # what is missing counts as zeros
        torch.Size([2, 8])
    """

    def __init__(self, modalities: Iterable[str], *, dim: int, hidden: int | None = None) -> None:
        super().__init__(modalities, dim)
        inward = dim * len(self.modalities)
        if hidden is not None:
            _check.whole("hidden", hidden)
        self.read = nn.Linear(inward, dim) if hidden is None else _mlp(inward, hidden, dim)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        return self.read(torch.cat([z for z, _ in self.vectors(tokens, keep).values()], dim=1))


class ProductFusion(Fusion):
    r"""Multiply what the modalities say, number by number; a missing one says 1.

    .. math::
        y = W \prod_m (U_m z_m + b_m) + b

    Args:
        modalities: names of the modalities.
        dim: width D of tokens and of the fused vector.

    Example:
        >>> ProductFusion(["image", "text"], dim=8)({"image": torch.rand(2, 4, 8), "text": torch.rand(2, 5, 8)}).shape
        torch.Size([2, 8])
    """

    def __init__(self, modalities: Iterable[str], *, dim: int) -> None:
        super().__init__(modalities, dim)
        self.says = ByModality("says", {name: nn.Linear(dim, dim) for name in self.modalities})
        self.read = nn.Linear(dim, dim)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        product = 1.0
        for name, (z, there) in self.vectors(tokens, keep).items():
            product = product * torch.where(there, self.says[name](z), 1.0)
        return self.read(product)


class FiLMFusion(Fusion):
    r"""Let the other modalities scale and shift the first one; where they are missing, it stays as it is.

    .. math::
        y = z_1 \odot \Bigl(1 + \sum_{m > 1} \gamma_m(z_m)\Bigr) + \sum_{m > 1} \beta_m(z_m)

    Args:
        modalities: names of the modalities, at least two; the first is the one that is modulated.
        dim: width D of tokens and of the fused vector.

    Example:
        >>> FiLMFusion(["image", "text"], dim=8)({"image": torch.rand(2, 4, 8), "text": torch.rand(2, 5, 8)}).shape
        torch.Size([2, 8])

    Source: Perez et al. (2018), "FiLM: Visual reasoning with a general conditioning layer", on the mean of the tokens.
    """

    def __init__(self, modalities: Iterable[str], *, dim: int) -> None:
        super().__init__(modalities, dim)
        if len(self.modalities) < 2:
            raise ValueError(f"modalities must be two or more, got {self.modalities}; the others modulate the first")
        self.tells = ByModality("tells", {name: nn.Linear(dim, 2 * dim) for name in self.modalities[1:]})

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        vectors = self.vectors(tokens, keep)
        first, _ = vectors[self.modalities[0]]
        told = sum(self.tells[name](vectors[name][0]) * vectors[name][1] for name in self.modalities[1:])
        scale, shift = told.chunk(2, dim=1)
        return first * (1 + scale) + shift


class BilinearFusion(Fusion):
    r"""Weigh every product of a number of one modality with a number of another: D * D * D weights a pair.

    .. math::
        y_k = \sum_{m < n} z_m^\top W^{(mn)}_k z_n + \sum_m U_m z_m + b_k

    Args:
        modalities: names of the modalities.
        dim: width D of tokens and of the fused vector.

    Example:
        >>> BilinearFusion(["image", "text"], dim=8)({"image": torch.rand(2, 4, 8), "text": torch.rand(2, 5, 8)}).shape
        torch.Size([2, 8])

    Source: Jayakumar et al. (2020), "Multiplicative interactions and where to find them".
    """

    def __init__(self, modalities: Iterable[str], *, dim: int) -> None:
        super().__init__(modalities, dim)
        self.alone = nn.Linear(dim * len(self.modalities), dim)
        pairs = combinations(self.modalities, 2)
        self.pairs = nn.ModuleList(nn.Bilinear(dim, dim, dim, bias=False) for _ in pairs)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        vectors = [z for z, _ in self.vectors(tokens, keep).values()]  # zero where missing, and so is its product
        together = zip(self.pairs, combinations(vectors, 2), strict=True)
        return self.alone(torch.cat(vectors, dim=1)) + sum(pair(a, b) for pair, (a, b) in together)


class LowRankFusion(Fusion):
    r"""Weigh every product of numbers of all modalities at once, by a tensor of low rank that is never built.

    .. math::
        y = \sum_{r=1}^{R} w_r \prod_m W_m^{(r)} [1; z_m] + b

    Args:
        modalities: names of the modalities.
        dim: width D of tokens and of the fused vector.
        rank: R.

    Example:
        >>> LowRankFusion(["image", "text"], dim=8)({"image": torch.rand(2, 4, 8), "text": torch.rand(2, 5, 8)}).shape
        torch.Size([2, 8])

    Source: Liu et al. (2018), "Efficient low-rank multimodal fusion with modality-specific factors".
    """

    def __init__(self, modalities: Iterable[str], *, dim: int, rank: int = 4) -> None:
        super().__init__(modalities, dim)
        _check.whole("rank", rank)
        # the bias of a factor is the column of the 1 in [1; z], all that is left of a missing modality
        self.factors = ByModality("factors", {name: nn.Linear(dim, rank * dim) for name in self.modalities})
        self.read = nn.Linear(rank, 1)

    def forward(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) from tokens (B, L, D) by modality name."""
        product = 1.0
        for name, (z, _) in self.vectors(tokens, keep).items():
            product = product * self.factors[name](z)
        return self.read(product.unflatten(1, (self.dim, -1))).squeeze(2)
