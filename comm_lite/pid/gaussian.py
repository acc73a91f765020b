r"""Partial information of Gaussian variables: closed forms, and a small convex problem for several dimensions."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike

from comm_lite import _check
from comm_lite.pid.atoms import PID

_BITS = 1 / math.log(2)


def mmi(information1: float, information2: float, together: float) -> PID:
    r"""Call the smaller of two mutual informations redundant ("minimum mutual information").

    .. math::
        R = \min\{I(X_1; Y), I(X_2; Y)\}

    It looks at amounts only, which is right for one-dimensional Gaussian Y, and calls different halves of Y redundant.

    Args:
        information1: I(X1; Y) in bits, at least 0.
        information2: I(X2; Y) in bits, at least 0.
        together: I(X1, X2; Y) in bits, at least the larger of the two.

    Returns:
        The four atoms in bits; ``gap`` is 0, since nothing is searched for.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if one is negative, or ``together`` is smaller than a part.

    Example:
        >>> mmi(0.5, 0.75, 2.0).atoms
        {'R': 0.5, 'U1': 0.0, 'U2': 0.25, 'S': 1.25}

    Source: Barrett (2015).
    """
    for name, bits in {"information1": information1, "information2": information2, "together": together}.items():
        _check.between(name, bits, 0.0, math.inf)
    larger = max(information1, information2)
    if together < larger - 1e-12:  # rounding may leave it a little short
        raise ValueError(f"together must be at least {larger:g}, what one source tells, got {together:g}; check units")
    redundancy = min(information1, information2)
    return PID(redundancy, information1 - redundancy, information2 - redundancy, together - larger, 0.0)


def gaussian_scalar(*, corr_yx1: float, corr_yx2: float, corr_x1x2: float) -> PID:
    r"""Atoms of three jointly normal numbers, from their correlations; see :eq:`eq-gaussian-pid`.

    .. math::
        I(X_i; Y) = -\tfrac12 \log_2(1 - \rho_i^2), \qquad
        I(X_1, X_2; Y) = -\tfrac12 \log_2\!\left(1 - \frac{\rho_1^2 + \rho_2^2 - 2 \rho_1 \rho_2 \rho_{12}}
        {1 - \rho_{12}^2}\right), \qquad R = \min_i I(X_i; Y)

    Args:
        corr_yx1: :math:`\rho_1`, correlation of Y with X1, in [-1, 1] without the ends.
        corr_yx2: :math:`\rho_2`, correlation of Y with X2.
        corr_x1x2: :math:`\rho_{12}`, correlation of the two sources.

    Returns:
        The four atoms in bits, exact for the measure of `broja`; ``gap`` is 0.

    Raises:
        TypeError: if a correlation is not a number.
        ValueError: if no three variables have these correlations, or one is a function of the others.

    Example:
        >>> round(gaussian_scalar(corr_yx1=0.5, corr_yx2=0.5, corr_x1x2=0.0).redundancy, 4)
        0.2075

    Source: Barrett (2015), Physical Review E 91, 052802.
    """
    given = {"corr_yx1": corr_yx1, "corr_yx2": corr_yx2, "corr_x1x2": corr_x1x2}
    for name, value in given.items():
        _check.between(name, value, -1.0, 1.0)
    a, c, b = given.values()
    rest = (1 - a) * (1 + a) - (c - a * b) ** 2 / max((1 - b) * (1 + b), 1e-300)  # variance of Y that is left
    if abs(b) == 1 or rest <= 0:
        text = f"the three correlations must belong to variables with noise of their own, got {given}, which leave"
        raise ValueError(f"{text} {rest:.3g} of the variance of Y; pass weaker ones")
    explained = (a * a + c * c - 2 * a * b * c) / ((1 - b) * (1 + b))
    information = [-0.5 * math.log1p(-share) * _BITS for share in (a * a, c * c, explained)]  # (eq-gaussian-pid)
    return mmi(information[0], information[1], max(information))


def gain_angle(degrees: float) -> PID:
    r"""Atoms of two noisy sensors that look at a plane under an angle, in closed form.

    Y is a standard normal vector in the plane, each source its coordinate along one direction plus standard normal
    noise, which tells half a bit. With :math:`k = \cos\theta` the least informative correlation of the two noises is

    .. math::
        c = \frac{2k}{(3 - k^2) + \sqrt{(3 - k^2)^2 - 4 k^2}}, \qquad
        I_Q = \tfrac12 \log_2 \frac{4 - (c + k)^2}{1 - c^2},

    and the atoms follow: one direction gives half a bit of redundancy, a right angle none.

    Args:
        degrees: angle between the two directions, 0 to 90.

    Returns:
        The four atoms in bits; ``gap`` is 0.

    Raises:
        TypeError: if the angle is not a number.
        ValueError: if it lies outside 0 to 90.

    Example:
        >>> [round(gain_angle(angle).redundancy, 4) for angle in (0, 60, 90)]
        [0.5, 0.0649, 0.0]

    Source: Venkatesh et al. (2023) for the example; the closed form solves their problem for it.
    """
    _check.between("degrees", degrees, 0.0, 90.0)
    half = math.radians(degrees) / 2
    k, w = math.cos(2 * half) if degrees < 90 else 0.0, math.sqrt(2) * math.sin(half)  # w * w = 1 - k
    root = math.sqrt((3 + k) * (3 - k) * (1 + k))
    c = 2 * k / (3 - k * k + w * root)
    ratio = w * (3 - k * k + w * root) / ((3 + k) * w + root)  # (1 - k) / (1 - c), without 0 / 0 for parallel sensors
    union = 0.5 * math.log2((1 + ratio) * (2 + c + k) / (1 + c))
    return PID(1 - union, union - 0.5, union - 0.5, 0.5 * math.log2(4 - k * k) - union, 0.0)


def gaussian_vector(covariance: ArrayLike, sizes: tuple[int, int, int], *, tolerance: float = 1e-7) -> PID:
    r"""Atoms of jointly normal vectors, when the search is held to jointly normal distributions.

    Given Y, scale the noise of each source to unit covariance. What is free is the covariance :math:`C` between the
    two noises; with :math:`G` the covariance that Y brings into the scaled sources,

    .. math::
        I_Q = \min_{\|C\|_2 \le 1} \tfrac12 \log_2 \frac{\det(N + G)}{\det N},
        \qquad N = \begin{pmatrix} 1 & C \\ C^\top & 1 \end{pmatrix} .

    Newton steps with a barrier :math:`-\mu \log\det(1 - C C^\top)` solve the convex problem, and the linear lower bound
    :math:`f(C) - \langle\nabla f, C\rangle - \|\nabla f\|_*` certifies the result.

    Args:
        covariance: of (X1, X2, Y), shape (n, n) with n the sum of ``sizes``; symmetric and positive definite.
        sizes: dimensions of X1, X2 and Y, each at least 1.
        tolerance: gap in bits at which to stop, above 0.

    Returns:
        The four atoms in bits. ``gap`` bounds their distance from the optimum over *Gaussian* couplings of the noises;
        others could tell less. So R and S are at most those of `broja`, U1 and U2 at least; for a number Y all agree.

    Raises:
        TypeError: if ``covariance`` holds no floats or a size is not an integer.
        ValueError: if sizes or shape do not fit, or the matrix is not finite, symmetric and positive definite.

    Warns:
        RuntimeWarning: if the gap is still above ``tolerance``: rounding, with sources that know Y almost exactly.

    Example:
        >>> pid = gaussian_vector(np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [1.0, 1.0, 2.0]]), (1, 1, 1))
        >>> round(pid.redundancy, 4)
        0.2075

    Source: Venkatesh et al. (2023), "Gaussian partial information decomposition"; they descend by projected gradient.
    """
    _check.positive("tolerance", tolerance)
    if len(sizes) != 3:
        raise ValueError(f"sizes must hold three dimensions, of X1, X2 and Y, got {tuple(sizes)}; pass (n1, n2, ny)")
    for place, size in enumerate(sizes):
        _check.whole(f"sizes[{place}]", size)
    total, n1, n = np.asarray(covariance, dtype=np.float64), sizes[0], sizes[0] + sizes[1]
    if total.shape != (sum(sizes),) * 2:
        wanted = f"shape {(sum(sizes),) * 2} for sizes {tuple(sizes)}"
        raise ValueError(f"covariance must have {wanted}, got {total.shape}; order it as X1, X2, Y")
    if bad := int((~np.isfinite(total)).sum()):
        text = "covariance must be finite, got"
        raise ValueError(f"{text} {bad} NaN or infinite; look for a constant or missing variable")
    if not np.allclose(total, total.T) or np.linalg.eigvalsh(total)[0] <= 0:
        text = "covariance must be symmetric and positive definite, got one that is not; drop a variable that is a"
        raise ValueError(f"{text} function of the others, or average the matrix with its transpose")
    brought = total[:n, n:] @ np.linalg.solve(total[n:, n:], total[n:, :n])
    noise = total[:n, :n] - brought
    scale = np.zeros((n, n))
    for part in (slice(n1), slice(n1, n)):
        scale[part, part] = np.linalg.inv(np.linalg.cholesky(noise[part, part]))
    signal, actual = scale @ brought @ scale.T, scale @ noise @ scale.T
    union, gap = _least(signal, n1, tolerance)
    if not gap <= tolerance:
        text = f"the decomposition is certified only to {gap:.2g} bits, more than {tolerance:g}; raise tolerance, or"
        warnings.warn(f"{text} look for variables that are almost functions of others", RuntimeWarning, stacklevel=2)
    told = [0.5 * _logdet(np.eye(len(g)) + g) for g in (signal[:n1, :n1], signal[n1:, n1:])]
    return PID.from_least(*told, _told(actual[:n1, n1:], signal), union / _BITS, gap=gap)


def _logdet(matrix: np.ndarray) -> float:
    sign, value = np.linalg.slogdet(matrix)
    return float(value) if sign > 0 else -math.inf


def _noise(c: np.ndarray) -> np.ndarray:
    return np.block([[np.eye(len(c)), c], [c.T, np.eye(c.shape[1])]])


def _told(c: np.ndarray, signal: np.ndarray) -> float:
    r"""I(X1, X2; Y) in nats, when C couples the noises."""
    return 0.5 * (_logdet(_noise(c) + signal) - _logdet(_noise(c)))


def _height(c: np.ndarray, signal: np.ndarray, mu: float) -> float:
    r"""What the steps lower: the information, with a barrier at the edge of the couplings; det N is det(1 - C C^T)."""
    return _told(c, signal) - mu * _logdet(_noise(c)) if np.linalg.norm(c, 2) < 1 else math.inf


def _slope(inverse: np.ndarray, n1: int) -> tuple[np.ndarray, np.ndarray]:
    r"""First and second derivative of half the log-determinant by the off-diagonal block, from the inverse."""
    p, q, r = inverse[:n1, :n1], inverse[:n1, n1:], inverse[n1:, n1:]
    return q, -np.einsum("ik,jl->ijkl", p, r).reshape(q.size, -1) - np.einsum("il,kj->ijkl", q, q).reshape(q.size, -1)


def _least(signal: np.ndarray, n1: int, tolerance: float) -> tuple[float, float]:
    r"""The least information over C, and its certified distance from the optimum, in bits."""
    c, mu, best, gap = np.zeros((n1, len(signal) - n1)), 0.1, math.inf, math.inf
    for _ in range(500):
        first, first2 = _slope(np.linalg.inv(_noise(c) + signal), n1)
        second, second2 = _slope(np.linalg.inv(_noise(c)), n1)
        value, gradient = _told(c, signal), first - second
        now = (gradient * c).sum() + np.linalg.norm(gradient, "nuc")  # f(C) minus its linear lower bound
        if now < gap:
            best, gap = value, now
        if gap * _BITS <= tolerance or mu < 1e-13:
            break
        slope = first - (1 + 2 * mu) * second
        step = -np.linalg.solve(first2 - (1 + 2 * mu) * second2, slope.ravel()).reshape(c.shape)
        decrement, below = -(step * slope).sum(), value - mu * _logdet(_noise(c)) + 1e-15
        sizes = 0.5 ** np.arange(40) if decrement >= 0.01 * mu else ()
        lower = (s for s in sizes if _height(c + s * step, signal, mu) <= below - 0.1 * s * decrement)
        if size := next(lower, 0):
            c = c + size * step
        else:  # at the centre, or rounding is all that moves: go on with the next barrier
            mu /= 10
    return best * _BITS, max(float(gap), 0.0) * _BITS
