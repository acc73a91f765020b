r"""BATCH: the decomposition from minibatches of ``B`` samples, with neural critics and Sinkhorn's algorithm."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.pid._samples import cross_fit, flat, labelled, with_null
from comm_lite.pid._tables import information
from comm_lite.pid.atoms import PID, Estimate

_RANK = 10  # width of a critic's embedding, as in the reference code


class _FixedSums(torch.autograd.Function):
    r"""Takes off a gradient what the offsets u and v undo: one linear system a class, however many sweeps it took."""

    @staticmethod
    def forward(ctx: Any, joint: Tensor) -> Tensor:
        ctx.save_for_backward(joint)
        return joint.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (joint,) = ctx.saved_tensors
        rows, columns = joint.sum(2), joint.sum(1)
        flow = joint * gradient
        given = joint / rows[:, :, None].clamp_min(1e-300)  # q(x2 | x1, y); 0 where x1 and y never meet
        # Eliminate the rows. Adding columns columns^T settles the constant that u and v can exchange.
        matrix = torch.diag_embed(columns.where(columns > 0, 1.0)) - joint.mT @ given
        matrix = matrix + columns[:, :, None] * columns[:, None, :]
        right = flow.sum(1) - (given * flow.sum(2, keepdim=True)).sum(1)
        v = torch.linalg.solve(matrix, right)
        u = (flow.sum(2) - (joint @ v[:, :, None])[:, :, 0]) / rows.clamp_min(1e-300)
        return gradient - u[:, :, None] - v[:, None, :]


def _offsets(scores: Tensor, rows: Tensor, columns: Tensor, tolerance: float, sweeps: int) -> tuple[Tensor, Tensor]:
    log_rows, log_columns = rows.log(), columns.log()
    u = torch.zeros_like(rows)
    for _ in range(sweeps):
        v = log_columns - (scores + u[:, :, None]).logsumexp(1)
        u = log_rows - (scores + v[:, None, :]).logsumexp(2)
        off = (scores + u[:, :, None] + v[:, None, :]).exp().sum(1) - columns
        if (error := float(off.abs().sum() / columns.sum())) <= tolerance:
            return u, v
    text = f"scores must be such that {sweeps} sweeps reach a tolerance of {tolerance:g}, got {error:.2g}"
    raise ValueError(f"{text}; make the scores smaller, or raise tolerance or sweeps")


def sinkhorn(scores: Tensor, rows: Tensor, columns: Tensor, *, tolerance: float = 1e-6, sweeps: int = 10_000) -> Tensor:
    r"""The joint of a critic's scores that has the row and column sums that are asked for; see :eq:`eq-batch`.

    .. math::
        q(i, j, y) = \exp\left(s_y(i, j) + u_y(i) + v_y(j)\right), \qquad
        \sum_j q(i, j, y) = p_1(i, y), \quad \sum_i q(i, j, y) = p_2(j, y)

    Args:
        scores: critic's scores, the logarithm of the paper's :math:`A_y`, shape ``(K, B1, B2)``.
        rows: :math:`p_1`, shape ``(K, B1)``, at least 0.
        columns: :math:`p_2`, shape ``(K, B2)``, at least 0, with the sum of ``rows`` for each class.
        tolerance: largest share of a class's mass that may be in the wrong column; the rows are exact.
        sweeps: most turns that are taken.

    Returns:
        :math:`q` of shape ``(K, B1, B2)``, differentiable by ``scores`` (the sums count as constants).

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if shapes or totals do not fit, a number is not finite, or the tolerance is not reached.

    Example:
        >>> half = torch.full((1, 2), 0.5)
        >>> sinkhorn(3 * torch.eye(2)[None], half, half)[0, 0, 0] > 0.45
        tensor(True)

    Source: Sinkhorn (1967). The reference code has no logarithms, stops at 0.01 and differentiates each sweep.
    """
    _check.shape("scores", scores, "K B1 B2")
    _check.positive("tolerance", tolerance)
    _check.whole("sweeps", sweeps)
    _check.finite("scores", scores)
    for name, sums, letters in (("rows", rows, (0, 1)), ("columns", columns, (0, 2))):
        _check.shape(name, sums, "K B")
        wanted = tuple(scores.shape[i] for i in letters)
        if sums.shape != wanted or not bool((sums >= 0).all() & (sums.sum(1) > 0).all()):
            text = f"{name} must hold sums of shape {wanted}, none below 0, got shape {tuple(sums.shape)}, least"
            raise ValueError(f"{text} {sums.min():.3g}; one sum for each class and sample, and no class without any")
    totals = rows.sum(1), columns.sum(1)
    if not torch.allclose(*totals, rtol=1e-5):
        text = f"columns must have the total of rows for each class, wanted {totals[0].tolist()}, got"
        raise ValueError(f"{text} {totals[1].tolist()}; scale one to the other")
    u, v = _offsets(scores.detach(), rows.detach(), columns.detach(), tolerance, sweeps)
    joint = (scores + u[:, :, None] + v[:, None, :]).exp()  # (eq-batch)
    return _FixedSums.apply(joint)


def batch(
    x1: Tensor,
    x2: Tensor,
    y: Tensor,
    *,
    size: int = 128,
    epochs: int = 8,
    folds: int = 5,
    probe: Any = None,
    joint: Any = None,
    permutations: int = 19,
    generator: torch.Generator,
) -> Estimate:
    r"""The estimator called BATCH: three classifiers, and critics that look for the joint with least information.

    .. math::
        \min_{f, g} I_q(X_1, X_2; Y), \qquad
        q = \mathrm{sinkhorn}\left(s, \, p(y \mid x_1) / B, \, p(y \mid x_2) / B\right), \qquad
        s_y(i, j) = f_y(x_{1,i})^\top g_y(x_{2,j}) / \sqrt d

    Within a minibatch both classifiers are scaled to the same class frequencies, their mean; else no q would fit. All
    information is that of the classifiers' own probabilities; I12 is that of the surest.

    Args:
        x1: first source, floats of shape ``(N, ...)``.
        x2: second source, floats of shape ``(N, ...)``.
        y: labels, integers of shape ``(N,)``, at least two classes of ``folds`` rows.
        size: samples ``B`` of a minibatch, at most ``N``; each class costs ``B * B`` numbers.
        epochs: passes over the samples that train the critics; one more measures.
        folds: of the cross-fitting, as in ``posterior``.
        probe: scikit-learn classifier for one source, as in ``posterior``.
        joint: scikit-learn classifier for both, as in ``posterior``.
        permutations: number of shuffles of the labels, everything trained anew for each; 0 leaves the null out.
        generator: draws folds, initial weights, minibatches and shuffles.

    Returns:
        The estimate, bits, mean over minibatches, with an infinite ``gap``: too little training shows as too little
        redundancy and too much of both unique parts.

    Raises:
        TypeError: if a source is not a tensor of floats or the labels are not integers.
        ValueError: if lengths differ, a number is not finite, or rows, classes or settings are out of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> y = torch.arange(256) % 2
        >>> x = torch.randn(256, 2, generator=g) + 6 * y[:, None]
        >>> batch(x, x, y, permutations=0, generator=g).pid.redundancy > 0.8
        True

    Source: Liang et al. (2023); here with cross-fitted, tempered probes whose class frequencies agree in a minibatch.
    """
    y, classes = labelled(x1, x2, y)
    sources = flat("x1", x1), flat("x2", x2)
    _check.whole("size", size, least=2)
    _check.whole("epochs", epochs)
    _check.whole("folds", folds, least=2)
    if len(y) < size:
        raise ValueError(f"size must be at most the number of samples, {len(y)}, got {size}; lower it")

    def solve(y: Tensor) -> PID:
        p1, p2, p12 = cross_fit(*sources, y, folds, probe, joint, generator)
        i12 = max(float(information(p / len(y))) for p in (p1, p2, p12)) / math.log(2)
        i1, i2, i_q = _least_information(*sources, p1, p2, size, epochs, generator)
        return PID(redundancy=i1 + i2 - i_q, unique1=i_q - i2, unique2=i_q - i1, synergy=i12 - i_q, gap=math.inf)

    return with_null(solve, y, permutations, generator, cells=size * size * classes)


def _least_information(
    x1: Tensor, x2: Tensor, p1: Tensor, p2: Tensor, size: int, epochs: int, generator: torch.Generator
) -> tuple[float, float, float]:
    r"""I1, I2 and I_q in bits, means over minibatches of the trained critics."""
    classes = p1.shape[1]
    critics = [_critic((x - x.mean(0)) / x.std(0).clamp_min(1e-9), classes, generator) for x in (x1, x2)]
    optimiser = torch.optim.Adam([w for _, weights in critics for w in weights], lr=1e-2)
    found = []
    for epoch in range(epochs + 1):
        for index in torch.randperm(len(x1), generator=generator)[: len(x1) // size * size].split(size):
            rows, columns = p1[index].T / size, p2[index].T / size  # (K, B)
            total = (rows.sum(1, keepdim=True) + columns.sum(1, keepdim=True)) / 2
            rows, columns = (sums * total / sums.sum(1, keepdim=True) for sums in (rows, columns))
            with torch.set_grad_enabled(epoch < epochs):
                f, g = (critic(index) for critic, _ in critics)  # (K, B, d) each
                q = sinkhorn(f @ g.mT / math.sqrt(_RANK), rows, columns, tolerance=1e-4)
                i_q = information(q.flatten(1))
            if epoch < epochs:
                optimiser.zero_grad()
                i_q.backward()
                optimiser.step()
            else:
                found.append([float(information(q.sum(2))), float(information(q.sum(1))), float(i_q)])
    return tuple((torch.tensor(found, dtype=torch.float64).mean(0) / math.log(2)).tolist())


def _critic(x: Tensor, classes: int, generator: torch.Generator, hidden: int = 32):
    sizes = [(x.shape[1], hidden), (hidden, classes * _RANK)]
    drawn = (torch.randn(a, b, generator=generator, dtype=torch.float64) * a**-0.5 for a, b in sizes)
    weights = [w.requires_grad_(True) for w in drawn]

    def critic(index: Tensor) -> Tensor:
        z = ((x[index] @ weights[0]).relu() @ weights[1]).view(len(index), classes, _RANK).transpose(0, 1)
        return (z - z.mean(2, keepdim=True)) / (z.std(2, correction=0, keepdim=True) + 1e-9)

    return critic, weights
