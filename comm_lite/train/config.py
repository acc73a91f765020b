r"""How to train."""

from __future__ import annotations

from dataclasses import dataclass

from comm_lite import _check


@dataclass(frozen=True)
class TrainConfig:
    r"""How long, how fast and in which precision to train."""

    epochs: int = 10
    r"""Passes over the data."""
    lr: float = 3e-4
    r"""Largest learning rate of AdamW; it rises over ``warmup`` and falls to zero along a cosine."""
    weight_decay: float = 1e-4
    r"""Decay of matrices and convolution kernels; `parameter_groups` says what counts as one."""
    warmup: float = 0.1
    r"""Fraction of all steps over which the learning rate rises from zero, in [0, 1]."""
    kernel_lr: float | None = None
    r"""Largest learning rate of `Muon`, which then trains the convolution kernels; None leaves them to AdamW."""
    clip_norm: float | None = None
    r"""Largest norm of the gradient of all parameters together; None clips nothing."""
    accumulate: int = 1
    r"""Batches whose gradients are averaged, by samples, into one step. For a contrastive loss that is no large batch:
    a sample meets only the negatives of its own batch."""
    precision: str = "float32"
    r"""``"float32"``, or ``"bfloat16"`` or ``"float16"`` for autocast: faster where the chip multiplies it. In float16
    the loss is scaled up so that small gradients survive; a step in which that overflows is skipped, and each step
    waits for the device."""
    device: str = "cpu"
    r"""Where model and batches go, such as ``"cpu"`` or ``"cuda"``."""
    alarm: float = 0.25
    r"""Fraction of all steps after which a loss that is still at the ``guess`` of `fit` raises a `PlateauWarning`."""
    progress: bool = True
    r"""Whether to show a progress bar, as plain text on standard output."""

    def __post_init__(self) -> None:
        _check.whole("epochs", self.epochs)
        _check.whole("accumulate", self.accumulate)
        _check.positive("lr", self.lr)
        _check.between("weight_decay", self.weight_decay, 0.0, float("inf"))
        _check.between("warmup", self.warmup, 0.0, 1.0)
        for name in ("kernel_lr", "clip_norm"):
            if getattr(self, name) is not None:
                _check.positive(name, getattr(self, name))
        _check.one_of("precision", self.precision, ("float32", "bfloat16", "float16"))
        _check.between("alarm", self.alarm, 0.0, 1.0)
