r"""The first partial information decomposition: the redundancy I_min of Williams and Beer."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from comm_lite.info import distribution, mutual_information
from comm_lite.pid.broja import PID


def imin(p: ArrayLike) -> PID:
    r"""Atoms with redundancy I_min: of each label, the smaller of the amounts that the sources tell; see :eq:`eq-imin`.

    .. math::
        I_{\min} = \sum_y p(y) \min_{i} \sum_{x_i} p(x_i \mid y) \log_2 \frac{p(y \mid x_i)}{p(y)}

    It compares amounts and does not ask whether they are the same information: for two independent bits and the pair of
    them as the label (the two-bit copy) it finds one redundant bit.

    Args:
        p: joint distribution, shape ``(n1, n2, ny)``.

    Returns:
        The four atoms in bits, all at least 0; ``gap`` is 0, since nothing is searched for.

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of three variables.

    Example:
        >>> from comm_lite.pid.gates import GATES
        >>> imin(GATES["UNQ"].p).atoms
        {'R': 1.0, 'U1': 0.0, 'U2': 0.0, 'S': 1.0}

    Source: Williams and Beer (2010), "Nonnegative decomposition of multivariate information", equations 2 and 3.
    """
    p = distribution(p, "X1 X2 Y")
    alone = [p.sum(1), p.sum(0)]  # p(x_i, y)
    redundancy = float(np.minimum(*map(_specific, alone)).sum())  # (eq-imin)
    first, second = map(mutual_information, alone)
    together = mutual_information(p.reshape(-1, p.shape[2]))
    return PID(redundancy, first - redundancy, second - redundancy, together - first - second + redundancy, 0.0)


def _specific(p: np.ndarray) -> np.ndarray:
    r"""For each label, p(y) times what the source tells about it in bits; (ny,)."""
    apart = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    ratio = np.divide(p, apart, out=np.ones_like(p), where=p > 0)
    return (p * np.log2(ratio)).sum(0)
