r"""Bounds on the least information that make every result certain, and the simplest method that reaches them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from comm_lite.pid._tables import ratio

_LEAST, _TINY = -1e300, 1e-300  # instead of -inf and 0 where a logarithm meets a probability of 0


class Dual(NamedTuple):
    r"""A point of the dual problem of `broja` and the joint distribution that belongs to it."""

    first: np.ndarray  # lambda_1, (..., n1, K); -inf where p(x1, y) is 0
    second: np.ndarray  # lambda_2, (..., n2, K); -inf where p(x2, y) is 0
    joint: np.ndarray  # about the optimal q, (..., n1, n2, K); its marginals are near those asked for


def certify(p1: np.ndarray, p2: np.ndarray, dual: Dual) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Bounds on the optimum of :eq:`eq-broja` that hold for any point of its dual, however it was found.

    .. math::
        \max_{\lambda_1, \lambda_2} \sum_{i, x_i, y} p(x_i, y) \, \lambda_i(x_i, y) \quad \text{such that} \quad
        \log \sum_y e^{\lambda_1(x_1, y) + \lambda_2(x_2, y)} \le 0 \;\; \forall x_1, x_2 .

    Less the largest excess of each row, any dual point is feasible and its value a lower bound; a joint, rounded to its
    marginals, is feasible and its value an upper bound.

    Args:
        p1: marginals p(x1, y), (..., n1, K).
        p2: marginals p(x2, y), (..., n2, K).
        dual: the point.

    Returns:
        Lower and upper bound in nats on the least :math:`\sum q \log q(y \mid x_1, x_2)`, (...) each, and a joint with
        exactly these marginals that reaches the upper one, (..., n1, n2, K).

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


def alternating(
    p1: np.ndarray, p2: np.ndarray, *, tolerance: float = 1e-8, start: Dual | None = None, sweeps: int = 20_000
) -> Dual:
    r"""Find the joint of least information by repeating three lines; what is left when faster solvers fall short.

    The joint is :math:`q = w(x_1, x_2) \, a(x_1, y) \, b(x_2, y)`: the first two lines make its marginals right, and
    the third moves :math:`w` towards pairs at which :math:`\sum_y a b > 1`. It is mirror descent, and can be slow.

    Args:
        p1: marginals p(x1, y), (n1, K) float64.
        p2: marginals p(x2, y), (n2, K).
        tolerance: gap in nats at which to stop, above 0.
        start: where to begin; None for independence given the label.
        sweeps: how often at most.

    Returns:
        The dual point with :math:`\lambda_1 = \log a`, :math:`\lambda_2 = \log b`, and the joint.

    Example:
        >>> p = np.full((2, 2), 0.25)  # p(x, y), the same for both modalities
        >>> float(alternating(p, p).joint.sum())
        1.0

    Source: Banerjee, Rauh and Montufar (2018). Differs from it in that one scaling of each side is made, not a loop.
    """
    b = ratio(p2, p1.sum(0, keepdims=True)) if start is None else np.exp(start.second)
    w = p1 @ b.T if start is None else start.joint.sum(-1)
    for sweep in range(1, sweeps + 1):
        a = ratio(p1, w @ b)
        b = ratio(p2, w.T @ a)
        if sweep % 100 == 0 or sweep == sweeps:
            with np.errstate(divide="ignore"):
                dual = Dual(np.log(a), np.log(b), w[..., None] * a[:, None] * b)
            lower, upper, _ = certify(p1, p2, dual)
            if upper - lower <= tolerance:
                break
        w = w * (a @ b.T)
    return dual
