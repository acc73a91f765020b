r"""What the loop promises on a device: no step waits for it, and the way back leads to the last look.

No device is needed for that: a tensor on the CPU is treated as one that must be waited for, with a look every 5 steps.
"""

import traceback

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from comm_lite.train import TrainConfig, fit, loop
from comm_lite.train.rollback import Rollback

CONFIG = TrainConfig(epochs=2, lr=1e-2, progress=False)
HOSTS_OWN = (
    "_one_cycle",
    "_single_tensor_adamw",
    "_single_tensor_adam",
    "_get_value",
)  # numbers that never left the host


@pytest.fixture(autouse=True)
def _far_away(monkeypatch):
    class FarAway(Rollback):
        def __init__(self, *rest):
            super().__init__(*rest)
            self.every = 5

    monkeypatch.setattr(loop, "Rollback", FarAway)


class Waits(TorchDispatchMode):
    """The steps at which a number is fetched from a tensor."""

    def __init__(self):
        super().__init__()
        self.step, self.at = 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            if not any(frame.name in HOSTS_OWN for frame in traceback.extract_stack()):
                self.at.add(self.step)
        return function(*args, **(kwargs or {}))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))


def state(model):
    return [value.clone() for value in model.state_dict().values()]


def test_only_looks_and_ends_of_epochs_wait():
    waits = Waits()

    def step(model, batch):
        waits.step += 1
        return model(batch).square().mean(), {"size": model[0].bias.norm()}

    with waits:
        fit(network(), step, [torch.randn(8, 4) for _ in range(12)], CONFIG, on_step=lambda at, values: None)
    # 0: before the first step, which buffers are finite; looks are before steps 1, 6, 11 ...; 12 and 24 end an epoch
    assert waits.at == {0, 1, 6, 11, 12, 16, 21, 24}


@pytest.mark.parametrize("bad", [9, 12])
@pytest.mark.parametrize("error", ["nan", "raised"])
def test_the_way_back_leads_to_the_last_look(bad, error):
    model, seen = network(), []
    torch.manual_seed(1)

    def step(model, batch):
        seen.append([*state(model), torch.get_rng_state()])
        if len(seen) == bad and error == "raised":
            raise RuntimeError("stop")
        return model(batch + torch.randn(8, 4)).square().mean() * (float("nan") if len(seen) == bad else 1)

    look = 5 if bad == 9 else 10
    with pytest.raises((ValueError, RuntimeError), match=f"(?s)(finite|stop).*those after step {look} of 24") as caught:
        fit(model, step, [torch.ones(8, 4)] * 12, CONFIG)
    for now, then in zip([*state(model), torch.get_rng_state()], seen[look], strict=True):
        assert torch.equal(now, then)
    assert len(caught.value.history.loss) == 1 and caught.value.history.loss[0] > 0


def test_what_was_good_stays_as_it_is():
    runs = []
    for kind in (Rollback, loop.Rollback):
        loop.Rollback, model = kind, network()
        fit(model, lambda m, x: m(x).square().mean(), [torch.ones(8, 4)] * 12, CONFIG)
        runs.append(state(model))
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
