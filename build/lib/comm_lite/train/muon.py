r"""Muon: gradient steps in which every direction of a weight matrix moves equally far."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from comm_lite import _check


def orthogonalise(matrix: Tensor, *, steps: int = 5) -> Tensor:
    r"""Push the singular values of a matrix towards 1, leaving its singular vectors as they are.

    .. math::
        X_0 = G / \lVert G \rVert_F, \qquad A = X_k X_k^\top, \qquad X_{k+1} = a X_k + (b A + c A^2) X_k

    with (a, b, c) = (3.4445, -4.7750, 2.0315): an odd polynomial that lifts small singular values fastest.

    Args:
        matrix: (m, n) floats.
        steps: iterations, at least 1; after five, singular values above 1 % of the norm lie in [0.68, 1.14].

    Returns:
        (m, n) floats, float32. A zero matrix stays zero.

    Raises:
        TypeError: if ``matrix`` does not hold floats.
        ValueError: if it does not have two axes, or ``steps`` is below 1.

    Example:
        >>> orthogonalise(torch.diag(torch.tensor([3.0, 1.0]))).diagonal().round().tolist()
        [1.0, 1.0]

    Source: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks".
    """
    _check.shape("matrix", matrix, "m n")
    if not matrix.is_floating_point():
        raise TypeError(f"matrix must hold floats, got {matrix.dtype}; call .float() first")
    _check.whole("steps", steps)
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).float()  # the small side first: the square matrices below are then small
    x = x / x.norm().clamp(min=1e-12)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    r"""Momentum, then `orthogonalise`, then a step: for kernels of convolutions and for hidden matrices.

    A kernel (outputs, inputs, height, width) counts as a matrix of outputs x the rest.

    Args:
        params: parameters with at least two axes.
        lr: learning rate, above 0; about ten times AdamW's.
        momentum: weight of the past gradients, in [0, 1].
        weight_decay: as AdamW's: a step also shrinks a weight by ``lr * weight_decay`` of itself.

    Raises:
        ValueError: if a parameter has fewer than two axes, or a number is out of range.

    Example:
        >>> weight = torch.nn.Parameter(torch.eye(2))
        >>> optimizer = Muon([weight], lr=0.1)
        >>> weight.square().sum().backward()
        >>> optimizer.step()
        >>> bool(weight.diagonal().max() < 1)
        True

    Source: Jordan et al. (2024). Differs from `torch.optim.Muon`, which takes matrices only: kernels are taken too.
    """

    def __init__(
        self, params: Iterable[Tensor], *, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        _check.positive("lr", lr)
        _check.between("momentum", momentum, 0.0, 1.0)
        _check.between("weight_decay", weight_decay, 0.0, float("inf"))
        params = list(params)
        for number, param in enumerate(params):
            if isinstance(param, Tensor) and param.ndim < 2:
                raise ValueError(
                    f"params must have at least two axes, got shape {tuple(param.shape)} at position {number}; "
                    f"leave biases and norms to AdamW"
                )
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        r"""Update every parameter that has a gradient; ``closure`` as in every torch optimiser."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in (p for p in group["params"] if p.grad is not None):
                state = self.state[param]
                if not state:
                    state["momentum"] = torch.zeros_like(param)
                past = state["momentum"].mul_(group["momentum"]).add_(param.grad)
                ahead = param.grad + group["momentum"] * past  # Nesterov: look where the momentum leads
                update = orthogonalise(ahead.flatten(1))
                outputs, inputs = update.shape
                reach = max(1.0, outputs / inputs) ** 0.5  # a tall matrix changes its outputs less than a wide one
                param.mul_(1 - group["lr"] * group["weight_decay"])
                param.add_(update.view(param.shape), alpha=-group["lr"] * reach)
        return loss
