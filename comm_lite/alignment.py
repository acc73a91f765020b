r"""What aligning two modalities can keep, computed exactly on a table of probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from comm_lite.info import conditional_mutual_information, distribution, mutual_information


def view_gaps(p: ArrayLike) -> tuple[float, float]:
    r"""How far two views are from the multi-view redundancy assumption; see :eq:`eq-multiview-redundancy`.

    .. math::
        \varepsilon_1 = I(X_1; Y \mid X_2) = U_1 + S, \qquad \varepsilon_2 = I(X_2; Y \mid X_1) = U_2 + S

    Args:
        p: joint distribution, shape ``(X1, X2, Y)``.

    Returns:
        What the first view adds to the second, and the second to the first, in bits; 0 where each alone tells all.

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of three variables.

    Example:
        >>> horror = np.array([[[0.5, 0.0]], [[0.0, 0.5]]])  # shown on the first view only
        >>> view_gaps(horror)
        (1.0, 0.0)

    Source: Sridharan and Kakade (2008); Tosh, Krishnamurthy and Hsu (2021), both on multi-view learning.
    """
    p = distribution(p, "X1 X2 Y")
    orders = (0, 2, 1), (1, 2, 0)  # (X1, Y | X2) and (X2, Y | X1)
    return tuple(conditional_mutual_information(p.transpose(order)) for order in orders)  # (eq-multiview-redundancy)


def optimal_critic(p: ArrayLike) -> np.ndarray:
    r"""The scores with the least InfoNCE loss: the pointwise mutual information; see :eq:`eq-optimal-critic`.

    .. math::
        f^*(x_1, x_2) = \log \frac{p(x_1, x_2)}{p(x_1)\, p(x_2)}

    Any function of :math:`x_1` alone may be added when :math:`x_1` is the query: a softmax over keys does not see it.

    Args:
        p: joint distribution, shape ``(X1, X2)``; every symbol has a chance above 0.

    Returns:
        Scores in nats, shape ``(X1, X2)``; minus infinity where two never meet. Their mean is I(X1; X2).

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of two variables, or a symbol never occurs.

    Example:
        >>> optimal_critic([[0.25, 0.25], [0.25, 0.25]]).tolist()
        [[0.0, 0.0], [0.0, 0.0]]

    Source: van den Oord, Li and Vinyals (2018), section 2.3; Poole et al. (2019), section 2.
    """
    p = distribution(p, "X1 X2")
    first, second = p.sum(1, keepdims=True), p.sum(0, keepdims=True)
    if not (first.all() and second.all()):
        raise ValueError("p must give every symbol a chance above 0, got a row or column of zeros; drop that symbol")
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log(first) - np.log(second)  # (eq-optimal-critic)


def kept_by_alignment(p: ArrayLike) -> float:
    r"""Bits about a label that are left when each view keeps only what the optimal critic looks at.

    Values of a view with one row of the critic are merged: an encoder that cannot tell them apart has the least loss
    all the same. What is left is the minimal sufficient statistic of each view for the other. Compare
    :func:`view_gaps`, whose arguments it takes and whose errors it raises.

    Returns:
        I(T1, T2; Y) in bits, with T1 and T2 the merged views. R where the shared part of the views is a symbol of its
        own; more than R where one view shows a noisy copy of the other's sign, because a symbol is kept whole.

    Example:
        >>> horror = np.array([[[0.5, 0.0]], [[0.0, 0.5]]])
        >>> kept_by_alignment(horror)
        0.0
    """
    p = distribution(p, "X1 X2 Y")
    views = p.sum(2)
    first, second = _merge(views), _merge(views.T)
    merged = np.zeros((first.max() + 1, second.max() + 1, p.shape[2]))
    np.add.at(merged, (first[:, None], second[None, :]), p)
    return mutual_information(merged.reshape(-1, p.shape[2]))


def _merge(p: np.ndarray) -> np.ndarray:
    r"""The same number for rows of p(x, other) in the same proportions; rows without a chance go with the first."""
    total = p.sum(1, keepdims=True)
    rows = np.where(total > 0, p / np.where(total > 0, total, 1), p[np.argmax(total)] / total.max())
    alike = np.abs(rows[:, None] - rows[None, :]).max(2) < 1e-6  # p may come in float32; (X, X)
    return np.unique(alike.argmax(1), return_inverse=True)[1].reshape(-1)
