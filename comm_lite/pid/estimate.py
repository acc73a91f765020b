r"""Partial information decomposition from N samples, with what the same estimator finds in shuffled labels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Generator, Tensor

from comm_lite import _check, info
from comm_lite.pid._least import least_information
from comm_lite.pid._samples import flat, k_means, labelled, needs_generator, with_null
from comm_lite.pid._tables import informations, warn_unless_certified
from comm_lite.pid.atoms import PID, Estimate
from comm_lite.pid.broja import broja


def plug_in_bias(p: ArrayLike, samples: int) -> float:
    r"""Exact bias of the total information that is read off a histogram of samples; see :eq:`eq-plug-in-bias`.

    .. math::
        \mathbb E[\hat I] - I, \qquad
        \mathbb E[\hat H] = \sum_c \sum_{n=1}^N \binom{N}{n} p_c^n (1 - p_c)^{N-n} \, \tfrac nN \log_2 \tfrac Nn

    Here :math:`I = H(X_1, X_2) + H(Y) - H(X_1, X_2, Y)`, each entropy with the cells :math:`c` of its own table. For
    many samples it is :math:`(K_1 K_2 - 1)(K - 1) / (2 N \ln 2)`, for few it is smaller.

    Args:
        p: the true joint distribution, shape ``(K1, K2, K)``.
        samples: number ``N`` of samples in the histogram.

    Returns:
        Bits. For independent variables it is all that a histogram will show; elsewhere it can be a little below 0, as
        -0.0036 for XOR at 200 samples. The error of an atom at a bound, as U1 = U2 = 0, falls as :math:`N^{-1/2}`.

    Raises:
        TypeError: if ``p`` is not an array of floats or ``samples`` no integer.
        ValueError: if ``p`` is not a distribution of three variables, or ``samples`` is below 1.

    Example:
        >>> round(plug_in_bias(np.full((20, 20, 2), 1 / 800), samples=138), 3)
        0.84

    Source: the expectation of a plug-in entropy is a sum over cells; its leading term is Miller (1955).
    """
    _check.whole("samples", samples)
    p = info.distribution(p, "X1 X2 Y")
    n = np.arange(samples + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(n[1:]))])
    log_choose = log_factorial[-1] - log_factorial - log_factorial[::-1]
    phi = np.concatenate([[0.0], -n[1:] / samples * np.log2(n[1:] / samples)])

    def bias(table: np.ndarray) -> float:
        total = -info.entropy(table)
        for cell, count in zip(*np.unique(table[(table > 0) & (table < 1)], return_counts=True), strict=True):
            log_binomial = log_choose + n * np.log(cell) + (samples - n) * np.log1p(-cell)
            total += float(count * np.exp(log_binomial) @ phi)  # (eq-plug-in-bias)
        return total

    return bias(p.sum(2)) + bias(p.sum((0, 1))) - bias(p)


def plug_in(
    x1: Tensor, x2: Tensor, y: Tensor, *, permutations: int = 99, resamples: int = 0, generator: Generator | None = None
) -> Estimate:
    r"""Count how often each triple occurs, and decompose the table as if it were the truth.

    Args:
        x1: symbols of the first source, integers of shape ``(N,)``.
        x2: symbols of the second source, integers of shape ``(N,)``.
        y: labels, integers of shape ``(N,)``, at least two classes.
        permutations: number of shuffles of the labels for the null, 19 or more for its 95 % bound; 0 leaves it out.
        resamples: number of tables to draw from the joint without synergy, whose synergy tests that S is 0; or 0.
        generator: draws shuffles and tables; needed for both.

    Returns:
        The estimate, bits. It is biased upwards, most of all in its synergy, by about :func:`plug_in_bias`.

    Raises:
        TypeError: if an argument is not a tensor of integers, or the generator is missing.
        ValueError: if the lengths differ, there is only one class, or ``permutations`` is negative.

    Example:
        >>> x1, x2 = torch.arange(400) % 2, torch.arange(400) // 2 % 2
        >>> estimate = plug_in(x1, x2, x1 ^ x2, generator=torch.Generator().manual_seed(0))
        >>> round(estimate.pid.synergy, 3), estimate.p_value["S"]
        (1.0, 0.01)
    """
    y, classes = labelled(x1, x2, y)
    for name, x in (("x1", x1), ("x2", x2)):
        _check.shape(name, x, "N")
        _check.integers(name, x)
    (n1, a), (n2, b) = ((len(u), i) for u, i in (x.cpu().unique(return_inverse=True) for x in (x1, x2)))
    pair, cell = (a * n2 + b).unique(return_inverse=True)

    def table(x: Tensor, n: int, y: Tensor) -> np.ndarray:
        return (x * classes + y).bincount(minlength=n * classes).numpy().reshape(n, classes) / len(y)

    def solve(y: Tensor) -> PID:
        p1, p2, both = table(a, n1, y), table(b, n2, y), table(cell, len(pair), y)
        found = least_information(p1, p2)
        warn_unless_certified(found.gap, stacklevel=4)
        return PID.from_least(*informations(p1, p2, both), found.nats, gap=found.gap / math.log(2))

    estimate = with_null(solve, y, permutations, generator, cells=n1 * n2 * classes)
    needs_generator(resamples, generator, "resamples")
    if not resamples:
        return estimate
    q = torch.from_numpy(broja(table(a * n2 + b, n1 * n2, y).reshape(n1, n2, classes)).joint).flatten()
    reached = 1
    for _ in range(resamples):
        drawn = q.multinomial(len(y), replacement=True, generator=generator)
        again = plug_in(drawn // classes // n2, drawn // classes % n2, drawn % classes, permutations=0)
        reached += again.pid.synergy >= estimate.pid.synergy - 1e-7
    return replace(estimate, p_synergy=reached / (1 + resamples))


def cluster(
    x1: Tensor,
    x2: Tensor,
    y: Tensor,
    *,
    clusters: int = 20,
    components: int = 5,
    permutations: int = 99,
    generator: Generator,
) -> Estimate:
    r"""The estimator called CVX: cluster each source without a look at the labels, then count (:func:`plug_in`).

    Each source is flattened, scaled to length one, projected on its first principal components and clustered.

    Args:
        x1: first source, floats of shape ``(N, ...)``.
        x2: second source, floats of shape ``(N, ...)``.
        y: labels, integers of shape ``(N,)``, at least two classes.
        clusters: number of clusters a source.
        components: number of principal components, at most the width of a source.
        permutations: number of shuffles of the labels for the null; the clusters stay. 0 leaves it out.
        generator: seeds the clustering and draws the shuffles.

    Returns:
        The estimate, bits: of the clusters, which may have lost what the source knew, and biased as ``plug_in`` is.

    Raises:
        TypeError: if a source is not a tensor of floats or the labels are not integers.
        ValueError: if lengths differ, a number is not finite, there are few samples, or a setting is out of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> y = torch.arange(600) % 2
        >>> x = torch.randn(600, 5, generator=g) + 9 * (2 * y - 1)[:, None]
        >>> round(cluster(x, x, y, clusters=4, permutations=9, generator=g).pid.redundancy, 2)
        1.0

    Source: Liang et al., "Quantifying and modeling multimodal interactions", 2023; here solved exactly, in bits.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    labelled(x1, x2, y)
    _check.whole("clusters", clusters, least=2)
    _check.whole("components", components)
    symbols = []
    for name, x in (("x1", x1), ("x2", x2)):
        x = flat(name, x)
        if len(x) < clusters or x.shape[1] < components:
            wanted = f"at least {clusters} samples and width {components}"
            raise ValueError(f"{name} must have {wanted}, got {tuple(x.shape)}; lower clusters or components")
        scaled = PCA(components, svd_solver="full").fit_transform(normalize(x.numpy()))
        symbols.append(k_means(scaled, clusters, generator))
    return plug_in(*symbols, y, permutations=permutations, generator=generator)
