r"""Entropy and mutual information of tables of probabilities.

A joint distribution is an array with one axis a variable, such as ``p[x, y]``; its entries are at least 0 and sum to 1.
Everything is computed in float64, and 0 log 0 counts as 0. Sums may fall below zero by rounding, about 1e-16.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from comm_lite import _check

_UNITS = {"bits": float(np.log(2)), "nats": 1.0}  # nats in one unit


def distribution(p: ArrayLike, letters: str | None = None, *, name: str = "p") -> np.ndarray:
    r"""Return a joint distribution as a float64 array that sums to 1, after checking that it is one.

    Args:
        p: probabilities, an array or a tensor of floats; it may miss a sum of 1 by 1e-6, as float32 does.
        letters: one letter an axis, such as ``"X Y"``; None takes any number of axes.
        name: what error messages call it.

    Returns:
        The same probabilities, divided by their sum.

    Raises:
        TypeError: if it is not an array of floats.
        ValueError: if the number of axes differs, or a probability is negative, NaN, or they do not sum to 1.

    Example:
        >>> distribution([0.25, 0.75])
        array([0.25, 0.75])
    """
    table = p.detach().cpu().numpy() if hasattr(p, "detach") else np.asarray(p)  # a tensor, on any device
    _check.probabilities(name, table, letters)
    table = table.astype(np.float64)
    return table / table.sum()


def joint(outcomes: Mapping[tuple, float] | Iterable[tuple]) -> tuple[np.ndarray, tuple[list, ...]]:
    r"""Make the table of a joint distribution from named outcomes.

    Args:
        outcomes: probabilities by outcome, a tuple with one value a variable; or samples, tuples that count alike.

    Returns:
        The table, one axis a variable, and the names along each axis, sorted.

    Raises:
        TypeError: if the names of a variable cannot be sorted.
        ValueError: if there is no outcome, they differ in length, or the probabilities are none.

    Example:
        >>> p, names = joint([("cat", "meow"), ("cat", "meow"), ("dog", "woof"), ("cat", "purr")])
        >>> names, p.tolist()
        ((['cat', 'dog'], ['meow', 'purr', 'woof']), [[0.5, 0.25, 0.0], [0.0, 0.0, 0.25]])
    """
    pairs = list(outcomes.items() if isinstance(outcomes, Mapping) else ((outcome, 1.0) for outcome in outcomes))
    lengths = sorted({len(outcome) for outcome, _ in pairs})
    if len(lengths) != 1:
        raise ValueError(f"outcomes must be tuples of one length, got lengths {lengths}; pass one value a variable")
    names = tuple(sorted(set(values)) for values in zip(*(outcome for outcome, _ in pairs), strict=True))
    p = np.zeros([len(values) for values in names])
    for outcome, chance in pairs:
        p[tuple(values.index(value) for values, value in zip(names, outcome, strict=True))] += chance
    return distribution(p if isinstance(outcomes, Mapping) else p / p.sum(), name="outcomes"), names


def _in(unit: str, nats: float) -> float:
    _check.one_of("unit", unit, _UNITS)
    return float(nats / _UNITS[unit]) + 0.0  # no minus before a zero


def entropy(p: ArrayLike, *, unit: str = "bits") -> float:
    r"""Entropy: the cost of naming an outcome with the best code, on average; see :eq:`eq-entropy`.

    .. math::
        H(X) = -\sum_x p(x) \log p(x)

    Args:
        p: joint distribution with one axis for each variable of the equation; here any number, taken together as one.
        unit: ``"bits"`` or ``"nats"``.

    Returns:
        At least 0 (one outcome is certain), at most the logarithm of the number of outcomes (all alike).

    Raises:
        TypeError: if ``p`` is not an array of floats.
        ValueError: if ``p`` is not a distribution of so many variables, or the unit is unknown.

    Example:
        >>> entropy([0.5, 0.25, 0.25])
        1.5

    Source: Shannon (1948), section 6.
    """
    p = distribution(p)
    seen = p[p > 0]
    return _in(unit, -float(seen @ np.log(seen)))  # (eq-entropy)


def conditional_entropy(p: ArrayLike, *, unit: str = "bits") -> float:
    r"""Entropy of X given Y, beside :func:`entropy`, whose arguments it takes and whose errors it raises.

    .. math::
        H(X \mid Y) = H(X, Y) - H(Y)

    Returns:
        At least 0 (``Y`` tells all), at most H(X) (``Y`` tells nothing): the lowest cross-entropy of X from Y.

    Example:
        >>> conditional_entropy([[0.5, 0.0], [0.0, 0.5]])
        0.0
    """
    p = distribution(p, "X Y")
    return entropy(p, unit=unit) - entropy(p.sum(0), unit=unit)


def mutual_information(p: ArrayLike, *, unit: str = "bits") -> float:
    r"""Mutual information: how much one variable tells about the other; see :eq:`eq-mutual-information`.

    .. math::
        I(X; Y) = \sum_{x, y} p(x, y) \log \frac{p(x, y)}{p(x) \, p(y)}

    Like :func:`entropy`, whose arguments it takes and whose errors it raises.

    Returns:
        At least 0 (independent), at most the smaller of H(X) and H(Y) (one is a function of the other).

    Example:
        >>> mutual_information([[0.5, 0.0], [0.0, 0.5]])
        1.0
    """
    p = distribution(p, "X Y")
    px, py = np.broadcast_arrays(p.sum(1, keepdims=True), p.sum(0, keepdims=True))
    seen = p > 0
    return _in(unit, float(p[seen] @ np.log(p[seen] / px[seen] / py[seen])))  # (eq-mutual-information)


def conditional_mutual_information(p: ArrayLike, *, unit: str = "bits") -> float:
    r"""I(X; Y) given a third variable, like :func:`entropy`, whose arguments it takes and whose errors it raises.

    .. math::
        I(X; Y \mid Z) = \sum_z p(z) \, I(X; Y \mid Z = z)

    Returns:
        At least 0. It may be smaller than I(X; Y) (``Z`` explains what they share) or larger (XOR).

    Example:
        >>> xor = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]) / 4
        >>> conditional_mutual_information(xor)
        1.0
    """
    p = distribution(p, "X Y Z")
    known = p.sum((0, 1))
    return sum(float(known[z]) * mutual_information(p[:, :, z] / known[z], unit=unit) for z in known.nonzero()[0])


def co_information(p: ArrayLike, *, unit: str = "bits") -> float:
    r"""Redundancy minus synergy, in the units of :func:`entropy`, whose arguments it takes and whose errors it raises.

    .. math::
        I(X_1; X_2; Y) = I(X_1; X_2) - I(X_1; X_2 \mid Y)

    Returns:
        What three variables share, in any order: 1 bit when X1 and X2 copy a fair bit Y, -1 bit for XOR.

    Example:
        >>> copy = np.array([[[1, 0], [0, 0]], [[0, 0], [0, 1]]]) / 2
        >>> co_information(copy)
        1.0

    Source: Bell (2003), "The co-information lattice"; McGill (1954) has it with the sign turned.
    """
    p = distribution(p, "X1 X2 Y")
    return mutual_information(p.sum(2), unit=unit) - conditional_mutual_information(p, unit=unit)


def kl_divergence(p: ArrayLike, q: ArrayLike, *, unit: str = "bits") -> float:
    r"""Kullback-Leibler divergence: the extra cost of a code made for ``q`` when ``p`` holds.

    .. math::
        D(p \,\|\, q) = \sum_x p(x) \log \frac{p(x)}{q(x)}

    Args:
        p: distribution that holds, any shape.
        q: distribution of the same shape that is believed.
        unit: ``"bits"`` or ``"nats"``.

    Returns:
        At least 0 (equal); infinite where ``q`` rules out what ``p`` allows.

    Raises:
        TypeError: if an argument is not an array of floats.
        ValueError: if one is not a distribution, the shapes differ, or the unit is unknown.

    Example:
        >>> kl_divergence([0.5, 0.5], [0.5, 0.5])
        0.0
    """
    p, q = distribution(p), distribution(q, name="q")
    if p.shape != q.shape:
        raise ValueError(f"q must have the shape of p, wanted {p.shape}, got {q.shape}; list the same outcomes")
    seen = p > 0
    with np.errstate(divide="ignore"):
        return _in(unit, float(p[seen] @ (np.log(p[seen]) - np.log(q[seen]))))
