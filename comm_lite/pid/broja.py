r"""The BROJA decomposition: redundancy, uniqueness and synergy as one small convex problem with a certificate."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from comm_lite import _check
from comm_lite.info import distribution
from comm_lite.pid._least import least_information, least_informations
from comm_lite.pid._tables import CERTIFIED, information, informations, warn_unless_certified
from comm_lite.pid.atoms import PID, PIDBatch

_SMALLEST = 1e-16  # below it a probability cannot change a sum of float64 that is 1


def broja(p: ArrayLike, *, method: str = "barrier", tolerance: float = 1e-8) -> PID:
    r"""Decompose I(X1, X2; Y) after Bertschinger, Rauh, Olbrich, Jost and Ay; see :eq:`eq-pid-atoms`.

    Of all joint distributions with the tables of :math:`(X_1, Y)` and :math:`(X_2, Y)`, find the one that tells least:

    .. math::
        I_Q = \min_{q \in \Delta_p} I_q(X_1, X_2; Y), \qquad
        \Delta_p = \{q : q(x_1, y) = p(x_1, y), \; q(x_2, y) = p(x_2, y)\}

    What they tell in it cannot be synergy, since each modality alone tells the same as before. So

    .. math::
        R = I(X_1; Y) + I(X_2; Y) - I_Q, \quad U_1 = I_Q - I(X_2; Y), \quad U_2 = I_Q - I(X_1; Y), \quad
        S = I(X_1, X_2; Y) - I_Q

    One number is computed, so one error bar holds for all four. It is clipped to what any decomposition allows,
    :math:`\max_i I(X_i; Y) \le I_Q \le \min\{I(X_1; Y) + I(X_2; Y), I(X_1, X_2; Y)\}`: no atom is below 0.

    Args:
        p: joint distribution, shape ``(n1, n2, K)``: symbols of the modalities, labels; below 1e-16 counts as 0.
        method: ``"barrier"``, or ``"alternating"`` for the simpler method, which can take very many sweeps.
        tolerance: gap in nats at which to stop, above 0.

    Returns:
        The `PID` in bits, with a measured ``gap``. Symbols that tell the same are merged; two symbols a source are one
        root (`square`); where `barrier` leaves more than 1e-7 nats, `alternating` goes on from there.

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of three variables, or an option is out of range.

    Warns:
        RuntimeWarning: if the gap is still above 1e-7 nats.

    Example:
        >>> from comm_lite.pid import GATES
        >>> {name: round(bits, 6) for name, bits in broja(GATES["AND"].p).atoms.items()}
        {'R': 0.311278, 'U1': 0.0, 'U2': 0.0, 'S': 0.5}

    Source: Bertschinger et al. (2014), "Quantifying unique information".
    """
    table = distribution(p, "X1 X2 Y")
    _check.one_of("method", method, ("barrier", "alternating"))
    _check.positive("tolerance", tolerance)
    kept = np.where(table >= _SMALLEST, table, 0)
    p1, p2 = kept.sum(1), kept.sum(0)
    found = least_information(p1, p2, tolerance=tolerance, method=method)
    warn_unless_certified(found.gap)
    told = informations(p1, p2, kept.reshape(-1, kept.shape[2]))
    joint, gap = found.joint(p1, p2), found.gap / math.log(2)
    return PID.from_least(*told, found.nats, gap=gap, joint=joint)  # (eq-pid-atoms)


def broja_batch(p: Tensor, *, tolerance: float = 1e-8) -> PIDBatch:
    r"""Decompose many joint distributions at once, with gradients by each probability.

    At the optimum the multipliers of the constraints are the gradient, for nothing:

    .. math::
        \frac{\partial I_Q}{\partial p(x_1, x_2, y)} = \lambda_1(x_1, y) + \lambda_2(x_2, y) - \log p(y)

    up to a constant, which the simplex does not see, and 0 where a marginal :math:`p(x_i, y)` is 0.

    Args:
        p: joint distributions, shape ``(B, n1, n2, K)``, float64, on any device; the CPU solves them.
        tolerance: gap in nats at which to stop, above 0.

    Returns:
        The `PIDBatch` in bits.

    Raises:
        TypeError: if ``p`` is not a tensor of float64.
        ValueError: if a problem is not a distribution, or an option is out of range.

    Warns:
        RuntimeWarning: if a gap is above 1e-7 nats.

    Example:
        >>> xor = torch.tensor([[[[0.25, 0], [0, 0.25]], [[0, 0.25], [0.25, 0]]]], dtype=torch.float64)
        >>> round(broja_batch(xor).synergy.item(), 6)
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
    one, two, both = information(p.sum(2)), information(p.sum(1)), information(p.flatten(1, 2))
    bounds = [t.detach() for t in (torch.maximum(one, two), torch.minimum(one + two, both))]
    least, gap = _LeastInformation.apply(p, tolerance, *bounds)
    if bad := int((~(gap <= CERTIFIED)).sum()):
        text = f"{bad} of {len(p)} decompositions are not certified to 1e-7 nats; look at gap, or merge rare symbols"
        warnings.warn(text, RuntimeWarning, stacklevel=2)
    nats = (one + two - least, least - two, least - one, both - least, gap)
    return PIDBatch(*(value / math.log(2) for value in nats))


class _LeastInformation(torch.autograd.Function):
    r"""I_Q in nats of (B, n1, n2, K), clipped, with the multipliers of the same point as its gradient."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, tolerance: float, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        table = p.detach().where(p >= _SMALLEST, 0).cpu()
        found = least_informations(table.sum(2).numpy(), table.sum(1).numpy(), tolerance=tolerance)
        nats, gap, first, second = (torch.from_numpy(part).to(p.device) for part in found)
        ctx.save_for_backward(first, second, p.sum((1, 2)))
        ctx.mark_non_differentiable(gap)
        return torch.maximum(torch.minimum(nats, high), low), gap

    @staticmethod
    def backward(ctx: Any, by_least: Tensor, by_gap: Tensor | None) -> tuple[Tensor | None, ...]:
        first, second, label = ctx.saved_tensors
        slope = first[:, :, None] + second[:, None] - label[:, None, None].log()
        return by_least[:, None, None, None] * slope.nan_to_num(0.0, 0.0, 0.0), None, None, None
