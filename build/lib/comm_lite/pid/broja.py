r"""The BROJA decomposition: redundancy, uniqueness and synergy as one small convex problem, solved with a certificate.

Two solvers, one certificate: a log-barrier method (`barrier`, the default) and the alternating method, three lines that
a chapter can show. Whichever is used, the gap that comes with the result bounds its error.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from comm_lite import _check
from comm_lite.info import distribution, mutual_information
from comm_lite.pid.barrier import Dual, barrier, certify

_CERTIFIED = 1e-7  # nats
_SMALLEST = 1e-16  # below it a probability cannot change a sum of float64 that is 1


@dataclass(frozen=True)
class PID:
    r"""Partial information decomposition of I(X1, X2; Y) into four atoms, in bits."""

    redundancy: float
    r"""R: what either modality tells on its own."""
    unique1: float
    r"""U1: what only the first modality tells."""
    unique2: float
    r"""U2: what only the second modality tells."""
    synergy: float
    r"""S: what neither tells alone and both tell together."""
    gap: float = 0.0
    r"""Bound in bits on the numerical error of each atom; 0 where a closed form was evaluated."""
    joint: np.ndarray | None = field(default=None, repr=False, compare=False)
    r"""The joint distribution q(x1, x2, y) of least information, (n1, n2, K), where one was computed."""

    @property
    def total(self) -> float:
        r"""I(X1, X2; Y) in bits, the sum of the four atoms."""
        return self.redundancy + self.unique1 + self.unique2 + self.synergy

    @property
    def certified(self) -> bool:
        r"""Whether the gap is at most 1e-7 nats."""
        return self.gap * math.log(2) <= _CERTIFIED

    @property
    def atoms(self) -> dict[str, float]:
        r"""The atoms in bits under R, U1, U2 and S."""
        return {"R": self.redundancy, "U1": self.unique1, "U2": self.unique2, "S": self.synergy}


@dataclass(frozen=True)
class PIDBatch:
    r"""Decompositions of B joint distributions, each field (B,), in bits."""

    redundancy: Tensor
    r"""R, (B,)."""
    unique1: Tensor
    r"""U1, (B,)."""
    unique2: Tensor
    r"""U2, (B,)."""
    synergy: Tensor
    r"""S, (B,)."""
    gap: Tensor
    r"""Bound on the error of each atom, (B,)."""


def broja(p: ArrayLike, *, method: str = "barrier", tolerance: float = 1e-8) -> PID:
    r"""Decompose I(X1, X2; Y) after Bertschinger, Rauh, Olbrich, Jost and Ay; see :eq:`eq-pid-atoms`.

    Among all joint distributions that agree with ``p`` on :math:`(X_1, Y)` and on :math:`(X_2, Y)`, find the one in
    which the two together tell least about :math:`Y`:

    .. math::
        I_Q = \min_{q \in \Delta_p} I_q(X_1, X_2; Y), \qquad
        \Delta_p = \{q : q(x_1, y) = p(x_1, y), \; q(x_2, y) = p(x_2, y)\}

    What they tell in it cannot be synergy, since each modality alone tells the same as before. So

    .. math::
        R = I(X_1; Y) + I(X_2; Y) - I_Q, \quad U_1 = I_Q - I(X_2; Y), \quad U_2 = I_Q - I(X_1; Y), \quad
        S = I(X_1, X_2; Y) - I_Q

    One number is computed, so one error bar holds for all four. Atoms that are 0 may come out as far below it as the
    gap allows.

    Args:
        p: joint distribution, shape ``(n1, n2, K)``: symbols of the two modalities, labels. Probabilities below 1e-16
            count as 0.
        method: ``"barrier"``, or ``"alternating"`` for the simpler method, which can take very many sweeps.
        tolerance: gap in nats at which to stop, above 0.

    Returns:
        The `PID` in bits. Its ``gap`` is measured, not promised; where the barrier method leaves more than 1e-7 nats,
        the alternating method goes on from there, and the better of all bounds counts.

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of three variables, or an option is out of range.

    Warns:
        RuntimeWarning: if the gap is still above 1e-7 nats.

    Example:
        >>> p = np.zeros((2, 2, 2))
        >>> for x1, x2 in np.ndindex(2, 2):
        ...     p[x1, x2, x1 & x2] = 1 / 4
        >>> {name: round(bits, 6) for name, bits in broja(p).atoms.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'R': 0.311278, 'U1': 0.0, 'U2': 0.0, 'S': 0.5}

    Source: Bertschinger et al. (2014), "Quantifying unique information".
    """
    table = distribution(p, "X1 X2 Y")
    _check.one_of("method", method, ("barrier", "alternating"))
    _check.positive("tolerance", tolerance)
    with torch.inference_mode():
        least, gap, joint, _ = _least(torch.from_numpy(table)[None], method, tolerance)
    if not float(gap) <= _CERTIFIED:
        warnings.warn(
            f"the decomposition is certified only to {float(gap):.2g} nats, more than 1e-7; look at its gap, or merge "
            f"symbols that are very rare",
            RuntimeWarning,
            stacklevel=2,
        )
    one, two = (mutual_information(table.sum(axis)) for axis in (1, 0))
    both = mutual_information(table.reshape(-1, table.shape[2]))
    least = float(least) / math.log(2)
    atoms = (one + two - least, least - two, least - one, both - least)  # (eq-pid-atoms)
    return PID(*atoms, gap=float(gap) / math.log(2), joint=joint[0].numpy())


def broja_batch(p: Tensor, *, tolerance: float = 1e-8) -> PIDBatch:
    r"""Decompose many joint distributions at once, with gradients by each probability.

    At the optimum the multipliers of the constraints are the gradient, for nothing:

    .. math::
        \frac{\partial I_Q}{\partial p(x_1, x_2, y)} = \lambda_1(x_1, y) + \lambda_2(x_2, y) - \log p(y)

    up to a constant, which moves along the simplex do not see. Where a marginal :math:`p(x_i, y)` is 0 the derivative
    is infinite, and 0 is returned.

    Args:
        p: joint distributions, shape ``(B, n1, n2, K)``, float64, each summing to 1, on any device.
        tolerance: gap in nats at which to stop, above 0.

    Returns:
        The `PIDBatch` in bits. A gap above 1e-7 nats is reported in ``gap`` and by a warning.

    Raises:
        TypeError: if ``p`` is not a tensor of float64.
        ValueError: if a problem is not a distribution, or an option is out of range.

    Warns:
        RuntimeWarning: if a gap is above 1e-7 nats.

    Example:
        >>> p = torch.zeros(1, 2, 2, 2, dtype=torch.float64)
        >>> p[0, 0, 0, 0] = p[0, 0, 1, 1] = p[0, 1, 0, 1] = p[0, 1, 1, 0] = 0.25
        >>> round(broja_batch(p).synergy.item(), 6)
        1.0
    """
    _check.shape("p", p, "B n1 n2 K")
    if p.dtype != torch.float64:
        raise TypeError(f"p must hold float64, got {p.dtype}; call .double() first, and normalise afterwards")
    _check.positive("tolerance", tolerance)
    if 0 in p.shape:
        raise ValueError(f"p must hold at least one problem with one symbol, got {tuple(p.shape)}; pass (B, n1, n2, K)")
    _check.finite("p", p)
    table = p.detach()
    wrong = (table.amin((1, 2, 3)) < 0) | ((table.sum((1, 2, 3)) - 1).abs() > 1e-6)
    for index in wrong.nonzero()[:1]:
        _check.probabilities(f"p[{int(index)}]", table[index])
    p = p / p.sum((1, 2, 3), keepdim=True)
    least, gap = _LeastInformation.apply(p, tolerance)
    if bad := int((~(gap <= _CERTIFIED)).sum()):
        text = f"{bad} of {len(p)} decompositions are not certified to 1e-7 nats; look at gap, or merge rare symbols"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    one, two, both = _information(p.sum(2)), _information(p.sum(1)), _information(p.flatten(1, 2))
    nats = (one + two - least, least - two, least - one, both - least, gap)
    return PIDBatch(*(value / math.log(2) for value in nats))


class _LeastInformation(torch.autograd.Function):
    r"""I_Q in nats of (B, n1, n2, K), with the multipliers as its gradient."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
        least, gap, _, dual = _least(p.detach(), "barrier", tolerance)
        slope = dual.first[:, :, None] + dual.second[:, None] - p.sum((1, 2))[:, None, None].log()
        ctx.save_for_backward(slope.nan_to_num(0.0, 0.0, 0.0))
        ctx.mark_non_differentiable(gap)
        return least, gap

    @staticmethod
    def backward(ctx: Any, by_least: Tensor, by_gap: Tensor | None) -> tuple[Tensor, None]:
        return by_least[:, None, None, None] * ctx.saved_tensors[0], None


