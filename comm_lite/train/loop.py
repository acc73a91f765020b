r"""The training loop, on one screen. It knows no model and no loss: the step is the reader's function."""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.train.config import History, PlateauWarning, TrainConfig
from comm_lite.train.groups import optimizers_of, parameter_groups
from comm_lite.train.runtime import NotFiniteError, Rollback, modes, samples_in, start_training, to_device


def fit(
    model: nn.Module,
    step: Callable[[nn.Module, Any], Tensor],
    data: Iterable[Any],
    config: TrainConfig,
    *,
    evaluate: Callable[[nn.Module], Any] | None = None,
    groups: Sequence[dict[str, Any]] | None = None,
    generators: Sequence[torch.Generator] = (),
    guess: float | None = None,
) -> History:
    r"""Train ``model`` with AdamW (and `Muon`, if the config says so) on whatever loss ``step`` returns.

    A step is finished, or it has not been: whatever ends the training early (a loss, gradient, buffer or weight that
    is not finite, an error in ``step`` or in the data, an interrupt), parameters, buffers, optimisers and generators
    are put back to the last good state, which the error names. On the CPU that is the state before the step that
    failed, or before the one that made the weights a thousand times as large. On a device nothing waits for the
    numbers of a step; they are looked at every 50 steps, and the last good state is that of the last look.

    Layout, modes and frozen parts are the caller's. A model in training mode is trained with the mode that each of its
    modules has; in one that is in ``eval()``, all but its frozen modules are put into training mode. On return every
    module has the mode that it came with.

    Args:
        model: what to train, in place; it is moved to the device.
        step: ``step(model, batch) -> loss``, a scalar tensor; it runs under autocast where the precision asks for it.
        data: batches (tensors in any nesting of dicts, tuples and lists); every pass over it is one epoch. It needs a
            length, so that the learning rate knows where the end is.
        config: see `TrainConfig`.
        evaluate: called as ``evaluate(model)`` after each epoch, with the model in ``eval()`` and without gradients.
        groups: what is trained how; by default `parameter_groups` of the model.
        generators: those from which ``step`` and ``data`` draw, so that a step that is undone gives back its draws.
            Torch's own generators are always among them.
        guess: what the loss is for a model that tells no sample from another, such as log N. If the loss is still
            within 2 % of it after the share ``config.alarm`` of the steps, a `PlateauWarning` says so.

    Returns:
        The `History` of the run; the mean loss of an epoch counts every sample once (the rows of the first tensor in a
        batch). An error or interrupt that ends the training carries the history so far as its attribute ``history``,
        with the unfinished epoch as the last entry.

    Raises:
        TypeError: if ``data`` has no length or ``step`` does not return a scalar tensor.
        ValueError: if ``data`` is empty or can be passed over only once, nothing can be trained, or the loss, its
            gradient, a buffer or a weight becomes NaN or infinite.

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
    if guess is not None:
        _check.positive("guess", guess)
    model.to(config.device)
    optimizers = optimizers_of(parameter_groups(model, config) if groups is None else groups)
    back = Rollback(model, optimizers, generators, config.device)
    total, history, bar = config.epochs * len(data), History(), _bar(config.epochs * len(data), config)
    autocast = torch.autocast(torch.device(config.device).type, torch.bfloat16, enabled=config.precision == "bfloat16")
    alarm = None if guess is None else _Alarm(guess, config.alarm, total)
    epoch, losses, weights, start = 0, [], [], time.perf_counter()

    def close_epoch() -> None:
        if losses:
            of = torch.tensor(weights, dtype=torch.float32, device=losses[0].device)
            history.loss.append(((torch.stack(losses).float() * of).sum() / of.sum()).item())
            history.seconds.append(time.perf_counter() - start)
            losses.clear()
            weights.clear()

    with modes(model):
        start_training(model)
        try:
            for epoch in range(config.epochs):
                start = time.perf_counter()
                for batch in back.watched(data):
                    with autocast:
                        loss = step(model, to_device(batch, config.device))
                    _scalar(loss)
                    for optimizer in optimizers:
                        optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    norm = nn.utils.clip_grad_norm_(back.trained, config.clip_norm or math.inf)
                    back.check(loss.detach(), norm)
                    back.keep()
                    _set_rates(optimizers, back.done, total, config.warmup)
                    for optimizer in optimizers:
                        optimizer.step()
                    back.finish()
                    losses.append(loss.detach())
                    weights.append(samples_in(batch))
                    if alarm is not None:
                        alarm.hear(loss.detach())
                    bar.update()
                if not losses:
                    raise ValueError(
                        f"data must give its batches in every pass, got none in epoch {epoch + 1}; an iterator can be "
                        f"passed over only once, so pass a list or an object whose __iter__ starts anew"
                    )
                back.check_weights()
                close_epoch()
                bar.set_postfix_str(f"epoch {epoch + 1}, loss {history.loss[-1]:.3f}")
                if evaluate is not None:
                    with modes(model), torch.no_grad():
                        model.eval()
                        history.evaluations.append(evaluate(model))
        except BaseException as error:
            finished, steps = back.done, back.undo()
            for of_epoch in (losses, weights):
                del of_epoch[max(0, len(of_epoch) - (finished - steps)) :]
            close_epoch()
            state = (
                f"the model keeps its last good parameters, buffers, optimiser state and generators, those after "
                f"step {steps} of {total}"
            )
            if isinstance(error, NotFiniteError):
                error = ValueError(
                    f"{error} in epoch {epoch + 1}; {state}, so lower lr or raise the temperature and start again"
                )
            else:
                error.add_note(f"comm_lite.train.fit: {state}")
            error.history = history
            raise error from error.__cause__
        finally:
            bar.close()
            _set_rates(optimizers, back.done, total, config.warmup)
    return history


class _Alarm:
    r"""Warns once if the mean loss of the steps up to a share of all is a guess."""

    def __init__(self, guess: float, share: float, total: int) -> None:
        self.guess, self.share, self.left = guess, share, max(1, math.ceil(share * total))
        self.recent: deque[Tensor] = deque(maxlen=max(1, self.left // 2))

    def hear(self, loss: Tensor) -> None:
        self.recent.append(loss)
        self.left -= 1
        if self.left == 0:
            mean = torch.stack(list(self.recent)).float().mean().item()
            if abs(mean - self.guess) <= 0.02 * self.guess:
                warnings.warn(
                    f"the loss is {mean:.3f} after {self.share:.0%} of the steps, within 2 % of {self.guess:.3f}, that "
                    f"of a model that tells no sample from another; raise lr, warm up longer, raise the temperature "
                    f"or start from another seed",
                    PlateauWarning,
                    stacklevel=3,
                )


def _set_rates(optimizers: Iterable[torch.optim.Optimizer], done: int, total: int, warmup: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * _one_cycle(done, total, warmup)


def _one_cycle(done: int, total: int, warmup: float) -> float:
    r"""The learning rate as a fraction of the largest: a straight rise, then half a cosine to zero, where it stays."""
    rise, done = warmup * total, min(done, total)
    if done < rise:
        return (done + 1) / (rise + 1)
    return 0.5 * (1 + torch.tensor((done - rise) / max(1.0, total - rise) * torch.pi).cos().item())


def _bar(total: int, config: TrainConfig):
    from tqdm import tqdm

    # plain text on standard output: a widget would pull its manager into every rendered page
    return tqdm(total=total, disable=not config.progress, file=sys.stdout, mininterval=2.0, unit="step", leave=True)


def _scalar(loss: object) -> None:
    if not isinstance(loss, Tensor) or loss.ndim:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(f"step must return a scalar tensor, got {got}; average the loss over the batch")
    if not loss.requires_grad:
        raise ValueError("step must return a loss that depends on the model's parameters; do not detach it")
