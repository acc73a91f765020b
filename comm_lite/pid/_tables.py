r"""Small sums over tables of probabilities that need no check, in nats."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

CERTIFIED = 1e-7  # nats: the gap up to which a result counts as certain


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    r"""Divide where the denominator is above 0; elsewhere the ratio counts as 0."""
    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below > 0)


def entropies(tables: list[np.ndarray]) -> list[float]:
    r"""Entropy in nats of each table of probabilities, which need no check."""
    p = np.concatenate([table.ravel() for table in tables])
    starts = np.cumsum([0] + [table.size for table in tables[:-1]])
    return np.add.reduceat(-p * np.log(p + (p <= 0)), starts).tolist()


def informations(p1: np.ndarray, p2: np.ndarray, both: np.ndarray) -> tuple[float, float, float]:
    r"""I(X1; Y), I(X2; Y) and I(X1, X2; Y) in nats, from p(x1, y), p(x2, y) and a table of pairs by y, (P, K)."""
    h = entropies([p1.sum(0), p1.sum(1), p2.sum(1), both.sum(1), p1, p2, both])
    return tuple(h[0] + h[k] - h[k + 3] for k in (1, 2, 3))


def information(p: Tensor) -> Tensor:
    r"""Mutual information in nats of tables (..., n, K), differentiable; 0 log 0 and its slope count as 0."""
    apart = p.sum(-1, keepdim=True) * p.sum(-2, keepdim=True)
    seen = p > 0
    return (p * (torch.where(seen, p, 1).log() - torch.where(seen, apart, 1).log())).sum((-2, -1))


def warn_unless_certified(gap: float, *, stacklevel: int = 3) -> None:
    r"""Say so if a gap in nats is too large."""
    if not gap <= CERTIFIED:
        text = f"the decomposition is certified only to {gap:.2g} nats, more than 1e-7; look at its gap, or merge"
        warnings.warn(f"{text} symbols that are very rare", RuntimeWarning, stacklevel=stacklevel)
