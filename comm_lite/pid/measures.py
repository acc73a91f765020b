r"""Six definitions of redundancy on one table, since they disagree about what the same numbers share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from comm_lite.info import distribution
from comm_lite.pid._tables import informations, ratio
from comm_lite.pid.atoms import PID
from comm_lite.pid.broja import broja
from comm_lite.pid.imin import imin


def measures(p: ArrayLike) -> dict[str, PID]:
    r"""Decompose one distribution by six measures; where they part, their definitions do, not the data.

    I_min and MMI compare amounts: of each label, and in all. BROJA and I_dep ask which joint distributions agree with
    the tables of two variables. I_ccs counts, outcome by outcome, the surprise that changes the same way; I_pm is what
    the less surprised source has of the surprise, less what it has of the misleading one.

    Args:
        p: joint distribution, shape ``(n1, n2, ny)``.

    Returns:
        The decompositions in bits by ``"I_min"``, ``"MMI"``, ``"BROJA"``, ``"I_ccs"``, ``"I_dep"`` and ``"I_pm"``; only
        the first three never have an atom below 0. I_ccs and I_dep are right to about 1e-4 where cells vanish.

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of three variables.

    Example:
        >>> from comm_lite.pid.gates import GATES
        >>> {name: round(pid.redundancy, 3) for name, pid in measures(GATES["AND"].p).items()}
        {'I_min': 0.311, 'MMI': 0.311, 'BROJA': 0.311, 'I_ccs': 0.104, 'I_dep': 0.082, 'I_pm': 0.561}

    Source: Williams and Beer (2010); Barrett (2015); Bertschinger et al. (2014); Ince (2017), equation 25; James,
    Emenheiser and Crutchfield (2018); Finn and Lizier (2018).
    """
    p = distribution(p, "X1 X2 Y")
    one, two, both = (nats / math.log(2) for nats in informations(p.sum(1), p.sum(0), p.reshape(-1, p.shape[2])))

    def of(redundancy: float) -> PID:
        return PID(redundancy, one - redundancy, two - redundancy, both - one - two + redundancy)

    return {
        "I_min": imin(p),
        "MMI": of(min(one, two)),
        "BROJA": broja(p),
        "I_ccs": of(_common_change(_widest(p, (0, 1, 2)))),
        "I_dep": of(one - _unique_by_dependencies(p, one, two)),
        "I_pm": of(_pointwise(p)),
    }


def _widest(p: np.ndarray, lost: tuple[int, ...]) -> np.ndarray:
    r"""The distribution of greatest entropy with the tables of p that are left when one axis is lost."""
    q = np.full_like(p, 1 / p.size)
    for _ in range(2000):
        before = q
        for axis in lost:
            q = q * ratio(p.sum(axis, keepdims=True), q.sum(axis, keepdims=True))
        if np.abs(q - before).max() < 1e-13:
            break
    return q


def _logs(p: np.ndarray) -> tuple[np.ndarray, ...]:
    r"""Information of x1, x2 and both about y, pointwise in bits; 0 where p is 0."""
    label, seen = p.sum((0, 1), keepdims=True), p > 0

    def told(table: np.ndarray) -> np.ndarray:
        given = ratio(table, table.sum(2, keepdims=True))
        return np.log2(np.where(seen, ratio(given * np.ones_like(p), label * np.ones_like(p)), 1))

    return told(p.sum(1, keepdims=True)), told(p.sum(0, keepdims=True)), told(p)


def _common_change(p: np.ndarray) -> float:
    first, second, both = _logs(p)
    common = first + second - both
    sign = np.sign(common)
    agree = (np.sign(first) == sign) & (np.sign(second) == sign) & (np.sign(both) == sign)
    return float((p * common * agree).sum())


def _unique_by_dependencies(p: np.ndarray, one: float, two: float) -> float:
    r"""The least that the table of (X1, Y) adds, whichever other tables are known."""
    added = [one]
    for lost in ((0, 1), (0, 1, 2)):
        q = _widest(p, lost)
        added.append(informations(q.sum(1), q.sum(0), q.reshape(-1, p.shape[2]))[2] / math.log(2) - two)
    return min(added)


def _pointwise(p: np.ndarray) -> float:
    first, second, _ = _logs(p)
    seen = p > 0
    surprise = [-np.log2(p.sum((axis, 2), keepdims=True) + (p.sum((axis, 2), keepdims=True) <= 0)) for axis in (1, 0)]
    misleading = np.minimum(surprise[0] - first, surprise[1] - second)  # -log p(x_i given y)
    return float((p * np.where(seen, np.minimum(*surprise) - misleading, 0)).sum())
