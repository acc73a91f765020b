r"""Partial information decomposition from samples, with what the same estimator finds in shuffled labels.

Shapes: ``N`` samples, ``K`` classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from comm_lite import _check, info
from comm_lite.pid.broja import PID, broja_batch


@dataclass(frozen=True)
class Estimate:
    r"""A decomposition that was estimated from samples, beside its permutation null.

    Example:
        >>> y = torch.arange(400) % 2
        >>> print(plug_in(y, y, y, generator=torch.Generator().manual_seed(0)))
        R 1.000 (null 0.009)  U1 0.000 (null 0.000)  U2 0.000 (null 0.000)  S 0.000 (null 0.000)  400 samples, 8 cells
    """

    pid: PID
    """The estimate, in bits."""
    null: dict[str, tuple[float, float]]
    """Mean and 95 % quantile over shuffled labels, bits, by ``"R"``, ``"U1"``, ``"U2"``, ``"S"`` and ``"total"``."""
    p_value: dict[str, float]
    """Share of shuffles, the real labels among them, that reach the estimate: 1 / (permutations + 1) or more."""
    samples: int
    """Number of samples ``N``."""
    cells: int
    """Number of cells of the table that was solved: with few samples a cell, most of the estimate is bias."""

    def __str__(self) -> str:
        null = {name: f" (null {high:z.3f})" for name, (_, high) in self.null.items()}
        parts = [f"{name} {value:z.3f}{null.get(name, '')}" for name, value in self.pid.atoms.items()]
        return "  ".join(parts) + f"  {self.samples} samples, {self.cells} cells"


def plug_in_bias(p: ArrayLike, samples: int) -> float:
    r"""Exact bias of the total information that is read off a histogram of samples; see :eq:`eq-plug-in-bias`.

    .. math::
        \mathbb E[\hat I] - I, \qquad
        \mathbb E[\hat H] = \sum_c \sum_{n=1}^N \binom{N}{n} p_c^n (1 - p_c)^{N-n} \, \tfrac nN \log_2 \tfrac Nn

    Here :math:`I = I(X_1, X_2; Y) = H(X_1, X_2) + H(Y) - H(X_1, X_2, Y)`, each entropy with the cells :math:`c` of its
    own table. For many samples it is :math:`(K_1 K_2 - 1)(K - 1) / (2 N \ln 2)`, for few it is smaller.

    Args:
        p: the true joint distribution, shape ``(K1, K2, K)``.
        samples: number ``N`` of samples in the histogram.

    Returns:
        Bits, at least 0 up to rounding. For independent variables it is all that a histogram will show.

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

    def expected_entropy(table: np.ndarray) -> float:
        total = 0.0
        for cell, count in zip(*np.unique(table[(table > 0) & (table < 1)], return_counts=True), strict=True):
            log_binomial = log_choose + n * np.log(cell) + (samples - n) * np.log1p(-cell)
            total += float(count * np.exp(log_binomial) @ phi)  # (eq-plug-in-bias)
        return total

    def bias(table: np.ndarray) -> float:
        return expected_entropy(table) - info.entropy(table)

    return bias(p.sum(2)) + bias(p.sum((0, 1))) - bias(p)


