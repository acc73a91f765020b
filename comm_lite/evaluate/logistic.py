r"""Features on one scale, and logistic regression over a path of penalties: what the linear readers share.

Shapes: ``N`` rows, ``D`` width of a feature, ``K`` classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check


def standardised(train: Tensor, *others: Tensor) -> list[Tensor]:
    r"""Scale features to mean 0 and deviation 1 over the training rows; a constant one becomes 0.

    A deviation below the resolution of the type that the features come in is rounding and no signal: one part in ten
    million of the largest number for float32 and shorter types, four roundings for float64.

    Args:
        train: Shape ``(N, D)``, floating point.
        *others: Further rows, scaled alike, each ``(M, D)``.

    Returns:
        All of them in float32, on the CPU, without gradient.

    Raises:
        ValueError: If ``train`` does not have two axes.

    Example:
        >>> (z,) = standardised(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        >>> z.tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    _check.shape("train", train, "N D")
    resolution = 4 * torch.finfo(torch.float64).eps if train.dtype == torch.float64 else 1e-7
    train, *others = (z.detach().cpu().double() for z in (train, *others))
    mean, deviation = train.mean(dim=0), train.std(dim=0, correction=0)
    constant = deviation <= resolution * train.abs().amax(dim=0)
    scale = torch.where(constant, 0.0, 1 / deviation.masked_fill(constant, 1.0))
    return [((z - mean) * scale).float() for z in (train, *others)]


def logistic_path(
    train: Tensor,
    labels: Tensor,
    others: Sequence[Tensor],
    Cs: Sequence[float],
    *,
    class_weight: str | None = None,
    max_iter: int = 2000,
) -> Iterator[tuple[list[Tensor], bool]]:
    r"""Fit logistic regression for each ``C`` and classify other rows; each fit starts from the one before.

    .. math::
        \min_{W, b} \; C \sum_i w_{y_i} \left[ -\log p_{W,b}(y_i \mid z_i) \right] + \tfrac12 \lVert W \rVert^2

    Args:
        train: Features, shape ``(N, D)``.
        labels: Classes ``0..K-1``, each of which occurs, shape ``(N,)``.
        others: Rows to classify, each ``(M, D)``.
        Cs: Inverse strengths of the penalty, ascending.
        class_weight: None counts every row once, ``"balanced"`` every class alike.
        max_iter: Iterations of L-BFGS for each fit.

    Yields:
        For each ``C`` the log-probabilities of ``others``, each ``(M, K)`` in nats and float64, and whether the fit
        converged.

    Example:
        >>> z, y = torch.tensor([[-1.0], [-2.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
        >>> [([found], ok)] = logistic_path(z, y, [z], [1.0])
        >>> found.argmax(dim=1).tolist(), ok
        ([0, 0, 1, 1], True)
    """
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
        logits = (torch.from_numpy(classifier.decision_function(z.numpy())).double() for z in others)
        yield [F.log_softmax(f if f.ndim > 1 else torch.stack([0 * f, f], dim=1), dim=1) for f in logits], ok
