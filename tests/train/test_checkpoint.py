r"""A training that was stopped and resumed ends bit for bit as if it had never stopped, and no file is ever half."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from comm_lite.train import Checkpoints, TrainConfig, fit, latest_checkpoint, load, parameter_groups, save

HERE = Path(__file__).parent
CONFIG = TrainConfig(epochs=3, lr=1e-2, weight_decay=0.1, progress=False)


class Shuffled:
    def __init__(self):
        self.generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(40, 4, generator=torch.Generator().manual_seed(2))

    def __len__(self):
        return 5

    def __iter__(self):
        for rows in torch.randperm(40, generator=self.generator).view(5, 8):
            yield self.x[rows], torch.rand(8, 1)


def build(width=16):
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Dropout(0.2), nn.Linear(width, 1))


class Training:
    """Model, generators and all, as a fresh process would make them."""

    def __init__(self, *, width=16, config=CONFIG, forget=False):
        torch.manual_seed(0)
        self.model, self.noise, self.data, self.config = (
            build(width),
            torch.Generator().manual_seed(3),
            Shuffled(),
            config,
        )
        self.beside, self.forget, self.steps = nn.Parameter(torch.ones(())), forget, 0

    def step(self, model, batch):
        x, y = batch
        self.steps += 1
        out = model(x + torch.randn(x.shape, generator=self.noise)).float()
        error = (self.beside * out - x.sum(1, keepdim=True) - y).square().mean()
        return error, {"size": out.detach().abs().mean()}

    def run(self, **more):
        groups = [*parameter_groups(self.model, self.config), {"params": [self.beside], "lr": 1e-2}]
        self.history = fit(
            self.model,
            self.step,
            self.data,
            self.config,
            groups=groups,
            generators=[] if self.forget else [self.noise],
            evaluate=lambda model: [model(torch.ones(2, 4)).mean().item()],
            guess=100.0,
            **more,
        )
        return self

    def left(self):
        told = {name: value for name, value in vars(self.history).items() if "second" not in name}
        random = torch.rand(1), torch.rand(1, generator=self.noise), torch.rand(1, generator=self.data.generator)
        return [*(v.clone() for v in self.model.state_dict().values()), self.beside.detach(), *random], told


def same(one, other):
    return one[1] == other[1] and all(torch.equal(a, b) for a, b in zip(one[0], other[0], strict=True))


@pytest.fixture(scope="module")
def whole():
    return Training().run().left()


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """A folder with the checkpoint after each step, and what was left at the end."""
    folder = tmp_path_factory.mktemp("every")
    return folder, Training().run(checkpoints=Checkpoints(folder, every=1, keep=100)).left()


def test_writing_checkpoints_changes_nothing(every, whole):
    assert same(every[1], whole)
    assert [path.name for path in sorted(every[0].iterdir())] == [f"step_{k:09}.safetensors" for k in range(1, 16)]


@pytest.mark.parametrize("done", [1, 4, 5, 8, 14, 15])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(every, whole, done):
    again = Training().run(resume=every[0] / f"step_{done:09}.safetensors")
    assert same(again.left(), whole) and again.steps == 15 - done


def test_a_generator_that_is_not_handed_over_is_noticed(every):
    with pytest.raises(
        ValueError, match="generators must be those of step_000000008.safetensors, wanted 3 with torch's"
    ):
        Training(forget=True).run(resume=every[0] / "step_000000008.safetensors")


@pytest.mark.parametrize(
    "config",
    [replace(CONFIG, precision="float16", lr=1e-3), replace(CONFIG, accumulate=2), replace(CONFIG, kernel_lr=0.1)],
)
def test_scaler_accumulation_and_muon_go_on_too(tmp_path, config):
    wanted = Training(config=config).run().left()
    Training(config=config).run(checkpoints=Checkpoints(tmp_path, every=1, keep=100))
    for path in sorted(tmp_path.iterdir())[2:5]:
        assert same(Training(config=config).run(resume=path).left(), wanted)


def test_only_the_last_are_kept(tmp_path):
    Training().run(checkpoints=Checkpoints(tmp_path, every=2, keep=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step_000000014.safetensors",
        "step_000000015.safetensors",
    ]
    assert latest_checkpoint(tmp_path).name == "step_000000015.safetensors"


def test_killed_again_and_again_also_inside_a_write(tmp_path):
    """Three kills at random and two in the middle of a write, the file half on the disk."""
    done = subprocess.run(
        [sys.executable, HERE / "killed.py", tmp_path, "0", "3", "2"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 5 and found["killed"] == found["whole"]
    assert found["left"] == ["history", "model", "step_000000019.safetensors", "step_000000020.safetensors"]


def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path, monkeypatch, whole):
    flush, writes = os.fsync, []

    def full(handle):
        writes.append(1)
        if len(writes) == 7:
            raise OSError(28, "No space left on device")
        flush(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="(?s)No space left.*those after step 6 of 15") as caught:
        Training().run(checkpoints=Checkpoints(tmp_path, every=1))
    assert len(caught.value.history.loss) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step_{k:09}.safetensors" for k in (3, 4, 5)]
    assert same(Training().run(resume=latest_checkpoint(tmp_path)).left(), whole)


def test_weights_that_are_ruined_are_not_written(tmp_path):
    training = Training(config=replace(CONFIG, lr=1e25, warmup=0.0, weight_decay=0.0))
    with pytest.raises(ValueError, match="norm of the weights must stay finite, got inf .* after step 0 of 15"):
        training.run(checkpoints=Checkpoints(tmp_path, every=1))
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_another_run_is_refused(tmp_path):
    Training().run(checkpoints=Checkpoints(tmp_path / "new" / "run"))
    with pytest.raises(
        ValueError, match="folder must hold no checkpoint of another run, got .*015.safetensors; choose"
    ):
        Training().run(checkpoints=Checkpoints(tmp_path / "new" / "run"))


@pytest.mark.parametrize(
    ("training", "text"),
    [
        (
            lambda: Training(config=replace(CONFIG, lr=0.02)),
            "got another lr: 0.02 instead of 0.01; train as before, or",
        ),
        (lambda: Training(config=replace(CONFIG, epochs=4)), "got another epochs: 4 instead of 3"),
        (lambda: Training(width=8), r"got another shapes: .* instead of"),
    ],
)
def test_another_training_is_refused(every, training, text):
    with pytest.raises(
        ValueError, match=f"config, data and groups must be those of step_000000005.safetensors, {text}"
    ):
        training().run(resume=every[0] / "step_000000005.safetensors")


@pytest.mark.parametrize("left", [0, 7, 100, -1])
@pytest.mark.parametrize("kind", ["checkpoint", "model"])
def test_a_damaged_file_is_refused(every, tmp_path, left, kind):
    whole, path = every[0] / "step_000000005.safetensors", tmp_path / "damaged"
    if kind == "model":
        save(build(), tmp_path / "model", {})
        whole = tmp_path / "model"
    path.write_bytes(whole.read_bytes()[:left])
    with pytest.raises(ValueError, match=f"damaged must be a whole {kind}, got another thing"):
        Training().run(resume=path) if kind == "checkpoint" else load(path, build)


def test_what_is_something_else_is_refused(every, tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(ValueError, match="must be a whole model, got another thing .*its kind is 'checkpoint'"):
        load(every[0] / "step_000000005.safetensors", build)
    save_file({"a": torch.ones(1)}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="must be a whole checkpoint, got another thing"):
        Training().run(resume=tmp_path / "foreign")
    save_file({"a": torch.ones(1)}, tmp_path / "hollow", {"comm_lite": '{"kind": "checkpoint"}'})
    with pytest.raises(ValueError, match="must be a whole checkpoint, got another thing .*lacks"):
        Training().run(resume=tmp_path / "hollow")
    with pytest.raises(FileNotFoundError, match="path must be a checkpoint, found no file at .*gone; check the name"):
        Training().run(resume=tmp_path / "gone")


def test_an_evaluation_that_json_cannot_hold_is_named(tmp_path):
    training = Training()
    with pytest.raises(
        TypeError, match="checkpoint must hold tensors and what JSON can hold, .*Tensor.*; let evaluate"
    ):
        fit(
            training.model,
            training.step,
            training.data,
            CONFIG,
            evaluate=lambda model: torch.ones(1),
            checkpoints=Checkpoints(tmp_path),
        )


def test_a_finished_model_answers_in_another_process(tmp_path):
    model = Training().run().model.eval()
    save(model, tmp_path / "model", {"width": 16})
    code = f"""
import sys; sys.path.insert(0, {str(HERE)!r})
import torch
from test_checkpoint import build
from comm_lite.train import load
model = load({str(tmp_path / "model")!r}, build)
print(model.training, model(torch.ones(1, 4)).item().hex())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["False", model(torch.ones(1, 4)).item().hex()], done.stderr


def test_a_saved_model_is_exact_tied_and_the_same_bytes_each_time(tmp_path):
    def tied(seed=0):
        torch.manual_seed(seed)
        line = nn.Linear(4, 4)
        return nn.ModuleDict({"a": line, "b": line, "kernel": nn.Conv2d(2, 2, 3).to(memory_format=torch.channels_last)})

    for name in ("one", "two"):
        save(tied(), tmp_path / name, {"seed": 5})
    assert len({hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("one", "two")}) == 1
    found = load(tmp_path / "one", tied)
    assert found["a"] is found["b"] and not torch.equal(tied(5)["a"].weight, tied()["a"].weight)
    for name, value in tied().state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    with pytest.raises(ValueError, match="model must be built as the one in one, got 8 weights that differ"):
        load(tmp_path / "one", lambda seed: nn.Linear(4, 4))
