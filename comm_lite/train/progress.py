r"""What a checkpoint holds, and how a training is put together again from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from comm_lite.nn.weights import fill, tensors_of
from comm_lite.train.checkpoint import Checkpoints
from comm_lite.train.config import TrainConfig
from comm_lite.train.history import Alarm, History, Tally
from comm_lite.train.rollback import Rollback


class Progress:
    r"""All that a training is made of besides its settings, to be packed into a checkpoint and taken out again.

    Args:
        model: as it is trained.
        back: knows the optimisers and generators.
        scaler: of the gradient.
        history: so far.
        tally: of the running epoch.
        alarm: of plateaus.
        config: must be the same when the training goes on, device and progress bar aside.
        total: steps, which must be the same, too.
    """

    def __init__(
        self,
        model: nn.Module,
        back: Rollback,
        scaler: torch.amp.GradScaler,
        history: History,
        tally: Tally,
        alarm: Alarm,
        config: TrainConfig,
        total: int,
    ) -> None:
        self.model, self.back, self.scaler, self.history = model, back, scaler, history
        self.tally, self.alarm = tally, alarm
        kept = {name: value for name, value in asdict(config).items() if name not in ("device", "progress")}
        self.settings = kept | {
            "steps": total,
            "shapes": [list(p.shape) for p in back.trained],
        }

    def pack(self, epoch: int, batch: int, origin: Sequence[Tensor], seconds: float) -> tuple[dict, dict]:
        r"""Return tensors and facts at so many batches of an epoch, whose generators began at ``origin``."""
        model, again = tensors_of(self.model)
        tensors = {f"model.{name}": value for name, value in model.items()}
        number = {parameter: at for at, parameter in enumerate(self.back.trained)}
        tensors |= {f"beside.{number[p]}": p.detach().cpu() for p in self._beside()}
        for (at, parameter, name), value in self.back.optimizer_states().items():
            tensors[f"optimizer.{at}.{number[parameter]}.{name}"] = value.cpu()
        for name, states in (("random", self.back.random()), ("origin", origin)):
            tensors |= {f"{name}.{at}": state for at, state in enumerate(states)}
        lists = {f"tally.{name}": values for name, values in self.tally.values.items()}
        lists["alarm"] = list(self.alarm.recent)
        tensors |= {name: torch.stack(values).cpu() for name, values in lists.items() if values}
        facts = {
            "settings": self.settings, "again": again, "done": self.back.done, "epoch": epoch, "batch": batch,
            "history": asdict(self.history), "samples": self.tally.samples, "lr": self.tally.lr,
            "seconds": self.tally.seconds + seconds, "left": self.alarm.left, "scaler": self.scaler.state_dict(),
        }  # fmt: skip
        return tensors, facts

    def _beside(self) -> list[Tensor]:
        r"""What is trained beside the model."""
        own = set(self.model.parameters())
        return [p for p in self.back.trained if p not in own]

    @torch.no_grad()
    def unpack(self, path: str | Path) -> tuple[int, int, list[Tensor]]:
        r"""Put a checkpoint in place; return epoch, batches of it that are done, and where its generators began."""
        tensors, facts = Checkpoints.read(path)
        differ = sorted(name for name in self.settings if facts["settings"].get(name) != self.settings[name])
        if differ:
            raise ValueError(
                f"config, data and groups must be those of {Path(path).name}, got another {differ[0]}: "
                f"{self.settings[differ[0]]!r:.60} instead of {facts['settings'].get(differ[0])!r:.60}; train as "
                f"before, or load the weights and begin a new training"
            )

        def under(prefix: str) -> dict[str, Tensor]:
            return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}

        def states(name: str) -> list[Tensor]:
            return [value for _, value in sorted(under(name).items(), key=lambda item: int(item[0]))]

        if len(states("random.")) != len(self.back.random()):
            raise ValueError(
                f"generators must be those of {Path(path).name}, wanted {len(states('random.'))} with torch's own, got "
                f"{len(self.back.random())}; pass the same on the same kind of device"
            )
        fill(self.model, under("model."), facts["again"], Path(path).name)
        trained = self.back.trained
        for at, value in under("beside.").items():
            trained[int(at)].copy_(value)
        for name, value in under("optimizer.").items():
            at, number, field = name.split(".", 2)
            parameter = trained[int(number)]
            if value.shape == parameter.shape and value.ndim:  # of the parameter's layout, as the optimiser made it
                value = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
            self.back.optimizers[int(at)].state[parameter][field] = value
        device = trained[0].device
        self.back.done, self.tally.samples, self.tally.lr = facts["done"], facts["samples"], facts["lr"]
        self.tally.seconds, self.alarm.left = facts["seconds"], facts["left"]
        self.tally.values = {name: list(value.to(device)) for name, value in under("tally.").items()}
        self.alarm.recent.extend(under("alarm").get("", torch.empty(0)).to(device))
        for name, value in facts["history"].items():
            setattr(self.history, name, value)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(facts["scaler"])
        self.back.set_random(states("random."))
        return facts["epoch"], facts["batch"], states("origin.")
