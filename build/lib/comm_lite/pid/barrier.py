r"""The solver behind `broja`: a log-barrier method on the dual problem, for a whole batch of problems at once.

Given the marginals :math:`p(x_1, y)` and :math:`p(x_2, y)`, the dual of the convex problem of `broja` is

.. math::
    \max_{\lambda_1, \lambda_2} \; \sum_{x_1, y} p(x_1, y) \, \lambda_1(x_1, y)
    + \sum_{x_2, y} p(x_2, y) \, \lambda_2(x_2, y)
    \quad \text{such that} \quad
    s(x_1, x_2) = -\log \sum_y e^{\lambda_1(x_1, y) + \lambda_2(x_2, y)} \ge 0 \;\; \forall x_1, x_2 .

At the optimum :math:`q(y \mid x_1, x_2) = e^{\lambda_1 + \lambda_2}` wherever :math:`q(x_1, x_2) > 0`. Solving it here,
and not in :math:`q`, avoids the logarithms that run away where whole cells of :math:`q` vanish.

Shapes: ``B`` problems, ``n1`` and ``n2`` symbols of the modalities, ``K`` labels. Everything is float64 and in nats.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_CENTRED = 1.0  # squared Newton decrement, as a share of mu, at which a point counts as central
_FINISHED = 1e-7  # the same at the end, where the joint is read off
_SHRINK = 0.2  # what a predictor step aims to leave of mu
_FADE = 1e-12  # what a step must leave of each share: from a vanished one the next step would not find back
_STEPS = 200


class Dual(NamedTuple):
    r"""A point of the dual problem and the joint distribution that belongs to it."""

    first: Tensor
    r""":math:`\lambda_1`, (B, n1, K); -inf where p(x1, y) is 0."""
    second: Tensor
    r""":math:`\lambda_2`, (B, n2, K); -inf where p(x2, y) is 0."""
    joint: Tensor
    r"""About the optimal q, (B, n1, n2, K); its marginals are near those asked for."""


class _Point(NamedTuple):
    first: Tensor  # (B, n1, K)
    second: Tensor  # (B, n2, K)
    share: Tensor  # (B, n1, n2, K): r = exp(l1 + l2) / sum_y, what q(y | x1, x2) will be
    slack: Tensor  # (B, n1, n2), above 0; 1 at pairs that cannot occur


def _evaluate(first: Tensor, second: Tensor) -> _Point:
    logits = first[:, :, None] + second[:, None]  # (B, n1, n2, K)
    peak = logits.amax(-1)
    seen = peak > -torch.inf
    terms = (logits - peak.where(seen, 0)[..., None]).exp()
    total = terms.sum(-1)
    return _Point(
        first, second, terms / total.where(seen, 1)[..., None], (-peak.where(seen, -1) - total.where(seen, 1).log())
    )


def _start(p1: Tensor, p2: Tensor, mu: Tensor) -> _Point:
    first = (p1 / p1.sum(2, keepdim=True).clamp_min(1e-300)).log()
    label = p2.sum(1, keepdim=True)
    second = (p2 / p2.sum(2, keepdim=True).clamp_min(1e-300)).log() - label.clamp_min(1e-300).log()
    point = _evaluate(first, second)
    seen = point.share.sum(-1) > 0
    excess = (-point.slack).where(seen, -torch.inf).amax(2)  # (B, n1)
    # the slack of a symbol ends near mu / p: begin there, for it takes many steps to reach it if the symbol is rare
    rare1, rare2 = (mu[:, None] * seen.sum(3 - i) / p.sum(2).clamp_min(1e-30) for i, p in ((1, p1), (2, p2)))
    return _evaluate(first - (excess.where(seen.any(2), 0) + rare1)[..., None], second - rare2[..., None])


def _factor(a: Tensor) -> Tensor:
    # rare symbols bring rows of very different size: a ridge relative to each row, only where it is needed
    factor, failed = torch.linalg.cholesky_ex(a)
    ridge = 1e-14
    while bool(failed.any()) and ridge < 1e-4:
        ridge *= 10
        rows = failed > 0
        patched = a[rows] + torch.diag_embed(a[rows].diagonal(dim1=-2, dim2=-1) * ridge)
        factor[rows], failed[rows] = torch.linalg.cholesky_ex(patched)
    return factor


class _Newton:
    r"""Minus the Hessian of the barrier function at one point, factored: block diagonal in x1, dense in x2."""

    def __init__(self, point: _Point, weight: Tensor, fixed: Tensor):
        b, n1, n2, k = point.share.shape
        r, self.q = point.share, point.share * weight[..., None]
        curved = r * (weight * (1 / point.slack - 1))[..., None]  # (B, n1, n2, K)
        one = curved.transpose(2, 3) @ r  # (B, n1, K, K)
        row = self.q.sum(2)
        one.diagonal(dim1=-2, dim2=-1).add_(row.where(row > 0, 1))
        two = curved.permute(0, 2, 3, 1) @ r.transpose(1, 2)  # (B, n2, K, K)
        two.diagonal(dim1=-2, dim2=-1).add_(self.q.sum(1))
        self.cross = curved.transpose(2, 3)[..., None] * r[:, :, None]  # (B, n1, K, n2, K)
        self.cross.diagonal(dim1=2, dim2=4).add_(self.q)
        self.cross = self.cross.reshape(b, n1, k, n2 * k)
        self.one = _factor(one)
        solved = torch.linalg.solve_triangular(self.one, self.cross, upper=False).reshape(b, n1 * k, n2 * k)
        schur = -(solved.mT @ solved).view(b, n2, k, n2, k)
        schur.diagonal(dim1=1, dim2=3).add_(two.permute(0, 2, 3, 1))
        schur = schur.view(b, n2 * k, n2 * k).masked_fill(fixed[:, :, None] | fixed[:, None], 0)
        schur.diagonal(dim1=1, dim2=2).add_(fixed)
        self.fixed, self.schur = fixed, _factor(schur)

    def solve(self, one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
        r"""Solve for right sides (B, n1, K, C) and (B, n2 * K, C); C columns at once."""
        b, n1, k, columns = one.shape
        inner = torch.cholesky_solve(one, self.one)  # (B, n1, K, C)
        right = two - self.cross.reshape(b, n1 * k, -1).mT @ inner.reshape(b, n1 * k, columns)
        second = torch.cholesky_solve(right.masked_fill(self.fixed[..., None], 0), self.schur)
        first = torch.cholesky_solve(one - self.cross @ second[:, None], self.one)
        return first, second


def barrier(p1: Tensor, p2: Tensor, *, tolerance: float) -> Dual:
    r"""Follow the central path of the dual until the duality gap is about ``tolerance`` nats.

    For :math:`\mu \to 0` maximise the dual objective plus :math:`\mu \sum \log s(x_1, x_2)` by Newton steps. At a
    maximum, :math:`q = \mu / s \cdot e^{\lambda_1 + \lambda_2 + s}` has the right marginals and the gap is :math:`\mu`
    times the number of pairs. From one :math:`\mu` to the next a predictor step follows the tangent of the path, with
    the factors that the last Newton step needed anyway.

    Args:
        p1: marginals p(x1, y), (B, n1, K) float64, each problem summing to 1.
        p2: marginals p(x2, y), (B, n2, K); of the same p(y).
        tolerance: gap in nats at which to stop, above 0; `certify` measures the gap that was reached.

    Returns:
        The dual point and its joint, for every problem; the best that was reached, after at most 200 steps.

    Example:
        >>> p = torch.full((1, 2, 2), 0.25, dtype=torch.float64)  # p(x, y), the same for both modalities
        >>> lower, upper, _ = certify(p, p, barrier(p, p, tolerance=1e-8))
        >>> bool(upper - lower < 1e-8)
        True

    Source:
        Boyd and Vandenberghe (2004), section 11, for the barrier method; the dual is that of Makkeh, Theis and Vicente
        (2018), "BROJA-2PID".
    """
    if p1.shape[1] < p2.shape[1]:  # the larger modality is eliminated block by block
        swapped = barrier(p2, p1, tolerance=tolerance)
        return Dual(swapped.second, swapped.first, swapped.joint.transpose(1, 2))
    seen = ((p1 > 0)[:, :, None] & (p2 > 0)[:, None]).any(3)
    last = tolerance / 2 / seen.sum((1, 2))
    mu = 0.1 / seen.sum((1, 2))
    point = _start(p1, p2, mu)
    # (l1 + a_y, l2 - a_y) is the same point: hold one entry of l2 for each label, and those that cannot occur
    fixed = (p2 == 0).scatter(1, p2.argmax(1, keepdim=True), True).flatten(1)  # (B, n2 * K)
    result = Dual(torch.empty_like(p1), torch.empty_like(p2), torch.empty_like(point.share))
    rows = torch.arange(len(p1), device=p1.device)
    stuck = torch.zeros_like(rows, dtype=torch.bool)
    for step in range(_STEPS + 1):
        newton = _Newton(point, (mu[:, None, None] / point.slack).where(seen, 0), fixed)
        shrink = (last / mu).clamp_min(_SHRINK)
        row, column = newton.q.sum(2), newton.q.sum(1)
        first, second = newton.solve(
            torch.stack([p1 - row, p1 - shrink[:, None, None] * row], -1),
            torch.stack([p2 - column, p2 - shrink[:, None, None] * column], -1).flatten(1, 2),
        )
        second = second.unflatten(1, p2.shape[1:])
        decrement = ((p1 - row) * first[..., 0]).sum((1, 2)) + ((p2 - column) * second[..., 0]).sum((1, 2))
        stuck |= ~(decrement.isfinite() & (decrement >= 0))
        arrived = mu <= last * (1 + 1e-9)
        central = ~arrived & (decrement <= _CENTRED * mu)
        done = stuck | (arrived & (decrement <= _FINISHED * mu)) | (step == _STEPS)
        if bool(done.any()):
            for kept, value in zip(result, (point.first, point.second, newton.q), strict=True):
                kept[rows[done]] = value[done]
            go = ~done
            if not bool(go.any()):
                break
            rows, stuck, seen, last, mu, shrink, fixed, p1, p2 = (
                t[go] for t in (rows, stuck, seen, last, mu, shrink, fixed, p1, p2)
            )
            first, second, decrement, central = (t[go] for t in (first, second, decrement, central))
            point = _Point(*(t[go] for t in point))
        ahead = central[:, None, None]
        first, second = (torch.where(ahead, d[..., 1], d[..., 0]) for d in (first, second))
        point, mu, stuck = _advance(point, mu, shrink, first, second, central, decrement, seen, p1, p2)
    return result


def _advance(
    point: _Point,
    mu: Tensor,
    shrink: Tensor,
    first: Tensor,
    second: Tensor,
    central: Tensor,
    decrement: Tensor,
    seen: Tensor,
    p1: Tensor,
    p2: Tensor,
) -> tuple[_Point, Tensor, Tensor]:
    r"""Go along the direction: where ``central``, as far as the path bears; elsewhere, until the value has risen."""
    size, before = torch.ones_like(mu), _value(point, mu, seen, p1, p2)
    for _ in range(50):
        each = size[:, None, None]
        trial = _evaluate(point.first + each * first, point.second + each * second)
        left = 1 - size * (1 - shrink)  # of mu; along the path a slack shrinks as much, or stays
        near = (trial.slack >= 0.1 * left[:, None, None] * point.slack).flatten(1).all(1)
        rises = _value(trial, mu, seen, p1, p2) - before >= 0.1 * size * decrement - 1e-14 * before.abs()
        inside = (trial.slack > 0).flatten(1).all(1) & (trial.share >= _FADE * point.share).flatten(1).all(1)
        good = inside & torch.where(central, near, rises)
        if bool(good.all()):
            break
        size = size.where(good, size / 2)
    both = zip(trial, point, strict=True)
    point = _Point(*(torch.where(good.view(-1, *[1] * (new.ndim - 1)), new, old) for new, old in both))
    return point, mu.where(~(central & good), mu * left), ~good


def _value(point: _Point, mu: Tensor, seen: Tensor, p1: Tensor, p2: Tensor) -> Tensor:
    linear = (p1 * point.first.where(p1 > 0, 0)).sum((1, 2)) + (p2 * point.second.where(p2 > 0, 0)).sum((1, 2))
    return linear + mu * point.slack.clamp_min(1e-300).log().where(seen, 0).sum((1, 2))


def certify(p1: Tensor, p2: Tensor, dual: Dual) -> tuple[Tensor, Tensor, Tensor]:
    r"""Bounds on the optimum of :eq:`eq-broja` that hold for any point, however it was found.

    Subtracting the largest excess of each row makes any dual point feasible, so its value is a lower bound. Scaling
    and rounding makes any joint feasible, so its value is an upper bound.

    Args:
        p1: marginals p(x1, y), (B, n1, K).
        p2: marginals p(x2, y), (B, n2, K).
        dual: the point.

    Returns:
        Lower and upper bounds in nats on the least :math:`\sum q \log q(y \mid x_1, x_2)`, each (B,), and a joint
        with exactly the marginals asked for that reaches the upper one, (B, n1, n2, K).

    Example:
        >>> p = torch.full((1, 2, 2), 0.25, dtype=torch.float64)  # nothing is known: H(Y) = log 2 is left
        >>> guess = Dual(p.log(), p.log(), torch.full((1, 2, 2, 2), 0.125, dtype=torch.float64))
        >>> [round(float(bound), 4) for bound in certify(p, p, guess)[:2]]
        [-0.6931, -0.6931]

    Source: Altschuler, Weed and Rigollet (2017), Algorithm 2, for the rounding.
    """
    excess = torch.logsumexp(dual.first[:, :, None] + dual.second[:, None], -1).amax(2, keepdim=True)  # (B, n1, 1)
    first, second = (dual.first - excess).where(p1 > 0, 0), dual.second.where(p2 > 0, 0)
    lower = (p1 * first).sum((1, 2)) + (p2 * second).sum((1, 2))
    q = dual.joint
    for _ in range(10):  # towards the marginals
        q = q * _ratio(p1, q.sum(2))[:, :, None]
        q = q * _ratio(p2, q.sum(1))[:, None]
    q = q * _ratio(p1, q.sum(2)).clamp_max(1)[:, :, None]  # and exactly to them
    q = q * _ratio(p2, q.sum(1)).clamp_max(1)[:, None]
    lacking1, lacking2 = (p1 - q.sum(2)).clamp_min(0), (p2 - q.sum(1)).clamp_min(0)
    q = q + _ratio(lacking1, lacking1.sum(1, keepdim=True))[:, :, None] * lacking2[:, None]
    conditional = _ratio(q, q.sum(-1, keepdim=True))
    return lower, torch.xlogy(q, conditional.where(q > 0, 1)).sum((1, 2, 3)), q  # (eq-broja)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below > 0, above / below.where(below > 0, 1), 0.0)