def _information(p: Tensor) -> Tensor:
    apart = p.sum(2, keepdim=True) * p.sum(1, keepdim=True)
    seen = p > 0
    return (p * (torch.where(seen, p, 1).log() - torch.where(seen, apart, 1).log())).sum((1, 2))


def _least(p: Tensor, method: str, tolerance: float) -> tuple[Tensor, Tensor, Tensor, Dual]:
    r"""Return I_Q (B,), its gap (B,), the joint that reaches it, and a dual point; all in nats."""
    p = p.where(p >= _SMALLEST, 0)
    p = p / p.sum((1, 2, 3), keepdim=True)
    p1, p2 = p.sum(2), p.sum(1)
    dual = barrier(p1, p2, tolerance=tolerance) if method == "barrier" else None
    if dual is not None:
        lower, upper, joint = certify(p1, p2, dual)
        left = ~(upper - lower <= _CERTIFIED)
    else:
        dual = alternating(p1, p2, tolerance=tolerance)
        (lower, upper, joint), left = certify(p1, p2, dual), torch.zeros(len(p), dtype=torch.bool)
    if bool(left.any()):
        better = alternating(p1[left], p2[left], tolerance=tolerance, start=Dual(*(t[left] for t in dual)))
        low, high, q = certify(p1[left], p2[left], better)
        joint[left] = torch.where((high < upper[left])[:, None, None, None], q, joint[left])
        lower[left], upper[left] = torch.fmax(lower[left], low), torch.fmin(upper[left], high)
    p_y = p1.sum(1)
    return upper - torch.xlogy(p_y, p_y).sum(1), (upper - lower).clamp_min(0), joint, dual


