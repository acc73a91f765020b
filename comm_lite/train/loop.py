r"""The training loop, on one screen. It knows no model and no loss: the step is the reader's function."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.train.checkpoint import Checkpoints
from comm_lite.train.config import TrainConfig
from comm_lite.train.groups import optimizers_of, parameter_groups
from comm_lite.train.history import Alarm, History, Tally, Write
from comm_lite.train.progress import Progress
from comm_lite.train.rollback import NotFiniteError, Rollback
from comm_lite.train.runtime import Runtime


def fit(
    model: nn.Module,
    step: Callable[[nn.Module, Any], Tensor | tuple[Tensor, Mapping[str, Tensor]]],
    data: Iterable[Any],
    config: TrainConfig,
    *,
    evaluate: Callable[[nn.Module], Any] | None = None,
    groups: Sequence[dict[str, Any]] | None = None,
    schedule: Callable[[float], float] | None = None,
    generators: Sequence[torch.Generator] = (),
    guess: float | None = None,
    on_step: Write | None = None,
    on_epoch: Write | None = None,
    checkpoints: Checkpoints | None = None,
    resume: str | Path | None = None,
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
        step: ``step(model, batch) -> loss``, a scalar tensor, or ``(loss, terms)`` with further scalars by name, which
            are only recorded; it runs under autocast where the precision asks for it.
        data: batches (tensors in any nesting of dicts, tuples and lists); every pass over it is one epoch. It needs a
            length, so that the learning rate knows where the end is.
        config: see `TrainConfig`.
        evaluate: called as ``evaluate(model)`` after each epoch, with the model in ``eval()`` and without gradients.
        groups: what is trained how; by default `parameter_groups` of the model.
        schedule: from the share of the steps that are done, in [0, 1], to a factor of the largest learning rates, at
            least 0; by default a rise over ``config.warmup``, then half a cosine to zero.
        generators: those from which ``step`` and ``data`` draw, so that a step that is undone gives back its draws and
            a training that is resumed draws as it would have. Torch's own and ``data.generator`` are always among them.
        guess: what the loss is for a model that tells no sample from another, such as log N. If the loss is still
            within 2 % of it after the share ``config.alarm`` of the steps, a `PlateauWarning` says so.
        on_step: called after each step as ``on_step(steps done, values)`` with loss, terms, learning rate, norm of the
            gradient and samples; tensors stay on their device, and to read one there is to wait for it.
        on_epoch: called after each epoch as ``on_epoch(epochs done, means)``, before the evaluation.
        checkpoints: where and how often the whole state is written; None writes nothing.
        resume: a checkpoint from which the same training goes on; on the CPU it then ends as if it had never stopped,
            bit for bit. The batches of the running epoch that are done are fetched again and thrown away.

    Returns:
        The `History` of the run; samples are the rows of the first tensor in a batch. An error or interrupt that ends
        the training carries the history so far as its attribute ``history``, the unfinished epoch as the last entry.

    Raises:
        TypeError: if ``data`` has no length or ``step`` does not return a scalar tensor.
        ValueError: if ``data`` is empty or can be passed over only once, nothing can be trained, the loss, its
            gradient, a buffer or a weight becomes NaN or infinite, or ``resume`` is of another training.

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
    run, own = Runtime(model, config), getattr(data, "generator", None)
    optimizers = optimizers_of(parameter_groups(model, config) if groups is None else groups)
    known = dict.fromkeys([*generators, *([own] if isinstance(own, torch.Generator) else [])])
    back = Rollback(model, optimizers, list(known), run.device)
    total = config.epochs * math.ceil(len(data) / config.accumulate)
    history, tally, alarm = History(), Tally(), Alarm(guess, config.alarm, total)
    progress = Progress(model, back, run.scaler, history, tally, alarm, config, total)
    if checkpoints is not None:
        checkpoints.open(resume)
    epoch, batch, origin = (0, 0, []) if resume is None else progress.unpack(resume)
    bar, begun = _bar(total, back.done, config), time.perf_counter()

    def rate(done: int) -> float:
        if schedule is None:
            return _one_cycle(done, total, config.warmup)
        factor = schedule(min(1.0, done / total))
        _check.between("what schedule returns", factor, 0.0, float("inf"))
        return factor

    with run.training():
        try:
            while epoch < config.epochs:
                rest = back.continued(data, batch, origin) if batch else data
                origin, begun = origin if batch else back.random(), time.perf_counter()
                for held in back.watched(rest, config.accumulate):
                    values, skip = run.gradient(step, held, optimizers, back.trained, config.clip_norm)
                    back.check(values["loss"], values["gradient_norm"])
                    back.keep()
                    lr = _set_rates(optimizers, rate(back.done))
                    run.step(optimizers, skip)
                    back.finish()
                    batch += len(held)
                    samples = sum(map(run.samples, held))
                    tally.add(samples, values, lr=lr)
                    alarm.hear(values["loss"])
                    bar.update()
                    if on_step is not None:
                        on_step(back.done, {**values, "lr": lr, "samples": samples})
                    if checkpoints is not None and checkpoints.every and back.done % checkpoints.every == 0:
                        back.check_weights()
                        seconds = time.perf_counter() - begun
                        checkpoints.write(back.done, *progress.pack(epoch, batch, origin, seconds))
                if not tally.samples:
                    raise ValueError(
                        f"data must give its batches in every pass, got none in epoch {epoch + 1}; an iterator can be "
                        f"passed over only once, so pass a list or an object whose __iter__ starts anew"
                    )
                back.check_weights()
                means = tally.close(history, time.perf_counter() - begun)
                epoch, batch = epoch + 1, 0
                bar.set_postfix_str(f"epoch {epoch}, loss {means['loss']:.3f}")
                if on_epoch is not None:
                    on_epoch(epoch, means)
                if evaluate is not None:
                    with run.modes(), torch.no_grad():
                        model.eval()
                        history.evaluations.append(evaluate(model))
                if checkpoints is not None:
                    checkpoints.write(back.done, *progress.pack(epoch, 0, [], 0.0))
        except BaseException as error:
            finished, steps = back.done, back.undo()
            tally.forget(finished - steps)
            if tally.samples:
                tally.close(history, time.perf_counter() - begun)
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
            _set_rates(optimizers, rate(back.done))
    return history


def _set_rates(optimizers: Iterable[torch.optim.Optimizer], factor: float) -> float:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    for group in groups:
        group["lr"] = group["initial_lr"] * factor
    return max(group["lr"] for group in groups)


def _one_cycle(done: int, total: int, warmup: float) -> float:
    r"""The learning rate as a fraction of the largest: a straight rise, then half a cosine to zero, where it stays."""
    rise, done = warmup * total, min(done, total)
    if done < rise:
        return (done + 1) / (rise + 1)
    return 0.5 * (1 + torch.tensor((done - rise) / max(1.0, total - rise) * torch.pi).cos().item())


def _bar(total: int, done: int, config: TrainConfig):
    from tqdm import tqdm

    # plain text on standard output: a widget would pull its manager into every rendered page
    options = {"disable": not config.progress, "file": sys.stdout, "mininterval": 2.0, "unit": "step", "leave": True}
    return tqdm(total=total, initial=done, **options)
