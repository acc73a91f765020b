r"""Decomposition by way of classifiers: learn what each of N samples says about K classes, then decompose that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from comm_lite import _check, info
from comm_lite.pid._samples import LEAST, cross_fit, flat, k_means, labelled, with_null
from comm_lite.pid.atoms import PID, Estimate
from comm_lite.pid.estimate import plug_in


def posterior_pid(p1: Tensor, p2: Tensor, p12: Tensor, y: Tensor, *, bins: int, generator: torch.Generator) -> PID:
    r"""Decompose from three classifiers: I_Q of binned posteriors, synergy by the rest; see :eq:`eq-posterior-pid`.

    .. math::
        S = I_{12} - I_Q, \qquad I_Q = \min_{Q} I_Q(B_1, B_2; Y), \qquad
        I_{12} = H(Y) + \frac1N \sum_{i=1}^N \log_2 p(y_i \mid x_i)

    :math:`B_m` is the bin of :math:`p(y \mid x_m)`: a quantile bin for two classes (equal posteriors share one), else
    a cluster. :math:`I_{12}` is that of the best classifier, in which a probability of 0 counts as :math:`2^{-53}`.

    Args:
        p1: posteriors by a classifier of the first source, shape ``(N, K)``, for samples that it did not learn from.
        p2: the same for the second source.
        p12: the same for both sources.
        y: labels, integers 0 ... K - 1 of shape ``(N,)``.
        bins: number of bins a source, at least 2.
        generator: seeds the clustering, with three or more classes.

    Returns:
        Bits. ``synergy`` is what the classifiers prove, so it may be negative; ``gap`` is about the minimum alone.

    Raises:
        TypeError: if posteriors are not floats or labels not integers.
        ValueError: if shapes differ, a row does not sum to 1, or there is one class or fewer samples than bins.

    Example:
        >>> y = torch.arange(400) % 2
        >>> sure = torch.nn.functional.one_hot(y).double() * 0.98 + 0.01
        >>> posterior_pid(sure, sure, sure, y, bins=8, generator=torch.Generator())
        PID(R 1.0000, U1 0.0000, U2 0.0000, S -0.0145 bits)
    """
    labels, classes = labelled(p1, p2, y)
    _check.whole("bins", bins, least=2)
    for name, p in (("p1", p1), ("p2", p2), ("p12", p12)):
        _check.rows(name, p, len(y))
        if not p.is_floating_point() or p.shape != (len(y), classes) or not torch.allclose(p.sum(1), p.new_ones(1)):
            text = f"{name} must hold {classes} probabilities a row that sum to 1, got {p.dtype} {tuple(p.shape)}"
            raise ValueError(f"{text}; pass what predict_proba returns, one column a class")
    if len(y) < bins:
        raise ValueError(f"bins must be at most the number of samples, {len(y)}, got {bins}; lower bins")
    pid = plug_in(_binned(p1, bins, generator), _binned(p2, bins, generator), y, permutations=0).pid
    own = [p.double().gather(1, labels[:, None]).clamp_min(LEAST) for p in (p1, p2, p12)]  # of the true labels
    total = info.entropy(labels.bincount().double() / len(y)) + max(p.log2().mean().item() for p in own)
    return replace(pid, synergy=total - pid.union)  # (eq-posterior-pid)


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

    R, U1 and U2 are those of the two posteriors, so few cells are enough. Each classifier is tempered: one number,
    fitted on the held-out posteriors, makes it as sure as it is right.

    Args:
        x1: first source, floats of shape ``(N, ...)``.
        x2: second source, floats of shape ``(N, ...)``.
        y: labels, integers of shape ``(N,)``, at least two classes of ``folds`` rows.
        bins: number of bins of a posterior, 8 to 16 for two classes, more than ``K`` for ``K`` classes.
        folds: each sample gets its posterior from probes that were trained on the other folds; at least 2.
        probe: scikit-learn classifier for one source; default: logistic regression on all products of two features.
        joint: the same for both sources side by side; default: ``probe``. What a richer kind finds counts as synergy.
        permutations: number of shuffles of the labels, everything learnt anew for each; 0 leaves the null out.
        generator: seeds folds and clusters and draws the shuffles.

    Returns:
        The estimate, bits; its synergy is as good as the joint probe, and may fall below zero.

    Raises:
        TypeError: if a source is not a tensor of floats or the labels are not integers.
        ValueError: if lengths differ, a number is not finite, or rows, classes or settings are out of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> x1, x2 = torch.randn(2, 600, 3, generator=g)
        >>> y = (x1[:, 0] * x2[:, 0] > 0).long()
        >>> posterior(x1, x2, y, permutations=0, generator=g).pid.synergy > 0.6
        True
    """
    y, classes = labelled(x1, x2, y)
    sources = flat("x1", x1), flat("x2", x2)
    _check.whole("folds", folds, least=2)

    def solve(y: Tensor) -> PID:
        posteriors = cross_fit(*sources, y, folds, probe, joint, generator)
        return posterior_pid(*posteriors, y, bins=bins, generator=generator)

    return with_null(solve, y, permutations, generator, cells=bins * bins * classes)


def _binned(p: Tensor, bins: int, generator: torch.Generator) -> Tensor:
    if p.shape[1] > 2:
        return k_means(p.double().numpy(), bins, generator)
    positive = p[:, 1].double().contiguous()
    edges = positive.quantile(torch.arange(1, bins, dtype=torch.float64) / bins)
    return torch.searchsorted(edges, positive, right=True)
