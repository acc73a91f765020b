r"""The least information of :eq:`eq-broja` from two tables: drop and merge what is alike, solve, certify.

Two symbols of a source with one p(y | x) may share a symbol, and two labels with one p(x1 | y) and one p(x2 | y) may
share a label: by convexity this changes nothing. So the cost follows the distinct rows, not the shape.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from comm_lite.pid._barrier import barrier
from comm_lite.pid._square import square
from comm_lite.pid._tables import CERTIFIED, entropies, ratio
from comm_lite.pid.certificate import Dual, alternating, certify

_ALIKE = 12  # decimals to which probabilities must agree to be merged
_AT_ONCE = 1 << 18  # cells that are solved at once


class Least(NamedTuple):
    r"""The least information of one problem: value, bound, gradient and joint of one and the same point."""

    nats: float  # I_Q
    gap: float  # bound on its error in nats
    first: np.ndarray  # lambda_1, (n1, K); -inf where p(x1, y) is 0
    second: np.ndarray  # lambda_2, (n2, K)
    small: np.ndarray  # the joint of the merged symbols
    places: tuple[np.ndarray, np.ndarray, np.ndarray] | None  # of each symbol of X1, X2, Y in it; None: nothing merged

    def joint(self, p1: np.ndarray, p2: np.ndarray) -> np.ndarray:
        r"""Return q(x1, x2, y) of all symbols, (n1, n2, K): each takes its share of the merged cell."""
        if self.places is None:
            return self.small
        i, j, y = self.places
        label = p1.sum(0)
        share1, share2 = (ratio(p, _summed(p, k, y)[np.ix_(k, y)]) for p, k in ((p1, i), (p2, j)))
        again = ratio(np.bincount(y, label)[y], label)
        return self.small[np.ix_(i, j, y)] * share1[:, None] * share2[None] * again


def least_information(p1: np.ndarray, p2: np.ndarray, *, tolerance: float = 1e-8, method: str = "barrier") -> Least:
    r"""Find the least information that two sources with p(x1, y), (n1, K), and p(x2, y), (n2, K), can have together.

    Two symbols a source go to `square`, others to `barrier`; where that leaves more than 1e-7 nats, `alternating` goes
    on from there. The best point counts, as a whole.
    """
    a, b, places = p1, p2, None
    if len(p1) != 2 or len(p2) != 2:  # `square` needs nothing merged
        places = i, j, y = _alike(p1), _alike(p2), _alike(np.concatenate([p1, p2]).T)
        a, b = _summed(p1, i, y), _summed(p2, j, y)
    root = [lambda _: Dual(*(part[0] for part in square(a[None], b[None])))] if len(a) == len(b) == 2 else []
    fast = [*root, lambda _: barrier(a, b, tolerance=tolerance)] if method == "barrier" else []
    gap, upper, best = math.inf, math.inf, None
    for solve in [*fast, lambda best: alternating(a, b, tolerance=tolerance, start=best)]:
        point = solve(best)
        lower, high, joint = certify(a, b, point)
        if high - lower < gap or best is None:
            gap, upper, best = float(high - lower), float(high), point._replace(joint=joint)
        if gap <= CERTIFIED:
            break
    first, second, small = best
    if places:
        label = p1.sum(0)
        part = np.log(ratio(label, np.bincount(y, label)[y]) + (label <= 0))  # of its merged label
        first = np.where(p1 > 0, first[np.ix_(i, y)], -np.inf)
        second = np.where(p2 > 0, second[np.ix_(j, y)] + part, -np.inf)
    return Least(upper + entropies([a.sum(0)])[0], max(gap, 0.0), first, second, small, places)


def least_informations(p1: np.ndarray, p2: np.ndarray, *, tolerance: float) -> tuple[np.ndarray, ...]:
    r"""Solve (B, n1, K) and (B, n2, K): two symbols a source at once, others one by one; I_Q, gap, multipliers."""
    nats, gap, first, second = np.empty(len(p1)), np.full(len(p1), np.inf), np.empty_like(p1), np.empty_like(p2)
    if p1.shape[1] == p2.shape[1] == 2:
        step = max(1, _AT_ONCE // (4 * p1.shape[2]))
        for at in (slice(k, k + step) for k in range(0, len(p1), step)):
            dual = square(p1[at], p2[at])
            lower, upper, _ = certify(p1[at], p2[at], dual)
            label = p1[at].sum(1)
            nats[at], gap[at] = upper - (label * np.log(label + (label <= 0))).sum(1), np.maximum(upper - lower, 0)
            first[at], second[at] = dual.first, dual.second
    for k in (~(gap <= CERTIFIED)).nonzero()[0]:
        nats[k], gap[k], first[k], second[k], *_ = least_information(p1[k], p2[k], tolerance=tolerance)
    return nats, gap, first, second


def _alike(rows: np.ndarray) -> np.ndarray:
    r"""The place that each row takes among the distinct ones; a row that never occurs goes with the first."""
    mass, places = rows.sum(1), np.zeros(len(rows), dtype=np.int64)
    seen = mass > 0
    given = (rows[seen] / mass[seen, None]).round(_ALIKE)
    places[seen] = np.unique(given, axis=0, return_inverse=True)[1].ravel()
    return places


def _summed(p: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    r"""Sum p over the rows and columns that share a place."""
    shape = rows.max() + 1, columns.max() + 1
    return np.bincount((rows[:, None] * shape[1] + columns).ravel(), p.ravel(), shape[0] * shape[1]).reshape(shape)
