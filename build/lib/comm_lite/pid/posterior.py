r"""Decomposition by way of classifiers: learn what each source says about the label, then decompose that.

Shapes: ``N`` samples, ``K`` classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from comm_lite import _check, info
from comm_lite.pid.broja import PID
from comm_lite.pid.estimate import Estimate, _k_means, _labels, _seed, _source, _with_null, plug_in

_LEAST = 2.0**-53  # 1 - p in float64 goes from here to 0 in one step


def posterior_pid(p1: Tensor, p2: Tensor, p12: Tensor, y: Tensor, *, bins: int, generator: torch.Generator) -> PID:
    r"""Decompose from three classifiers: I_Q of binned posteriors, synergy by the rest; see :eq:`eq-posterior-pid`.

    .. math::
        S = I_{12} - I_Q, \qquad I_Q = \min_{Q} I_Q(B_1, B_2; Y), \qquad
        I_{12} = H(Y) + \frac1N \sum_{i=1}^N \log_2 p(y_i \mid x_i)

    :math:`B_m` is the bin of :math:`p(y \mid x_m)`: a quantile bin for two classes (equal posteriors share one), else
    a cluster. The minimum is over all :math:`Q` that keep the two tables of :math:`(B_m, Y)`. :math:`I_{12}` is taken
    from the best of the three classifiers, and a probability of 0 counts as :math:`2^{-53}` there.

    Args:
        p1: posteriors of a classifier that saw the first source only, shape ``(N, K)``, for samples that it did not
            learn from.
        p2: the same for the second source.
        p12: the same for both sources.
        y: labels, integers 0 ... K - 1 of shape ``(N,)``.
        bins: number of bins a source, at least 2.
        generator: seeds the clustering, with three or more classes.

    Returns:
        Bits. ``synergy`` is what the classifiers prove, so it is negative where the joint one falls short; ``gap`` is
        about the minimum alone.

    Raises:
        TypeError: if posteriors are not floats or labels not integers.
        ValueError: if shapes differ, a row does not sum to 1, or there is one class or fewer samples than bins.

    Example:
        >>> y = torch.arange(400) % 2
        >>> sure = torch.nn.functional.one_hot(y).double() * 0.98 + 0.01
        >>> pid = posterior_pid(sure, sure, sure, y, bins=8, generator=torch.Generator())
        >>> round(pid.redundancy, 3), round(pid.total, 3)
        (1.0, 0.986)
    """
    labels, classes = _labels(p1, p2, y)
    _check.whole("bins", bins, least=2)
    for name, p in (("p1", p1), ("p2", p2), ("p12", p12)):
        _check.rows(name, p, len(y))
        if not p.is_floating_point() or p.shape != (len(y), classes) or not torch.allclose(p.sum(1), p.new_ones(1)):
            raise ValueError(
                f"{name} must hold {classes} probabilities a row that sum to 1, got {p.dtype} {tuple(p.shape)}; "
                f"pass what predict_proba returns, one column a class"
            )
    if len(y) < bins:
        raise ValueError(f"bins must be at most the number of samples, {len(y)}, got {bins}; lower bins")
    pid = plug_in(_binned(p1, bins, generator), _binned(p2, bins, generator), y, permutations=0).pid
    minimum = pid.redundancy + pid.unique1 + pid.unique2
    total = _evidence([p1, p2, p12], labels)
    return replace(pid, synergy=total - minimum)  # (eq-posterior-pid)


def posterior(
    x1: Tensor,
    x2: Tensor,
    y: Tensor,
    *,
    bins: int = 8,
    folds: int = 5,
    probe: Any = None,
    joint: Any = None,
    permutations: int = 19,
    generator: torch.Generator,
) -> Estimate:
    r"""Learn what each source says about the label first, and decompose that (:func:`posterior_pid`).

    R, U1 and U2 of ``(x1, x2, y)`` are those of the two posteriors, so little is lost and few cells are enough. Each
    classifier is tempered: one number, fitted on the held-out posteriors, makes it as sure as it is right.

    Args:
        x1: first source, floats of shape ``(N, ...)``.
        x2: second source, floats of shape ``(N, ...)``.
        y: labels, integers of shape ``(N,)``, at least two classes of ``folds`` rows.
        bins: number of bins of a posterior, 8 to 16 for two classes, more than ``K`` for ``K`` classes.
        folds: each sample gets its posterior from probes that were trained on the other folds; at least 2.
        probe: scikit-learn classifier with ``predict_proba`` for one source; default: logistic regression on all
            products of two features.
        joint: the same for both sources side by side; default: ``probe``. A ``joint`` of a richer kind than ``probe``
            counts as synergy what one source alone could have told it.
        permutations: number of shuffles of the labels, everything learnt anew for each; 0 leaves the null out.
        generator: seeds folds and clusters and draws the shuffles.

    Returns:
        The estimate, bits; its synergy is as good as the joint probe, and may fall below zero.

    Raises:
        TypeError: if a source is not a tensor of floats or the labels are not integers.
        ValueError: if lengths differ, a number is not finite, a class has fewer rows than folds, or a setting is out
            of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> x1, x2 = torch.randn(2, 600, 3, generator=g)
        >>> y = (x1[:, 0] * x2[:, 0] > 0).long()
        >>> posterior(x1, x2, y, permutations=0, generator=g).pid.synergy > 0.6
        True
    """
    y, classes = _labels(x1, x2, y)
    sources = _source("x1", x1), _source("x2", x2)
    _check.whole("folds", folds, least=2)

    def solve(y: Tensor) -> PID:
        posteriors = _cross_fit(*sources, y, folds, probe, joint, generator)
        return posterior_pid(*posteriors, y, bins=bins, generator=generator)

    return _with_null(
        lambda labels: [solve(y) for y in labels], y, permutations, generator, cells=bins * bins * classes
    )


def _evidence(posteriors: list[Tensor], y: Tensor) -> float:
    r"""Information about the label that the best of these classifiers has, bits: H(Y) less its cross-entropy."""
    log_p = [p.double()[torch.arange(len(y)), y].clamp_min(_LEAST).log2().mean().item() for p in posteriors]
    return info.entropy(y.bincount().double() / len(y)) + max(log_p)


def _binned(p: Tensor, bins: int, generator: torch.Generator) -> Tensor:
    if p.shape[1] > 2:
        return _k_means(p.double().numpy(), bins, generator)
    positive = p[:, 1].double().contiguous()
    edges = positive.quantile(torch.arange(1, bins, dtype=torch.float64) / bins)
    return torch.searchsorted(edges, positive, right=True)


def _cross_fit(
    x1: Tensor, x2: Tensor, y: Tensor, folds: int, probe: Any, joint: Any, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    if int(y.bincount().min()) < folds:
        raise ValueError(
            f"y must hold each class at least {folds} times, got counts {y.bincount().tolist()}; lower folds"
        )
    if probe is None:
        whiten = PCA(1 - 1e-9, svd_solver="full", whiten=True)  # a quiet direction counts as much as a loud one
        products = make_pipeline(whiten, PolynomialFeatures(2, include_bias=False), StandardScaler())
        probe = make_pipeline(products, LogisticRegression(max_iter=2000))
    split = StratifiedKFold(folds, shuffle=True, random_state=_seed(generator))

    def predict(x: Tensor, model: Any) -> Tensor:
        return _tempered(
            torch.from_numpy(cross_val_predict(model, x.numpy(), y.numpy(), cv=split, method="predict_proba")), y
        )

    return predict(x1, probe), predict(x2, probe), predict(torch.cat([x1, x2], 1), joint or probe)


def _tempered(p: Tensor, y: Tensor) -> Tensor:
    r"""Posteriors as sure of themselves as they are right: log odds to the class shares times the best one number."""
    share = (y.bincount().double() / len(y)).log()
    odds = p.double().clamp_min(_LEAST).log() - share
    low, high = 0.0, 16.0
    for _ in range(40):  # the likelihood is concave in the number, so halve the bracket of its maximum
        middle = (low + high) / 2
        slope = odds.gather(1, y[:, None])[:, 0] - ((middle * odds + share).softmax(1) * odds).sum(1)
        low, high = (middle, high) if slope.mean() > 0 else (low, middle)
    return (low * odds + share).softmax(1)
