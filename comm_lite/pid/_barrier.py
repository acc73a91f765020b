r"""The solver behind `broja`: a primal-dual interior-point method on the dual problem of `certify`.

It keeps a weight :math:`w(x_1, x_2) > 0`, which becomes :math:`q(x_1, x_2)`, and a slack :math:`s(x_1, x_2) > 0` of
each constraint, and follows the path on which :math:`w s = \mu` for all pairs to :math:`\mu = 0`.

Only cells that can occur take part: those with :math:`p(x_1, y) > 0` and :math:`p(x_2, y) > 0`. Shapes: ``N`` cells,
``P`` pairs (x1, x2), ``V`` unknowns (the multipliers). Everything is float64 and in nats.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from comm_lite.pid.certificate import Dual

_STEPS = 100
_IDLE, _NEAR = 4, 1e-7  # so many steps without a gain end the search, once the gap is so small
_REACH = 0.97  # share of the way to the boundary that a step goes
_FADE = 1e-10  # what a step must leave of each q(y | x1, x2): from a vanished one the next would not find back
_LEAST = 1e-11  # marginal probabilities below it are left out: rounding hides their part
_FAR = 5.0  # slack at the start, at most
_FINE = 1e-3  # share of the tolerance that is aimed for: the multipliers are a gradient, and need more digits
_UNSEEN = -35.0  # log probability that counts as none


class _Cells:
    r"""Which cells can occur, and where their multipliers stand in the vector of unknowns."""

    def __init__(self, p1: np.ndarray, p2: np.ndarray):
        n2, k = p2.shape
        self.i, self.j, self.y = np.nonzero((p1 > 0)[:, None] & (p2 > 0)[None])
        pair = self.i * n2 + self.j
        first = np.append(True, pair[1:] != pair[:-1])
        self.starts, self.pair = first.nonzero()[0], first.cumsum() - 1
        # (l1 + a_y, l2 - a_y) is the same point: hold one entry of l2 for each label
        free = p2 > 0
        free[p2.argmax(0), np.arange(k)] = False
        self.p = np.concatenate([p1[p1 > 0], p2[free], [0.0]])  # (V,); the last stands for all that is held
        self.size = len(self.p)
        place1 = (p1 > 0).ravel().cumsum().reshape(p1.shape) - 1
        place2 = np.where(free, (p1 > 0).sum() - 1 + free.ravel().cumsum().reshape(p2.shape), self.size - 1)
        self.a, self.b = place1[self.i, self.y], place2[self.j, self.y]  # (N,)
        # all couples (c, d) of cells of one pair, and their places in the matrix, below the diagonal
        count = np.diff(np.append(self.starts, len(self.i)))
        repeat = count[self.pair]
        self.c = np.arange(len(self.i)).repeat(repeat)
        before = (repeat.cumsum() - repeat).repeat(repeat)
        self.d = self.starts[self.pair].repeat(repeat) + np.arange(len(self.c)) - before
        a, b, v = self.a, self.b, self.size
        blocks = [x[self.c] * v + z[self.d] for x, z in ((a, a), (b, a), (b, b))]
        self.matrix = np.concatenate([*blocks, b * v + a, a * (v + 1), b * (v + 1)])
        self.both, self.couple = np.concatenate([a, b]), self.pair[self.c]

    def sums(self, q: np.ndarray) -> np.ndarray:
        r"""Marginals of the cells q (N,), in the order of the unknowns, (V,)."""
        return np.bincount(self.both, np.concatenate([q, q]), self.size)

    def shares(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""Return q(y | x1, x2) of each cell, (N,), and the slack of each pair, (P,)."""
        peak = np.maximum.reduceat(logits, self.starts)
        terms = np.exp(logits - peak[self.pair])
        total = np.add.reduceat(terms, self.starts)
        return terms / total[self.pair], -(peak + np.log(total))

    def factor(self, q: np.ndarray, r: np.ndarray, curved: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        r"""Factor sum w diag(r) + curved r r^T, scaled to a unit diagonal: rare symbols are of another size."""
        v = self.size
        value = curved[self.couple] * r[self.c] * r[self.d]
        matrix = np.bincount(self.matrix, np.concatenate([value, value, value, q, q, q]), v * v)
        matrix = matrix.reshape(v, v)[:-1, :-1]
        scale = 1 / np.sqrt(matrix.diagonal())
        scaled = torch.from_numpy(matrix * scale[:, None] * scale)
        lower, failed = torch.linalg.cholesky_ex(scaled)
        ridge = 1e-15
        while bool(failed) and ridge < 1:
            ridge *= 10
            lower, failed = torch.linalg.cholesky_ex(scaled + ridge * torch.eye(v - 1, dtype=scaled.dtype))
        return lower, scale


def barrier(p1: np.ndarray, p2: np.ndarray, *, tolerance: float) -> Dual:
    r"""Solve the dual problem of `certify` until its gap is about a thousandth of ``tolerance``, or rounding stops it.

    A Newton step towards :math:`w s = 0` predicts how far one can go; a second one with the same factors aims at a
    :math:`\mu` that fits, and corrects the first for its curvature. About ten steps are needed.

    Source: Mehrotra (1992); the dual is that of Makkeh, Theis and Vicente (2018), "BROJA-2PID".
    """
    seen1, seen2 = p1 > _LEAST, p2 > _LEAST
    seen = seen1.any(0) & seen2.any(0)
    seen1, seen2 = seen1 & seen, seen2 & seen
    rows1, rows2, label = seen1.any(1), seen2.any(1), p1.sum(0)[seen]
    some1, some2 = (np.where(s, p, 0)[:, seen][rows] for s, p, rows in ((seen1, p1, rows1), (seen2, p2, rows2)))
    found = _follow(some1 * (label / some1.sum(0)), some2 * (label / some2.sum(0)), tolerance)
    # what was left out: so small that no constraint feels it
    first, second = np.full(p1.shape, _UNSEEN), np.full(p2.shape, _UNSEEN)
    high1, high2 = (np.where(np.isfinite(part), part, _UNSEEN).max(0) for part in found[:2])
    first[np.ix_(rows1, seen)] = np.where(np.isfinite(found.first), found.first, _UNSEEN - high2)
    second[np.ix_(rows2, seen)] = np.where(np.isfinite(found.second), found.second, _UNSEEN - high1)
    joint = np.zeros((len(p1), *p2.shape))
    joint[np.ix_(rows1, rows2, seen)] = found.joint
    return Dual(np.where(p1 > 0, first, -np.inf), np.where(p2 > 0, second, -np.inf), joint)


def _start(cells: _Cells, p1: np.ndarray, p2: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Conditional probabilities, moved until all slacks are above 0, and further for rare symbols; see `_FAR`."""
    with np.errstate(divide="ignore"):
        first = np.log(p1 / p1.sum(1, keepdims=True))
        second = np.log(p2 / p2.sum(1, keepdims=True) / p2.sum(0))
    _, slack = cells.shares(first[cells.i, cells.y] + second[cells.j, cells.y])
    i, j = cells.i[cells.starts], cells.j[cells.starts]
    excess = np.full(len(p1), -np.inf)
    np.maximum.at(excess, i, -slack)
    rare1, rare2 = (np.minimum(mu * np.bincount(x, minlength=len(p)) / p.sum(1), _FAR) for x, p in ((i, p1), (j, p2)))
    return first - (excess + rare1)[:, None], second - rare2[:, None]


def _direction(cells: _Cells, factor: tuple, state: tuple, centre: np.ndarray) -> tuple[np.ndarray, ...]:
    r"""Newton step towards w s = centre: of the multipliers, the cells' logits, the slacks and the weights."""
    (lower, scale), (r, w, s, off) = factor, state
    right = (cells.p - cells.sums(((centre - w * off) / s)[cells.pair] * r))[:-1] * scale
    x = np.zeros(cells.size)
    x[:-1] = torch.cholesky_solve(torch.from_numpy(right)[:, None], lower)[:, 0].numpy() * scale
    change = x[cells.a] + x[cells.b]
    slack = off - np.add.reduceat(r * change, cells.starts)
    return x, change, slack, (centre - w * slack) / s - w


def _most(value: np.ndarray, change: np.ndarray) -> float:
    r"""How far one can go along the change until a value is 0, at most 1."""
    return min(1.0, 1 / max(float((-change / value).max()), 1e-300))


def _follow(p1: np.ndarray, p2: np.ndarray, tolerance: float) -> Dual:
    cells = _Cells(p1, p2)
    pairs, row = len(cells.starts), cells.i[cells.starts]
    first, second = _start(cells, p1, p2, 0.1 / pairs)
    at, moved = first[cells.i, cells.y] + second[cells.j, cells.y], np.zeros(cells.size)
    r, true = cells.shares(at)
    s, w = true, 0.1 / pairs / true
    idle, best, kept, goal = 0, math.inf, (moved, w[cells.pair] * r), _FINE * tolerance
    for _ in range(_STEPS):
        q, off, mu = w[cells.pair] * r, true - s, float(w @ s) / pairs
        wrong = cells.p - cells.sums(q)
        over = np.zeros(len(p1))
        np.maximum.at(over, row, -true)
        gap = mu * pairs + 5 * float(np.abs(wrong[:-1]).sum()) + float(p1.sum(1) @ over)  # about that of certify
        idle = 0 if gap < 0.5 * best else idle + 1
        if gap < best:
            best, kept = gap, (moved, q)
        if not goal < gap or (idle >= _IDLE and best <= _NEAR):  # as good as asked for, or rounding is all that moves
            break
        point = cells, cells.factor(q, r, w * (1 / s - 1)), (r, w, s, off)
        _, _, slack, weight = _direction(*point, np.zeros(pairs))
        size = min(_most(w, weight), _most(s, slack))
        ahead = float((w + size * weight) @ (s + size * slack)) / pairs
        aim = min(max((ahead / mu) ** 3, 1e-4, 0.3 * goal / (pairs * mu)), 1.0)
        x, change, slack, weight = _direction(*point, aim * mu - size * size * slack * weight)
        size = min(1.0, max(_REACH, min(0.999, 1 - pairs * mu)) * min(_most(w, weight), _most(s, slack)))
        while True:
            new, true = cells.shares(at + size * change)
            if size < 1e-12 or (new >= _FADE * r).all():
                break
            size /= 2
        r, at, moved, s, w = new, at + size * change, moved + size * x, s + size * slack, w + size * weight
    moved, q = kept
    joint = np.zeros((len(p1), *p2.shape))
    joint[cells.i, cells.j, cells.y] = q
    first[cells.i, cells.y] += moved[cells.a]
    second[cells.j, cells.y] += moved[cells.b]
    return Dual(first, second, joint)
