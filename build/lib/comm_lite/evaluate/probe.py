r"""Linear probe: what can be read off a frozen representation by a linear classifier.

Shapes: ``N`` rows, ``D`` width of a feature, ``K`` classes, ``R`` bootstrap replicates.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.evaluate.items import hold_out, item_weights, number_items


@dataclass(frozen=True)
class Score:
    r"""What a linear probe found; fractions, not per cent.

    Example:
        >>> print(Score(0.719, 0.5, 0.69, 0.75, C=1.0, classes=2, n_test=4096, n_items=200, converged=True))
        balanced accuracy 0.719 [0.690, 0.750] (chance 0.500; 4096 test rows of 200 items, C = 1)
    """

    balanced_accuracy: float
    """Mean over classes of the fraction recognised, on the test rows: ``chance`` knows nothing, 1 is perfect."""
    chance: float
    """One over the number of classes, whatever their frequencies."""
    low: float
    """Lower end of the 95 % bootstrap interval over distinct test items."""
    high: float
    """Upper end of the interval."""
    C: float
    """Inverse strength of the L2 penalty that was chosen inside the training part."""
    classes: int
    """Number of classes in the training labels."""
    n_test: int
    """Number of test rows."""
    n_items: int
    """Number of distinct test items; the interval is as wide as this number asks for, not ``n_test``."""
    converged: bool
    """Whether every fit, also those that only served to choose ``C``, reached its tolerance."""

    def __str__(self) -> str:
        rows = f"{self.n_test} test rows" + (f" of {self.n_items} items" if self.n_items != self.n_test else "")
        text = f"balanced accuracy {self.balanced_accuracy:.3f} [{self.low:.3f}, {self.high:.3f}] "
        text += f"(chance {self.chance:.3f}; {rows}, C = {self.C:g})"
        return text if self.converged else text + " NOT CONVERGED: raise max_iter"


def linear_probe(
    train_z: Tensor,
    train_y: Tensor,
    test_z: Tensor,
    test_y: Tensor,
    *,
    items: Tensor | None = None,
    train_items: Tensor | None = None,
    class_weight: str | None = None,
    standardise: bool = True,
    Cs: Sequence[float] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
    replicates: int = 1000,
    max_iter: int = 2000,
    seed: int = 0,
) -> Score:
    r"""Balanced accuracy of logistic regression on frozen features, with its bootstrap interval.

    .. math::
        \mathrm{balanced\ accuracy} = \frac{1}{K} \sum_{k=1}^{K} \Pr(\hat y = k \mid y = k),
        \qquad \min_{W, b} \; C \sum_i w_{y_i} \left[ -\log p_{W,b}(y_i \mid z_i) \right] + \tfrac12 \lVert W \rVert^2

    Features are standardised with the mean and deviation of the training rows, unless ``standardise`` is False; a
    constant feature stays at zero.
    ``C`` is the value of ``Cs`` with the best balanced accuracy on a held-out quarter of the training part (the
    smallest of equals); then all training rows are fitted anew. The test part is looked at once, at the end. A value
    of :math:`1/K` is chance, also for collapsed features and for rare classes; 1 is perfect.

    Pairs made of few images are not independent, so the interval resamples *items*: a row counts as often as its item
    was drawn. With two columns, each column is resampled by itself and a row counts the product of both (the
    pigeonhole bootstrap). Classes that a replicate misses are left out of its mean.

    Args:
        train_z: Features, shape ``(N, D)``, floating point.
        train_y: Class labels, shape ``(N,)``, integers; at least two classes of at least two rows.
        test_z: Features, shape ``(N_test, D)``.
        test_y: Class labels, shape ``(N_test,)``; only classes seen in training.
        items: What each test row is made of, integers of shape ``(N_test,)``, or ``(N_test, k)`` for ``k`` parts, such
            as the numbers of both images of a pair. By default every row is an item.
        train_items: The same for the training rows: no item is on both sides while ``C`` is chosen, see ``hold_out``.
            By default the held-out quarter is drawn row by row, stratified by class.
        class_weight: None counts every row once, as the paper's protocol does. ``"balanced"`` counts every class alike,
            which is what balanced accuracy rewards: with 10 % positives, a weak signal hardly moves the threshold of
            the plain fit off "always negative" (seen on the same features: 0.71 plain, 0.83 balanced). Name the choice
            beside the figure, and never compare across the two.
        standardise: False takes features as they are. Then a direction counts by its size, and little of what stands in
            small ones is found before ``max_iter``; with True every direction counts alike.
        Cs: Values to choose from, ascending; a single one is used as it is.
        replicates: Number ``R`` of bootstrap replicates, at least 100.
        max_iter: Iterations of L-BFGS for each fit; each starts from the fit with the previous, smaller ``C``.
        seed: Of the two generators, for the held-out part and for the bootstrap.

    Returns:
        The score, as fractions in [0, 1].

    Raises:
        TypeError: If features are not floating-point tensors, or labels or items not integer tensors.
        ValueError: If shapes differ, a number is not finite, there is only one class, a class has one row, a test label
            was not seen in training, ``Cs`` is not ascending, the held-out items leave a class out, or a setting is out
            of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> y = torch.arange(400) % 4
        >>> z = torch.eye(4)[y] * 6 + torch.randn(400, 4, generator=g)
        >>> score = linear_probe(z[:200], y[:200], z[200:], y[200:])
        >>> score.chance, score.balanced_accuracy > 0.95
        (0.25, True)

    Source:
        Dufumier et al., "What to align in multimodal contrastive learning?", 2025, section 4 (protocol); Owen, "The
        pigeonhole bootstrap", 2007 (interval).
        Differs from the reference code, which does not standardise, draws the five values of ``C`` from 1e-4 to 1e4 by
        cross-validation over rows, and evaluates on randomly cropped test images.
    """
    _check_features(train_z, train_y, test_z, test_y)
    _check_settings(class_weight, Cs, replicates, max_iter, seed)
    items = number_items("items", items, rows=len(test_z))
    classes, labels = train_y.cpu().unique(return_inverse=True)  # labels: 0 ... K - 1
    if len(classes) < 2:
        raise ValueError(f"train_y must hold at least two classes, got only {classes.tolist()}; nothing to tell apart")
    unseen = sorted(set(test_y.tolist()) - set(classes.tolist()))
    if unseen:
        raise ValueError(f"test_y must hold only classes seen in training, got unknown {unseen}; check the split")
    truth = torch.searchsorted(classes, test_y.cpu())
    if train_items is not None:
        train_items = number_items("train_items", train_items, rows=len(train_z))
    if standardise:
        train, test = _standardised(train_z, test_z)
    else:
        train, test = (z.detach().cpu().float() for z in (train_z, test_z))

    # Two generators, so that another number of training rows does not move the bootstrap.
    split, resample = (torch.Generator().manual_seed(2 * seed + offset) for offset in (0, 1))
    converged = True
    if len(Cs) > 1:
        held, fitted = hold_out(train_y.cpu(), train_items, generator=split)
        recalls = []
        for prediction, ok in _fits(train[fitted], labels[fitted], train[held], Cs, class_weight, max_iter):
            recalls.append(_balanced(prediction == labels[held], labels[held], len(classes)))
            converged &= ok
        best = Cs[max(range(len(Cs)), key=recalls.__getitem__)]
    else:
        best = Cs[0]
    ((prediction, ok),) = _fits(train, labels, test, [best], class_weight, max_iter)
    correct = prediction == truth
    low, high = _interval(correct, truth, len(classes), items, replicates, resample)
    return Score(
        balanced_accuracy=_balanced(correct, truth, len(classes)),
        chance=1 / len(classes),
        low=low,
        high=high,
        C=float(best),
        classes=len(classes),
        n_test=len(test),
        n_items=len(items.unique()),
        converged=converged and ok,
    )


def _check_features(train_z: Tensor, train_y: Tensor, test_z: Tensor, test_y: Tensor) -> None:
    for name, z in (("train_z", train_z), ("test_z", test_z)):
        _check.shape(name, z, "N D")
        if not z.is_floating_point():
            raise TypeError(f"{name} must hold floating-point features, got {z.dtype}; call .float() first")
        if len(z) == 0:
            raise ValueError(f"{name} must hold at least one row, got none; check the split")
        _check.finite(name, z)
    if train_z.shape[1] != test_z.shape[1]:
        raise ValueError(
            f"test_z must have the width of train_z, wanted {train_z.shape[1]}, got {test_z.shape[1]}; "
            f"take both from the same model"
        )
    for name, y, z in (("train_y", train_y, train_z), ("test_y", test_y, test_z)):
        _check.shape(name, y, "N")
        _check.rows(name, y, len(z))
        _check.integers(name, y)


def _check_settings(class_weight: str | None, Cs: Sequence[float], replicates: int, max_iter: int, seed: int) -> None:
    _check.one_of("class_weight", class_weight, [None, "balanced"])
    for C in Cs:
        _check.positive("Cs", C)
    if not Cs or list(Cs) != sorted(set(Cs)):
        raise ValueError(
            f"Cs must hold ascending values, got {list(Cs)}; sort them, since each fit starts from the last"
        )
    _check.whole("replicates", replicates, least=100)
    _check.whole("max_iter", max_iter)
    _check.whole("seed", seed, least=0)


def _standardised(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    train, test = train.detach().cpu().double(), test.detach().cpu().double()
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    # Below float32 resolution a deviation is rounding, not signal; dividing by it would blow noise up.
    constant = deviation <= 1e-7 * train.abs().amax(dim=0)
    scale = torch.where(constant, 0.0, 1 / deviation.masked_fill(constant, 1.0))
    return ((train - mean) * scale).float(), ((test - mean) * scale).float()


def _fits(
    train: Tensor, labels: Tensor, other: Tensor, Cs: Sequence[float], class_weight: str | None, max_iter: int
) -> Iterator[tuple[Tensor, bool]]:
    r"""For each ``C``: predicted classes of ``other``, and whether the fit converged."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    classifier = LogisticRegression(class_weight=class_weight, max_iter=max_iter, tol=1e-4, warm_start=True)
    for C in Cs:
        # The products are narrow: with two BLAS threads a fit takes twice as long as with one.
        with threadpool_limits(1, user_api="blas"), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            classifier.set_params(C=C).fit(train.numpy(), labels.numpy())
        for warning in caught:  # what we record ourselves goes no further; anything else does
            if not issubclass(warning.category, ConvergenceWarning):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        ok = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        yield torch.from_numpy(classifier.predict(other.numpy())), ok


def _balanced(correct: Tensor, truth: Tensor, n_classes: int) -> float:
    hits = truth[correct].bincount(minlength=n_classes).double()
    rows = truth.bincount(minlength=n_classes).double()
    return float((hits[rows > 0] / rows[rows > 0]).mean())


def _interval(
    correct: Tensor, truth: Tensor, n_classes: int, items: Tensor, replicates: int, generator: torch.Generator
) -> tuple[float, float]:
    r"""95 % percentile interval of balanced accuracy; ``items`` as ``(N, k)``."""
    one_hot = torch.eye(n_classes)[truth]  # (N, K)
    both = torch.cat([one_hot, one_hot * correct[:, None]], dim=1)  # (N, 2K): rows, then hits
    scores = []
    for weights in item_weights(items, replicates=replicates, generator=generator):
        rows, hits = (weights @ both).split(n_classes, dim=1)  # (R, K) each
        scores.append((hits / rows).nanmean(dim=1))  # 0 / 0 where a replicate misses a class
    scores = torch.cat(scores)
    scores = scores[~scores.isnan()]  # a replicate of pairs may hold no row at all
    low, high = scores.double().quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
