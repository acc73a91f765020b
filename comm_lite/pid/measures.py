r"""Six definitions of redundancy on one table, since they disagree about what the same numbers share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from comm_lite.info import distribution, mutual_information
from comm_lite.pid._tables import ratio
from comm_lite.pid.atoms import PID
from comm_lite.pid.broja import broja


def imin(p: ArrayLike) -> PID:
    r"""Atoms with redundancy I_min: of each label, the smaller of the amounts that the sources tell; see :eq:`eq-imin`.

    .. math::
        I_{\min} = \sum_y p(y) \min_{i} \sum_{x_i} p(x_i \mid y) \log_2 \frac{p(y \mid x_i)}{p(y)}

    It compares amounts, which need not be the same information: of the two-bit copy it calls one bit redundant.

    Args:
        p: joint distribution, shape ``(n1, n2, ny)``.

    Returns:
        The four atoms in bits, all at least 0; ``gap`` is 0, since nothing is searched for.

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of three variables.

    Example:
        >>> from comm_lite.pid import GATES
        >>> imin(GATES["UNQ"].p).atoms
        {'R': 1.0, 'U1': 0.0, 'U2': 0.0, 'S': 1.0}

    Source: Williams and Beer (2010), "Nonnegative decomposition of multivariate information", equations 2 and 3.
    """
    p = distribution(p, "X1 X2 Y")
    return _atoms(p, float(np.minimum(_specific(p.sum(1)), _specific(p.sum(0))).sum()))  # (eq-imin)


def _specific(p: np.ndarray) -> np.ndarray:
    r"""For each label, p(y) times what the source tells about it in bits; (ny,)."""
    told = ratio(p, p.sum(1, keepdims=True) * p.sum(0, keepdims=True))
    return (p * np.log2(told + (p <= 0))).sum(0)


def _told(p: np.ndarray) -> tuple[float, ...]:
    r"""I(X1; Y), I(X2; Y) and I(X1, X2; Y) in bits."""
    return tuple(map(mutual_information, (p.sum(1), p.sum(0), p.reshape(-1, p.shape[2]))))


def _atoms(p: np.ndarray, redundancy: float) -> PID:
    one, two, both = _told(p)
    return PID(redundancy, one - redundancy, two - redundancy, both - one - two + redundancy)


def measures(p: ArrayLike) -> dict[str, PID]:
    r"""Decompose by six measures, as :func:`imin`, whose arguments it takes and whose errors it raises.

    Where they part, their definitions do. I_min and MMI compare amounts: of each label, and in all. BROJA and I_dep ask
    which joint distributions agree with the tables of two variables. I_ccs counts, outcome by outcome, the surprise
    that changes the same way; I_pm is what the less surprised source has of it, less its part of the misleading one.

    Returns:
        The decompositions in bits by ``"I_min"``, ``"MMI"``, ``"BROJA"``, ``"I_ccs"``, ``"I_dep"`` and ``"I_pm"``; only
        the first three never have an atom below 0. I_ccs and I_dep are right to about 1e-4 where cells vanish.

    Example:
        >>> from comm_lite.pid import GATES
        >>> {name: round(pid.redundancy, 3) for name, pid in measures(GATES["AND"].p).items()}
        {'I_min': 0.311, 'MMI': 0.311, 'BROJA': 0.311, 'I_ccs': 0.104, 'I_dep': 0.082, 'I_pm': 0.561}

    Source: that of each; for the last three Ince (2017), equation 25; James et al. (2018); Finn and Lizier (2018).
    """
    p = distribution(p, "X1 X2 Y")
    one, two, _ = _told(p)
    added = [_told(_widest(p, lost))[2] - two for lost in ((0, 1), (0, 1, 2))]  # by the table of (X1, Y) to others
    found = {"I_min": imin(p), "MMI": _atoms(p, min(one, two)), "BROJA": broja(p)}
    more = {"I_ccs": _common_change(p), "I_dep": one - min(one, *added), "I_pm": _pointwise(p)}
    return found | {name: _atoms(p, redundancy) for name, redundancy in more.items()}


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
        return np.log2(np.where(seen, ratio(ratio(table, table.sum(2, keepdims=True)), label), 1))

    return told(p.sum(1, keepdims=True)), told(p.sum(0, keepdims=True)), told(p)


def _common_change(p: np.ndarray) -> float:
    p = _widest(p, (0, 1, 2))
    first, second, both = _logs(p)
    common = first + second - both
    agree = [np.sign(part) == np.sign(common) for part in (first, second, both)]
    return float((p * common * np.all(agree, axis=0)).sum())


def _pointwise(p: np.ndarray) -> float:
    first, second, _ = _logs(p)
    surprise = [-np.log2(np.where(p > 0, p.sum((axis, 2), keepdims=True), 1)) for axis in (1, 0)]
    misleading = np.minimum(surprise[0] - first, surprise[1] - second)  # -log p(x_i given y)
    return float((p * (np.minimum(*surprise) - misleading)).sum())
