r"""The alternating method: three lines that a chapter can show, and what is left when the faster solvers fall short."""

from __future__ import annotations

import numpy as np

from comm_lite.pid._tables import ratio
from comm_lite.pid.certificate import Dual, certify


def alternating(
    p1: np.ndarray, p2: np.ndarray, *, tolerance: float = 1e-8, start: Dual | None = None, sweeps: int = 20_000
) -> Dual:
    r"""Find the joint of least information by repeating three lines, each of which mends one set of conditions.

    The joint is :math:`q = w(x_1, x_2) \, a(x_1, y) \, b(x_2, y)`: the first line makes its marginal
    :math:`q(x_1, y)` right, the second :math:`q(x_2, y)`, and the third moves :math:`w` towards pairs at which
    :math:`\sum_y a b > 1`. It is mirror descent; it never fails, and it can be slow.

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
    if start is None:
        b = ratio(p2, p1.sum(0, keepdims=True))
        w = p1 @ b.T
    else:
        b, w = np.exp(start.second), start.joint.sum(-1)
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
