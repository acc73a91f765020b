r"""Balanced accuracy, and intervals that stay honest for few rows, perfect scores and rows that share items.

Shapes: ``N`` rows, ``K`` classes, ``k`` parts of a row, ``R`` replicates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.evaluate.items import item_weights

Z = 1.959964
r"""Two-sided 95 % quantile of the normal distribution."""


def balanced_accuracy(correct: Tensor, truth: Tensor) -> float:
    r"""Mean over the classes that occur of the fraction of their rows that are right.

    Args:
        correct: Booleans, shape ``(N,)``.
        truth: True class of each row, integers from 0, shape ``(N,)``.

    Returns:
        A fraction in [0, 1]: one over the number of classes that occur is chance, 1 is perfect.

    Raises:
        ValueError: If there is not one truth for each row.

    Example:
        >>> balanced_accuracy(torch.tensor([True, True, True, False]), torch.tensor([0, 0, 0, 7]))
        0.5
    """
    _check.rows("truth", truth, len(correct))
    rows = truth.bincount()
    hits = truth[correct].bincount(minlength=len(rows)).double()
    return float((hits[rows > 0] / rows[rows > 0]).mean())


def wilson(share: Tensor, rows: Tensor | float) -> tuple[Tensor, Tensor]:
    r"""95 % interval of a share, from Wilson's score test with correction for continuity.

    .. math::
        \left\{ \pi : \left| \hat p - \pi \right| - \tfrac{1}{2n} \le z \sqrt{\pi (1 - \pi) / n} \right\}

    Here :math:`\hat p` is ``share``, :math:`n` is ``rows`` and :math:`z = 1.96`. A share of 1 in 10 rows has the
    interval [0.655, 1]; resampled rows would all be right again, and say [1, 1].

    Args:
        share: Shares in [0, 1], any shape.
        rows: Number of independent rows behind each, above zero; not necessarily whole.

    Returns:
        Lower and upper ends, of the shape of ``share``.

    Raises:
        TypeError: If ``share`` is not a tensor.

    Example:
        >>> low, high = wilson(torch.tensor([0.5, 1.0]), 10)
        >>> [round(end, 3) for end in low.tolist()], [round(end, 3) for end in high.tolist()]
        ([0.201, 0.655], [0.799, 1.0])

    Source:
        Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine, 1998, method 4.
    """
    _check.is_tensor("share", share)

    def end(p: Tensor, side: int) -> Tensor:
        half = Z * (p * (1 - p) / rows + Z**2 / (4 * rows**2)).sqrt()
        return (p + Z**2 / (2 * rows) + side * half) / (1 + Z**2 / rows)

    low, high = (share - 0.5 / rows).clamp(min=0), (share + 0.5 / rows).clamp(max=1)
    low, high = end(low, -1).clamp(min=0), end(high, 1).clamp(max=1)
    return torch.where(share > 0, low, 0.0), torch.where(share < 1, high, 1.0)


def balanced_interval(
    correct: Tensor, truth: Tensor, items: Tensor, *, replicates: int, generator: torch.Generator
) -> tuple[float, float]:
    r"""95 % interval of balanced accuracy over items: Wilson's, for as many rows as the test is worth.

    .. math::
        n = \frac{\bar p (1 - \bar p)}{\delta V}, \qquad
        V = \frac{1}{K^2} \sum_{k=1}^{K} \frac{\tilde p_k (1 - \tilde p_k)}{n_k}, \qquad
        \tilde p_k = \frac{n_k \hat p_k + 2 \bar p}{n_k + 2}

    Here :math:`\hat p_k` is the fraction of the :math:`n_k` rows of class :math:`k` that is right, :math:`\bar p` their
    mean over classes and :math:`V` its variance if every row were an item; a class of few rows is drawn to the mean,
    since 2 of 2 does not say that all are right. Rows that share items count for less, by the design effect
    :math:`\delta`: the variance of :math:`\bar p` over resampled items against that over resampled rows. The fewer
    errors there are, the less is seen of whether they gather in few items; therefore :math:`\delta` is averaged with
    its largest possible value, as if two further errors had been seen.

    Args:
        correct: Booleans, shape ``(N,)``.
        truth: True class of each row, integers from 0, shape ``(N,)``.
        items: Integers, shape ``(N, k)``, as ``number_items`` gives them.
        replicates: Number ``R`` of bootstrap replicates.
        generator: On the CPU; not used where every row is an item.

    Returns:
        Lower and upper end. In simulations (20 rows, 2 to 30 classes, up to 2 000 pairs of 30 items and more, scores
        from 0.5 to 1) they hold the true value in 93 % to 100 % of all cases; nominal are 95 %.

    Raises:
        ValueError: If there is not one truth for each row.

    Example:
        >>> correct, truth = torch.ones(20).bool(), torch.arange(20) % 2
        >>> ends = balanced_interval(
        ...     correct, truth, torch.arange(20)[:, None], replicates=100, generator=torch.Generator()
        ... )
        >>> [round(end, 3) for end in ends]
        [0.8, 1.0]

    Source:
        Newcombe, 1998 (Wilson's interval); Kish, "Survey Sampling", 1965 (design effect); Owen, "The pigeonhole
        bootstrap", Annals of Applied Statistics, 2007 (items).
    """
    _check.rows("truth", truth, len(correct))
    classes, truth = truth.unique(return_inverse=True)
    own = torch.eye(len(classes), dtype=torch.float64)[truth]  # (N, K)
    rows = own.sum(dim=0)
    share = (own * correct[:, None]).sum(dim=0) / rows
    mean, even = share.mean(), len(classes) ** 2 / float((1 / rows).sum())
    drawn_in = (rows * share + 2 * mean) / (rows + 2)
    single = float((drawn_in * (1 - drawn_in) / rows).sum()) / len(classes) ** 2
    worth = float(mean * (1 - mean)) / single if single > 0 else even
    if items.shape[1] > 1 or len(items.unique()) < len(items):
        residual = (correct.double() - share[truth]) / (rows[truth] * len(classes))
        by_items = 0.0
        for weights in item_weights(items, replicates=replicates, generator=generator):
            by_items += float((weights.double() @ residual).square().sum()) / replicates
        by_rows = float(residual.square().sum())
        errors = float(torch.minimum(rows * share, rows * (1 - share)).sum())
        few = torch.tensor([_fewest(items[truth == k]) for k in range(len(classes))])
        most = even * max(float((1 / few).sum()) / len(classes) ** 2, 1 / _fewest(items))
        seen = by_items / by_rows if by_rows > 0 else most
        worth /= min(max(1.0, (errors * seen + 2 * most) / (errors + 2)), most)
    low, high = wilson(mean, worth)
    return float(low), float(high)


def _fewest(items: Tensor) -> float:
    r"""Number of independent rows that ``(n, k)`` items are worth if rows of one item are always alike; at most n."""
    parts = [len(items.unique()) / items.shape[1], *(len(column.unique()) for column in items.T), len(items)]
    return float(min(parts))
