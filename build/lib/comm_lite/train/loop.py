r"""The training loop, on one screen. It knows no model and no loss: the step is the reader's function."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from comm_lite import _check
from comm_lite.train.muon import Muon


@dataclass(frozen=True)
class TrainConfig:
    r"""How long, how fast and in which precision to train."""

    epochs: int = 10
    r"""Passes over the data."""
    lr: float = 3e-4
    r"""Largest learning rate of AdamW; it rises over ``warmup`` and falls to zero along a cosine."""
    weight_decay: float = 1e-4
    r"""AdamW's decay of matrices; vectors (biases, norms) are not decayed."""
    warmup: float = 0.1
    r"""Fraction of all steps over which the learning rate rises from zero, in [0, 1]."""
    kernel_lr: float | None = None
    r"""Largest learning rate of `Muon`, which then trains the convolution kernels; None leaves them to AdamW."""
    clip_norm: float | None = None
    r"""Largest norm of the gradient of all parameters together; None clips nothing."""
    precision: str = "float32"
    r"""``"float32"``, or ``"bfloat16"`` for autocast: faster where the chip multiplies it."""
    device: str = "cpu"
    r"""Where model and batches go, such as ``"cpu"`` or ``"cuda"``."""
    progress: bool = True
    r"""Whether to show a progress bar, as plain text on standard output."""

    def __post_init__(self) -> None:
        _check.whole("epochs", self.epochs)
        _check.positive("lr", self.lr)
        _check.between("weight_decay", self.weight_decay, 0.0, float("inf"))
        _check.between("warmup", self.warmup, 0.0, 1.0)
        for name in ("kernel_lr", "clip_norm"):
            if getattr(self, name) is not None:
                _check.positive(name, getattr(self, name))
        _check.one_of("precision", self.precision, ("float32", "bfloat16"))


@dataclass
class History:
    r"""What was measured while training."""

    loss: list[float] = field(default_factory=list)
    r"""Mean loss of each epoch, in the unit of the loss (nats for ours)."""
    seconds: list[float] = field(default_factory=list)
    r"""Wall seconds of each epoch, evaluation left out."""
    evaluations: list[Any] = field(default_factory=list)
    r"""What ``evaluate`` returned after each epoch; empty without it."""


def fit(
    model: nn.Module,
    step: Callable[[nn.Module, Any], Tensor],
    data: Iterable[Any],
    config: TrainConfig,
    *,
    evaluate: Callable[[nn.Module], Any] | None = None,
) -> History:
    r"""Train ``model`` with AdamW (and `Muon`, if the config says so) on whatever loss ``step`` returns.

    Args:
        model: what to train, in place. On return it is in ``eval()`` mode.
        step: ``step(model, batch) -> loss``, a scalar tensor; it runs under autocast where the precision asks for it.
        data: batches (tensors in any nesting of dicts, tuples and lists); every pass over it is one epoch. It needs a
            length, so that the learning rate knows where the end is.
        config: see `TrainConfig`.
        evaluate: called as ``evaluate(model)`` after each epoch, with the model in ``eval()`` and without gradients.

    Returns:
        The `History` of the run. An interrupt passes through, and the model keeps what it has learnt so far.

    Raises:
        TypeError: if ``data`` has no length or ``step`` does not return a scalar tensor.
        ValueError: if ``data`` is empty, nothing can be trained, or the loss or its gradient becomes NaN or infinite;
            the model then keeps its last good parameters.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> batches = [torch.rand(8, 2) for _ in range(5)]
        >>> history = fit(model, lambda m, x: m(x).square().mean(), batches, TrainConfig(epochs=3, progress=False))
        >>> len(history.loss)
        3
    """
    if not hasattr(data, "__len__"):
        raise TypeError(f"data must have a length, got {type(data).__name__}; pass a list or an object with __len__")
    if len(data) == 0:
        raise ValueError("data must hold at least one batch, got none; use a smaller batch or more samples")
    if not any(p.requires_grad for p in model.parameters()):
        raise ValueError(
            "model must have a parameter that requires a gradient, got none; call requires_grad_() on some"
        )
    model.to(config.device, memory_format=torch.channels_last)
    optimizers = _optimizers(model, config)
    total = config.epochs * len(data)
    schedules = [LambdaLR(each, lambda done: _one_cycle(done, total, config.warmup)) for each in optimizers]
    autocast = torch.autocast(torch.device(config.device).type, torch.bfloat16, enabled=config.precision == "bfloat16")
    history = History()
    bar = _bar(total, config)
    try:
        for epoch in range(config.epochs):
            model.train()
            start, losses = time.perf_counter(), []
            for batch in data:
                with autocast:
                    loss = step(model, _to(batch, config.device))
                _scalar(loss, epoch)
                model.zero_grad(set_to_none=True)
                loss.backward()
                norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or math.inf)
                _finite("gradient", norm, epoch)
                for optimizer, schedule in zip(optimizers, schedules, strict=True):
                    optimizer.step()
                    schedule.step()
                losses.append(loss.detach())
                bar.update()
            history.loss.append(torch.stack(losses).float().mean().item())
            history.seconds.append(time.perf_counter() - start)
            bar.set_postfix_str(f"epoch {epoch + 1}, loss {history.loss[-1]:.3f}")
            if evaluate is not None:
                model.eval()
                with torch.no_grad():
                    history.evaluations.append(evaluate(model))
    finally:
        bar.close()
        model.eval()
    return history


def _optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    r"""AdamW for everything, or AdamW beside `Muon` for the kernels; vectors (biases, norms) never decay."""
    trained = [p for p in model.parameters() if p.requires_grad]
    kernels = [p for p in trained if p.ndim > 2] if config.kernel_lr else []
    rest = [p for p in trained if p.ndim <= 2 or not config.kernel_lr]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=config.lr)] if rest else []
    if kernels:
        optimizers.append(Muon(kernels, lr=config.kernel_lr, weight_decay=config.weight_decay))
    return optimizers


def _one_cycle(done: int, total: int, warmup: float) -> float:
    r"""The learning rate as a fraction of the largest: a straight rise, then half a cosine down to zero."""
    rise = warmup * total
    if done < rise:
        return (done + 1) / (rise + 1)
    return 0.5 * (1 + torch.tensor((done - rise) / max(1.0, total - rise) * torch.pi).cos().item())


def _bar(total: int, config: TrainConfig):
    from tqdm import tqdm

    # plain text on standard output: a widget would pull its manager into every rendered page
    return tqdm(total=total, disable=not config.progress, file=sys.stdout, mininterval=2.0, unit="step", leave=True)


def _to(batch: Any, device: str) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: _to(value, device) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        make = getattr(batch, "_make", type(batch))  # a named tuple is made otherwise
        return make(_to(value, device) for value in batch)
    return batch


def _scalar(loss: object, epoch: int) -> None:
    if not isinstance(loss, Tensor) or loss.ndim:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"step must return a scalar tensor, got {got}; average the loss over the batch")
    if not loss.requires_grad:
        raise ValueError("step must return a loss that depends on the model's parameters; do not detach it")
    _finite("loss", loss, epoch)


def _finite(what: str, value: Tensor, epoch: int) -> None:
    if not torch.isfinite(value):
        raise ValueError(
            f"the {what} must stay finite, got {value.item()} in epoch {epoch + 1}; the model keeps its last good "
            f"parameters, so lower lr or raise the temperature and start again"
        )