def plug_in(
    x1: Tensor, x2: Tensor, y: Tensor, *, permutations: int = 99, generator: torch.Generator | None = None
) -> Estimate:
    r"""Count how often each triple occurs, and decompose the table as if it were the truth.

    Args:
        x1: symbols of the first source, integers of shape ``(N,)``.
        x2: symbols of the second source, integers of shape ``(N,)``.
        y: labels, integers of shape ``(N,)``, at least two classes.
        permutations: number of shuffles of the labels for the null; 0 leaves it out.
        generator: draws the shuffles; needed unless ``permutations`` is 0.

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
    y, classes = _labels(x1, x2, y)
    for name, x in (("x1", x1), ("x2", x2)):
        _check.shape(name, x, "N")
        _check.integers(name, x)
    (n1, a), (n2, b) = ((len(u), i) for u, i in (x.cpu().unique(return_inverse=True) for x in (x1, x2)))

    def table(y: Tensor) -> Tensor:
        counts = torch.bincount((a * n2 + b) * classes + y, minlength=n1 * n2 * classes).double()
        return (counts / len(y)).view(n1, n2, classes)

    def solve(labels: list[Tensor]) -> list[PID]:
        found = broja_batch(torch.stack([table(y) for y in labels]))
        parts = found.redundancy, found.unique1, found.unique2, found.synergy, found.gap
        return [PID(*of) for of in zip(*(part.tolist() for part in parts), strict=True)]

    return _with_null(solve, y, permutations, generator, cells=n1 * n2 * classes)


def cluster(
    x1: Tensor,
    x2: Tensor,
    y: Tensor,
    *,
    clusters: int = 20,
    components: int = 5,
    permutations: int = 99,
    generator: torch.Generator,
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

    Source: Liang et al., "Quantifying and modeling multimodal interactions", 2023. Differs from the reference code:
    solved exactly, in bits (theirs returns nats), and every sample is used for both clusters and counts.
    """
    _labels(x1, x2, y)
    _check.whole("clusters", clusters, least=2)
    _check.whole("components", components)
    symbols = []
    for name, x in (("x1", x1), ("x2", x2)):
        x = _source(name, x)
        if len(x) < clusters or x.shape[1] < components:
            wanted = f"at least {clusters} samples and width {components}"
            raise ValueError(f"{name} must have {wanted}, got {tuple(x.shape)}; lower clusters or components")
        symbols.append(_k_means(_scaled_components(x.numpy(), components), clusters, generator))
    return plug_in(*symbols, y, permutations=permutations, generator=generator)


def _with_null(
    solve: Callable[[list[Tensor]], list[PID]],
    y: Tensor,
    permutations: int,
    generator: torch.Generator | None,
    *,
    cells: int,
) -> Estimate:
    _check.whole("permutations", permutations, least=0)
    if permutations and not isinstance(generator, torch.Generator):
        came = type(generator).__name__
        raise TypeError(f"generator must be a torch.Generator, got {came}; pass torch.Generator().manual_seed(0)")
    labels = [y] + [y[torch.randperm(len(y), generator=generator)] for _ in range(permutations)]
    pid, *shuffled = solve(labels)
    value = pid.atoms | {"total": pid.total}
    null, p_value = {}, {}
    if shuffled:
        for name in value:
            draws = torch.tensor([(p.atoms | {"total": p.total})[name] for p in shuffled], dtype=torch.float64)
            null[name] = draws.mean().item(), draws.quantile(0.95).item()
            reached = int((draws >= value[name] - 1e-7).sum())  # 1e-7: equal up to the solver's error
            p_value[name] = (1 + reached) / (1 + permutations)
    return Estimate(pid=pid, null=null, p_value=p_value, samples=len(y), cells=cells)


def _labels(x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, int]:
    r"""Labels as 0 ... K - 1, and K."""
    _check.shape("y", y, "N")
    _check.integers("y", y)
    _check.rows("x1", x1, len(y))
    _check.rows("x2", x2, len(y))
    classes, labels = y.cpu().unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must hold at least two classes, got {classes.tolist()}; there is nothing to tell about")
    return labels, len(classes)


def _source(name: str, x: Tensor) -> Tensor:
    if not x.is_floating_point():
        raise TypeError(f"{name} must hold floats, got {x.dtype}; call .float(), or one_hot for symbols")
    _check.finite(name, x)
    return x.detach().cpu().double().reshape(len(x), -1)


def _seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31 - 1, (), generator=generator))


def _scaled_components(x: np.ndarray, components: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    return PCA(components, svd_solver="full").fit_transform(normalize(x))


def _k_means(x: np.ndarray, clusters: int, generator: torch.Generator) -> Tensor:
    from sklearn.cluster import KMeans

    model = KMeans(min(clusters, len(np.unique(x, axis=0))), n_init=1, random_state=_seed(generator))
    return torch.from_numpy(model.fit_predict(x)).long()
