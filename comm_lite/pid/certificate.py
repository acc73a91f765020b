r"""Bounds on the least information that hold for any point, however it was found: what makes every result certain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from comm_lite.pid._tables import ratio

_LEAST, _TINY = -1e300, 1e-300  # instead of -inf and 0 where a logarithm meets a probability of 0


class Dual(NamedTuple):
    r"""A point of the dual problem of `broja` and the joint distribution that belongs to it."""

    first: np.ndarray
    r""":math:`\lambda_1`, (..., n1, K); -inf where p(x1, y) is 0."""
    second: np.ndarray
    r""":math:`\lambda_2`, (..., n2, K); -inf where p(x2, y) is 0."""
    joint: np.ndarray
    r"""About the optimal q, (..., n1, n2, K); its marginals are near those asked for."""


def certify(p1: np.ndarray, p2: np.ndarray, dual: Dual) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Bounds on the optimum of :eq:`eq-broja` that hold for any point, however it was found.

    The dual of the convex problem is

    .. math::
        \max_{\lambda_1, \lambda_2} \; \sum_{x_1, y} p(x_1, y) \, \lambda_1(x_1, y)
        + \sum_{x_2, y} p(x_2, y) \, \lambda_2(x_2, y)
        \quad \text{such that} \quad
        \log \sum_y e^{\lambda_1(x_1, y) + \lambda_2(x_2, y)} \le 0 \;\; \forall x_1, x_2 .

    Subtracting the largest excess of each row makes any dual point feasible, so its value is a lower bound. Rounding
    makes any joint feasible, so its value is an upper bound.

    Args:
        p1: marginals p(x1, y), (..., n1, K).
        p2: marginals p(x2, y), (..., n2, K).
        dual: the point.

    Returns:
        Lower and upper bounds in nats on the least :math:`\sum q \log q(y \mid x_1, x_2)`, each of shape (...), and a
        joint with exactly the marginals asked for that reaches the upper one, (..., n1, n2, K).

    Example:
        >>> p = np.full((2, 2), 0.25)  # nothing is known: H(Y) = log 2 is left
        >>> guess = Dual(np.log(p), np.log(p), np.full((2, 2, 2), 0.125))
        >>> [round(float(bound), 4) for bound in certify(p, p, guess)[:2]]
        [-0.6931, -0.6931]

    Source: Altschuler, Weed and Rigollet (2017), Algorithm 2, for the rounding.
    """
    logits = dual.first[..., :, None, :] + dual.second[..., None, :, :]
    peak = np.maximum(logits.max(-1), _LEAST)  # above -inf where a pair cannot occur
    excess = (peak + np.log(np.exp(logits - peak[..., None]).sum(-1) + _TINY)).max(-1)  # (..., n1)
    lower = (p1 * (np.maximum(dual.first, _LEAST) - excess[..., None])).sum((-2, -1))
    lower = lower + (p2 * np.maximum(dual.second, _LEAST)).sum((-2, -1))
    q = dual.joint
    if max(np.abs(p1 - q.sum(-2)).max(), np.abs(p2 - q.sum(-3)).max()) > 1e-15:
        q = _rounded(p1, p2, q)
    upper = (q * np.log((q + _TINY) / (q.sum(-1, keepdims=True) + _TINY))).sum((-3, -2, -1))  # (eq-broja)
    return lower, upper, q


def _rounded(p1: np.ndarray, p2: np.ndarray, q: np.ndarray) -> np.ndarray:
    for bound in (np.inf, 1.0):  # towards the marginals, and exactly to them
        q = q * np.minimum(ratio(p1, q.sum(-2)), bound)[..., :, None, :]
        q = q * np.minimum(ratio(p2, q.sum(-3)), bound)[..., None, :, :]
    lacking1, lacking2 = np.maximum(p1 - q.sum(-2), 0), np.maximum(p2 - q.sum(-3), 0)
    return q + ratio(lacking1, lacking1.sum(-2, keepdims=True))[..., :, None, :] * lacking2[..., None, :, :]
