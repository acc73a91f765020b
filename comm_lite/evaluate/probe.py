r"""Linear probe: what can be read off a frozen representation by a linear classifier.

Shapes: ``N`` rows, ``D`` width of a feature, ``K`` classes, ``R`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.evaluate.intervals import balanced_accuracy, balanced_interval
from comm_lite.evaluate.items import hold_out, number_items
from comm_lite.evaluate.logistic import logistic_path, standardised
from comm_lite.evaluate.parts import check_features, number_classes


@dataclass(frozen=True)
class Score:
    r"""What a linear probe found; fractions, not per cent.

    Example:
        >>> settings = {"C": 1.0, "classes": 2, "occurring": 2, "majority": 0.9}
        >>> print(Score(0.719, 0.5, 0.69, 0.75, **settings, n_test=4096, n_items=200, converged=True))
        balanced accuracy 0.719 [0.690, 0.750] (chance 0.500; 4096 test rows of 200 items, C = 1)
    """

    balanced_accuracy: float
    r"""Mean over the classes of the test of the fraction recognised: ``chance`` knows nothing, 1 is perfect."""
    chance: float
    r"""One over the number of classes that occur in the test, whatever their frequencies: always the same answer."""
    low: float
    r"""Lower end of the 95 % interval over distinct test items, see ``balanced_interval``."""
    high: float
    r"""Upper end of the interval."""
    C: float
    r"""Inverse strength of the L2 penalty that was chosen inside the training part."""
    classes: int
    r"""Number of classes in the training labels."""
    occurring: int
    r"""Number of classes that occur in the test labels, at least 2."""
    majority: float
    r"""Share of the most frequent class in the test: the *plain* accuracy of always naming it."""
    n_test: int
    r"""Number of test rows."""
    n_items: int
    r"""Number of distinct test items; the interval is as wide as this number asks for, not ``n_test``."""
    converged: bool
    r"""Whether every fit, also those that only served to choose ``C``, reached its tolerance."""

    def __str__(self) -> str:
        rows = f"{self.n_test} test rows" + (f" of {self.n_items} items" if self.n_items != self.n_test else "")
        text = f"balanced accuracy {self.balanced_accuracy:.3f} [{self.low:.3f}, {self.high:.3f}] "
        if self.occurring != self.classes:
            rows += f" in {self.occurring} of {self.classes} classes"
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
    r"""Balanced accuracy of logistic regression on frozen features, with its interval over items.

    .. math::
        \mathrm{balanced\ accuracy} = \frac{1}{K} \sum_{k=1}^{K} \Pr(\hat y = k \mid y = k),
        \qquad \min_{W, b} \; C \sum_i w_{y_i} \left[ -\log p_{W,b}(y_i \mid z_i) \right] + \tfrac12 \lVert W \rVert^2

    Features are standardised with the mean and deviation of the training rows, unless ``standardise`` is False; a
    constant feature stays at zero.
    ``C`` is the value of ``Cs`` with the best balanced accuracy on a held-out quarter of the training part (the
    smallest of equals); then all training rows are fitted anew. The test part is looked at once, at the end. A value
    of :math:`1/K` is chance, also for collapsed features and for rare classes; 1 is perfect. Here :math:`K` counts the
    classes that occur in the test.

    Pairs made of few images are not independent, so the interval resamples *items*: a row counts as often as its item
    was drawn, and a row of several items counts the product of how often each was drawn.

    Args:
        train_z: Features, shape ``(N, D)``, floating point.
        train_y: Class labels, shape ``(N,)``, integers; at least two classes of at least two rows.
        test_z: Features, shape ``(N_test, D)``.
        test_y: Class labels, shape ``(N_test,)``; at least two classes, all of them seen in training.
        items: What each test row is made of, integers of shape ``(N_test,)``, or ``(N_test, k)`` for ``k`` parts, such
            as the numbers of both images of a pair; equal numbers are one item, in whichever column. By default every
            row is an item.
        train_items: The same for the training rows: no item is on both sides while ``C`` is chosen, see ``hold_out``.
            By default the held-out quarter is drawn row by row, stratified by class.
        class_weight: None counts every row once, as the paper's protocol does. ``"balanced"`` counts every class alike,
            which is what balanced accuracy rewards: with 10 % positives, a weak signal hardly moves the threshold of
            the plain fit off "always negative" (seen on the same features: 0.71 plain, 0.83 balanced). Name the choice
            beside the figure, and never compare across the two.
        standardise: False takes features as they are. Then a direction counts by its size, and little of what stands in
            small ones is found before ``max_iter``; with True every direction counts alike.
        Cs: Values to choose from, ascending; a single one is used as it is.
        replicates: Number ``R`` of bootstrap replicates of the items, at least 100.
        max_iter: Iterations of L-BFGS for each fit; each starts from the fit with the previous, smaller ``C``.
        seed: Of the two generators, for the held-out part and for the bootstrap.

    Returns:
        The score, as fractions in [0, 1].

    Raises:
        TypeError: If features are not floating-point tensors, or labels or items not integer tensors.
        ValueError: If shapes differ, a number is not finite, there is only one class on either side, a class has one
            row, a test label was not seen in training, ``Cs`` is not ascending, the held-out items leave a class out,
            or a setting is out of range.

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
    check_features(train_z, test_z)
    classes, labels, truth = number_classes(train_y, test_y, rows=(len(train_z), len(test_z)))
    _check_settings(class_weight, Cs, replicates, max_iter, seed)
    items = number_items("items", items, rows=len(test_z))
    if train_items is not None:
        train_items = number_items("train_items", train_items, rows=len(train_z))
    if standardise:
        train, test = standardised(train_z, test_z)
    else:
        train, test = (z.detach().cpu().to(torch.promote_types(z.dtype, torch.float32)) for z in (train_z, test_z))

    # Two generators, so that another number of training rows does not move the bootstrap.
    split, resample = (torch.Generator().manual_seed(2 * seed + offset) for offset in (0, 1))
    converged, settings = True, {"class_weight": class_weight, "max_iter": max_iter}
    if len(Cs) > 1:
        held, fitted = hold_out(train_y.cpu(), train_items, generator=split)
        recalls = []
        path = logistic_path(train[fitted], labels[fitted], [train[held]], Cs, **settings)
        for (found,), ok in path:
            recalls.append(balanced_accuracy(found.argmax(dim=1) == labels[held], labels[held]))
            converged &= ok
        best = Cs[max(range(len(Cs)), key=recalls.__getitem__)]
    else:
        best = Cs[0]
    [([found], ok)] = logistic_path(train, labels, [test], [best], **settings)
    correct, occurring = found.argmax(dim=1) == truth, len(truth.unique())
    low, high = balanced_interval(correct, truth, items, replicates=replicates, generator=resample)
    return Score(
        balanced_accuracy=balanced_accuracy(correct, truth),
        chance=1 / occurring,
        low=low,
        high=high,
        C=float(best),
        classes=len(classes),
        occurring=occurring,
        majority=float(truth.bincount().max() / len(truth)),
        n_test=len(test),
        n_items=len(items.unique()),
        converged=converged and ok,
    )


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
