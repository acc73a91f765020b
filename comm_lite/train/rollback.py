r"""The way back to the last good state of a training, whatever ends it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

LOOK = 50  # steps between two looks at a device: each look waits for it
GROWN = 1e3  # weights that one step made this many times as large are not called good


class NotFiniteError(ValueError):
    r"""A number of a step is NaN or infinite; `fit` says what became of the model.

    Args:
        what: the number's name.
        value: what it is.
    """

    def __init__(self, what: str, value: float) -> None:
        super().__init__(f"the {what} must stay finite, got {value}")


class Rollback:
    r"""The way back: copies of all that a step changes, taken so that one of them is whole at any moment.

    On the CPU the state before each step is kept. On a device that would be as cheap, but knowing whether a step was
    good means to wait for it; so every `LOOK` steps the numbers are looked at and the state is kept, and the way back
    leads to the last look. Frozen parameters are watched by their version, which writing to ``.data`` does not count.

    Args:
        model: whose parameters and buffers.
        optimizers: whose state, and which parameters are trained.
        generators: put back beside those of torch.
        device: where the model is.

    Example:
        >>> model = nn.BatchNorm1d(2)
        >>> back = Rollback(model, [torch.optim.AdamW(model.parameters())], [], "cpu")
        >>> back.begin()
        >>> _ = model(torch.full((3, 2), float("nan")))
        >>> back.undo()
        0
        >>> model.running_mean
        tensor([0., 0.])
    """

    def __init__(
        self,
        model: nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        generators: Sequence[torch.Generator],
        device: torch.device | str,
    ) -> None:
        self.optimizers, self.generators = list(optimizers), list(generators)
        trained = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
        seen = set(trained)
        self.trained = [p for p in model.parameters() if p in seen]
        self.trained += [p for p in trained if p not in set(self.trained)]  # what the caller trains beside the model
        self.frozen = [p for p in model.parameters() if p not in seen]
        self._owners = [(m, name) for m in model.modules() for name, _ in m.named_buffers(recurse=False)]
        self._finite = [at for at, b in enumerate(self._buffers()) if b.is_floating_point() and b.isfinite().all()]
        self._device = None if torch.device(device).type == "cpu" else torch.device(device)
        self.every = 1 if self._device is None else LOOK
        self.done = 0  # steps that were finished
        self._bad: Tensor | None = None
        self._at = "rest"  # or "batch": before the step is known to be good; or "step": while weights change
        self._frozen: list[tuple[Any, Tensor]] = [(None, p) for p in self.frozen]
        self._light: dict[str, list[Tensor]] = {}  # buffers, frozen parameters, generators: as before this step
        self._kept: tuple[int, dict[str, list[Tensor]], dict[Any, Tensor]] | None = None

    def _buffers(self) -> list[Tensor]:
        return [getattr(module, name) for module, name in self._owners]

    def _generators(self) -> list[Any]:
        r"""Pairs of functions that get and set the state of a generator."""
        pairs = [(torch.get_rng_state, torch.set_rng_state)]
        if self._device is not None:
            of = torch.get_device_module(self._device)
            pairs.append((lambda: of.get_rng_state(self._device), lambda state: of.set_rng_state(state, self._device)))
        return pairs + [(each.get_state, each.set_state) for each in self.generators]

    def random(self) -> list[Tensor]:
        r"""Return the states of all generators."""
        return [get() for get, _ in self._generators()]

    def set_random(self, states: Sequence[Tensor]) -> None:
        r"""Put the generators into these states."""
        for (_, put), state in zip(self._generators(), states, strict=True):
            put(state)

    def watched(self, data: Iterable[Any], count: int = 1) -> Iterator[list[Any]]:
        r"""Yield batches, ``count`` at once; note the state before they are fetched, which may draw random numbers."""
        self.begin()
        held: list[Any] = []
        for batch in data:
            held.append(batch)
            if len(held) == count:
                yield held
                held = []
                self.begin()
        if held:
            yield held
            self.begin()

    def continued(self, data: Iterable[Any], skip: int, origin: Sequence[Tensor]) -> Iterator[Any]:
        r"""Yield what is left of a pass over the data that began with the generators at ``origin``."""
        now = self.random()
        self.set_random(origin)
        batches = iter(data)
        for _ in islice(batches, skip):
            pass
        self.set_random(now)
        yield from batches

    def begin(self) -> None:
        r"""Take note of what the next step may change before its numbers are known to be good."""
        self._at = "rest"
        if self._looks():
            for at, (parameter, (version, _)) in enumerate(zip(self.frozen, self._frozen, strict=True)):
                now = (parameter._version, parameter.data_ptr())
                if now != version:
                    self._frozen[at] = (now, parameter.detach().clone())
            self._light = {
                "buffers": [buffer.detach().clone() for buffer in self._buffers()],
                "frozen": [copy for _, copy in self._frozen],
                "random": self.random(),
            }
        self._at = "batch"

    def _looks(self) -> bool:
        return self._kept is None or self.done % self.every == 0

    def check(self, loss: Tensor, norm: Tensor) -> None:
        r"""Raise `NotFiniteError` if the step is no good: at once on the CPU, at the next look on a device."""
        if self.every > 1:
            bad = ~(loss.isfinite() & norm.isfinite())
            self._bad = bad if self._bad is None else self._bad | bad
            if not self._looks():
                return
            self._check_flag()
        numbers = [("loss", loss), ("gradient", norm)]
        buffers = self._buffers()
        numbers += [(f"buffer {self._owners[at][1]}", buffers[at].float().sum()) for at in self._finite]
        for what, number in numbers:
            if not math.isfinite(number.item()):
                raise NotFiniteError(what, number.item())

    def _check_flag(self) -> None:
        if self._bad is not None and self._bad.item():
            raise NotFiniteError(f"loss and the gradient of the last {self.every} steps", math.nan)

    def keep(self) -> None:
        r"""Keep the whole state, which is known to be good, and say that weights change from here on."""
        if self._looks():
            old, self._kept = {} if self._kept is None else self._kept[2], None  # nothing half new is ever put back
            live = {parameter: parameter.detach() for parameter in self.trained} | self.optimizer_states()
            # into the old copies, where they are: new memory would take longer than the copy itself
            copies = {at: old[at].copy_(value) if at in old else value.clone() for at, value in live.items()}
            self._kept = (self.done, self._light, copies)
        self._at = "step"

    def optimizer_states(self) -> dict[tuple[int, Tensor, str], Tensor]:
        r"""Return the tensors of all optimisers by number of the optimiser, parameter and name."""
        return {
            (at, parameter, name): value
            for at, optimizer in enumerate(self.optimizers)
            for parameter, state in optimizer.state.items()
            for name, value in state.items()
            if isinstance(value, Tensor)
        }

    def finish(self) -> None:
        r"""Say that the step is whole."""
        self.done += 1
        self._at = "rest"

    def check_weights(self) -> None:
        r"""Raise `NotFiniteError` if the weights are so large that their norm is not finite; it waits for a device."""
        norm, self._at = _norm(self.trained), "step"  # the way back leads behind the step that did it
        self._check_flag()
        if not math.isfinite(norm):
            raise NotFiniteError("norm of the weights", norm)
        self._at = "rest"

    @torch.no_grad()
    def undo(self) -> int:
        r"""Put back the last good state, and return how many steps had led to it."""
        kept, grown = self._kept, False
        if self._at == "rest":
            return self.done
        if kept is not None and self._at == "batch":
            grown = not _norm(self.trained) <= GROWN * (_norm(kept[2][p] for p in self.trained) + 1)
        if kept is not None and (grown or self.every > 1 or self._at == "step"):
            self.done, light, copies = kept
            for parameter in self.trained:
                parameter.copy_(copies[parameter])
            for (at, parameter, name), value in self.optimizer_states().items():
                if (at, parameter, name) in copies:
                    value.copy_(copies[at, parameter, name])
                else:  # made by the step that is undone
                    del self.optimizers[at].state[parameter][name]
        else:
            light = self._light
        for (module, name), value in zip(self._owners, light["buffers"], strict=True):
            now = getattr(module, name)
            if now.shape == value.shape:
                now.copy_(value)
            else:
                setattr(module, name, value)
        for parameter, value in zip(self.frozen, light["frozen"], strict=True):
            parameter.copy_(value)
        self.set_random(light["random"])
        for parameter in (*self.trained, *self.frozen):
            parameter.grad = None
        self._at = "rest"
        return self.done


def _norm(tensors: Iterable[Tensor]) -> float:
    return torch.stack([value.detach().float().norm().cpu() for value in tensors]).norm().item()
