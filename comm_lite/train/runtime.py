r"""Where and how precisely a training runs: devices, modes, half precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from comm_lite.train.config import TrainConfig

TAKEN = {"loss", "gradient_norm", "lr", "samples", "seconds", "samples_a_second"}
_LOW = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Runtime:
    r"""What the loop asks of the machine.

    Args:
        model: what is trained; it is moved to the device, and keeps its layout.
        config: for device and precision.

    Example:
        >>> runtime = Runtime(nn.Linear(2, 1), TrainConfig())
        >>> runtime.samples(({"image": torch.zeros(3, 8)}, "name")), runtime.samples("name")
        (3, 1)
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self.model, self.device = model.to(config.device), torch.device(config.device)
        low = _LOW.get(config.precision)
        self.autocast = torch.autocast(self.device.type, low or torch.bfloat16, enabled=low is not None)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=low is torch.float16)

    def move(self, batch: Any) -> Any:
        r"""Return the batch with every tensor on the device, in any nesting of dicts, tuples and lists."""
        if isinstance(batch, Tensor):
            return batch.to(self.device, non_blocking=True)
        if isinstance(batch, dict):
            return {key: self.move(value) for key, value in batch.items()}
        if isinstance(batch, (list, tuple)):
            make = getattr(batch, "_make", type(batch))  # a named tuple is made otherwise
            return make(self.move(value) for value in batch)
        return batch

    def samples(self, batch: Any) -> int:
        r"""Count the samples: the rows of the first tensor that has any; 1 where there is none."""
        return _rows(batch) or 1

    def gradient(
        self,
        step: Callable[[nn.Module, Any], Any],
        batches: Sequence[Any],
        optimizers: Sequence[torch.optim.Optimizer],
        trained: Sequence[Tensor],
        clip_norm: float | None,
    ) -> tuple[dict[str, Tensor], bool]:
        r"""Return the mean loss, terms and norm of the gradient that is in place now, and whether to skip it."""
        values: dict[str, Any] = {}
        counts = [self.samples(batch) for batch in batches]
        for number, (batch, count) in enumerate(zip(batches, counts, strict=True)):
            with self.autocast:
                returned = step(self.model, self.move(batch))
            loss, terms = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, {})
            _check_scalars(loss, terms)
            if number == 0:  # not before: step may use gradients of its own
                for optimizer in optimizers:
                    optimizer.zero_grad(set_to_none=True)
            share = count / sum(counts)
            self.scaler.scale(loss if share == 1 else loss * share).backward()
            for name, value in {"loss": loss, **terms}.items():
                values[name] = values.get(name, 0) + share * value.detach()
        scaled = self.scaler.is_enabled()
        for optimizer in optimizers if scaled else ():
            self.scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(trained, clip_norm or math.inf)
        skip = scaled and self.scaler.get_scale() > 1 and not bool(norm.isfinite())
        return {**values, "gradient_norm": torch.zeros_like(norm) if skip else norm}, skip

    def step(self, optimizers: Iterable[torch.optim.Optimizer], skip: bool) -> None:
        r"""Let the optimisers step, or skip where the scaled gradient overflowed and the scale must shrink."""
        for optimizer in () if skip else optimizers:
            optimizer.step()
        if self.scaler.is_enabled():
            self.scaler.update()

    @contextmanager
    def modes(self) -> Iterator[None]:
        r"""Give every module its own mode back at the end of the block, whatever happens in it."""
        before = [(module, module.training) for module in self.model.modules()]
        try:
            yield
        finally:
            for module, mode in before:
                module.training = mode

    @contextmanager
    def training(self) -> Iterator[None]:
        r"""Train what is to be trained: a model in ``eval()`` but for what is frozen in it, any other one as it is."""
        with self.modes():
            if not self.model.training:
                _start(self.model)
            yield


def _check_scalars(loss: object, terms: object) -> None:
    if not isinstance(loss, Tensor) or loss.ndim:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"step must return a scalar tensor, got {got}; average the loss over the batch")
    if not loss.requires_grad:
        raise ValueError("step must return a loss that depends on the model's parameters; do not detach it")
    if not isinstance(terms, Mapping) or not all(
        isinstance(term, Tensor) and term.ndim == 0 for term in terms.values()
    ):
        raise TypeError(
            f"step must return its terms as a dictionary of scalar tensors, got {type(terms).__name__}; return "
            f"(loss, {{'name': term}})"
        )
    if taken := sorted(terms.keys() & TAKEN):
        raise ValueError(f"terms must not be called as what fit itself records, got {taken}; rename them")


def _rows(batch: Any) -> int:
    if isinstance(batch, Tensor):
        return len(batch) if batch.ndim else 0
    parts = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, (list, tuple)) else ()
    return next((found for found in map(_rows, parts) if found), 0)


def _start(module: nn.Module) -> None:
    own = list(module.parameters())
    if own and not any(p.requires_grad for p in own):
        return  # frozen, with all that is in it
    module.training = True
    for child in module.children():
        _start(child)