def alternating(
    p1: Tensor, p2: Tensor, *, tolerance: float = 1e-8, start: Dual | None = None, sweeps: int = 20_000
) -> Dual:
    r"""Find the joint of least information by repeating three lines, each of which mends one set of conditions.

    The joint is :math:`q = w(x_1, x_2) \, a(x_1, y) \, b(x_2, y)`: the first line makes its marginal
    :math:`q(x_1, y)` right, the second :math:`q(x_2, y)`, and the third moves :math:`w` towards pairs at which
    :math:`\sum_y a b > 1`. It is mirror descent; it never fails, and it can be slow.

    Args:
        p1: marginals p(x1, y), (B, n1, K) float64.
        p2: marginals p(x2, y), (B, n2, K).
        tolerance: gap in nats at which to stop, above 0.
        start: where to begin; None for independence given the label.
        sweeps: how often at most.

    Returns:
        The dual point with :math:`\lambda_1 = \log a`, :math:`\lambda_2 = \log b`, and the joint.

    Example:
        >>> p = torch.full((1, 2, 2), 0.25, dtype=torch.float64)  # p(x, y), the same for both modalities
        >>> alternating(p, p).joint.sum()
        tensor(1., dtype=torch.float64)

    Source: Banerjee, Rauh and Montufar (2018). Differs from it in that one scaling of each side is made, not a loop.
    """
    if start is None:
        label = p1.sum(1, keepdim=True)
        b = torch.where(label > 0, p2 / label.where(label > 0, 1), 0)
        w = p1 @ b.mT
    else:
        a, b = start.first.exp(), start.second.exp()
        w = start.joint.sum(-1)
    for sweep in range(1, sweeps + 1):
        a = _over(p1, w @ b)
        b = _over(p2, w.mT @ a)
        if sweep % 100 == 0 or sweep == sweeps:
            dual = Dual(a.log(), b.log(), w[..., None] * a[:, :, None] * b[:, None])
            lower, upper, _ = certify(p1, p2, dual)
            if bool((upper - lower <= tolerance).all()):
                break
        w = w * (a @ b.mT)
    return dual


def _over(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(above > 0, above / below.where(below > 0, 1), 0.0)
