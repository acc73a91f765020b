r"""What is recorded is what happened, and it can be written as it comes."""

import builtins
import json
import sys
import types

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from comm_lite.train import TrainConfig, fit, jsonl_writer, tensorboard_writer

CONFIG = TrainConfig(epochs=2, lr=1e-2, progress=False)
X = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))


def network():
    torch.manual_seed(0)
    return nn.Linear(4, 1)


def step(model, x):
    out = model(x)
    return out.square().mean(), {"size": out.abs().mean(), "largest": out.max()}


def test_terms_norm_rate_and_speed_are_those_of_the_steps():
    seen, told, epochs = [], [], []

    def watched(model, x):
        out = model(x)
        (grad,) = torch.autograd.grad(out.square().mean(), [model.weight], retain_graph=True)
        bias = 2 * out.mean()
        norm = (grad.square().sum() + bias.square()).sqrt()
        seen.append((len(x), out.square().mean().item(), out.abs().mean().item(), norm.item()))
        return step(model, x)

    history = fit(
        network(),
        watched,
        [X[:7], X[7:]],
        CONFIG,
        on_step=lambda at, values: told.append((at, {name: float(value) for name, value in values.items()})),
        on_epoch=lambda at, values: epochs.append((at, values)),
    )
    for epoch in range(2):
        for column, values in ((1, history.loss), (2, history.terms["size"]), (3, history.gradient_norm)):
            one, two = seen[2 * epoch : 2 * epoch + 2]
            assert values[epoch] == pytest.approx((7 * one[column] + 3 * two[column]) / 10, rel=1e-5)
        assert history.samples_a_second[epoch] == pytest.approx(10 / history.seconds[epoch])
    assert history.terms.keys() == {"size", "largest"}
    assert [at for at, _ in told] == [1, 2, 3, 4] and [at for at, _ in epochs] == [1, 2]
    assert [values["samples"] for _, values in told] == [7, 3, 7, 3]
    assert [values["lr"] for _, values in told][1::2] == history.lr == [values["lr"] for _, values in epochs]
    for (_, values), (_, loss, size, norm) in zip(told, seen, strict=True):
        assert (values["loss"], values["size"]) == (pytest.approx(loss), pytest.approx(size))
        assert values["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert epochs[1][1]["loss"] == history.loss[1] and epochs[1][1]["size"] == history.terms["size"][1]


def test_jsonl_holds_a_line_a_step(tmp_path):
    path, told = tmp_path / "log.jsonl", []
    write = jsonl_writer(path)

    def both(at, values):
        told.append(float(values["loss"]))
        write(at, values)

    fit(network(), step, [X[:5], X[5:]], CONFIG, on_step=both)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3, 4] and [line["loss"] for line in lines] == told
    write(5, {"loss": float("nan")})
    assert path.read_text().splitlines()[-1] == '{"number": 5, "loss": null}'


def test_tensorboard_gets_a_curve_a_name(tmp_path, monkeypatch):
    class Board:
        found = []

        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, number):
            self.found.append((self.folder, name, value, number))

        def flush(self):
            self.found.append("flushed")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=Board))
    tensorboard_writer(tmp_path, under="epoch")(2, {"loss": torch.tensor(0.5), "lr": 0.1})
    assert Board.found == [(str(tmp_path), "epoch/loss", 0.5, 2), (str(tmp_path), "epoch/lr", 0.1, 2), "flushed"]


def test_a_missing_tensorboard_is_named(tmp_path, monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name == "torch.utils.tensorboard":
            raise ImportError("No module named 'tensorboard'")
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="must have the package tensorboard, got No module .*; pip install it or use"):
        tensorboard_writer(tmp_path)


@pytest.mark.parametrize("sizes", [[3, 3, 3, 1], [4, 1, 5]])
def test_accumulated_batches_are_one_batch_of_the_mean(sizes):
    """Uneven batches count by their samples; the last step of an epoch may have fewer batches."""
    parts = X.split(sizes)
    pairs = [torch.cat(parts[at : at + 2]) for at in range(0, len(parts), 2)]
    one, other = network(), network()
    mine = fit(one, step, list(parts), TrainConfig(epochs=3, lr=1e-2, accumulate=2, progress=False))
    wanted = fit(other, step, pairs, TrainConfig(epochs=3, lr=1e-2, progress=False))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)
    assert mine.loss == pytest.approx(wanted.loss) and mine.gradient_norm == pytest.approx(wanted.gradient_norm)
    assert mine.terms["size"] == pytest.approx(wanted.terms["size"])


def rates(**more):
    seen = []
    handle = register_optimizer_step_pre_hook(lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"]))
    try:
        fit(network(), step, [X[:5], X[5:]], CONFIG, **more)
    finally:
        handle.remove()
    return seen


def test_the_schedule_is_the_callers():
    assert rates(schedule=lambda share: 1 - share) == pytest.approx([1e-2, 0.75e-2, 0.5e-2, 0.25e-2])
    with pytest.raises(ValueError, match=r"what schedule returns must lie in \[0.0, inf\], got -1.0"):
        rates(schedule=lambda share: -1.0)


# --- float16


def test_float16_runs_the_step_under_autocast_and_learns():
    kinds = []

    def half(model, x):
        out = model(x)
        kinds.append(out.dtype)
        return (out.float() - x.sum(1, keepdim=True)).square().mean()

    model = network()
    history = fit(model, half, [X] * 10, TrainConfig(epochs=20, lr=3e-2, precision="float16", progress=False))
    assert set(kinds) == {torch.float16} and {p.dtype for p in model.parameters()} == {torch.float32}
    assert history.loss[-1] < 0.1 * history.loss[0]


def test_small_gradients_survive_float16():
    """A gradient of 1e-9 is zero in float16, and is not once the loss is scaled."""
    model = nn.Linear(4, 1, bias=False)
    before = model.weight.detach().clone()
    fit(
        model,
        lambda m, x: m(x).float().sum() * 1e-8,
        [X],
        TrainConfig(epochs=1, lr=1e-2, warmup=0.0, precision="float16", progress=False),
    )
    assert (model.weight - before).abs().max() > 1e-3


def test_a_step_whose_scaled_gradient_overflows_is_skipped():
    weights = []

    def steep(model, x):
        weights.append(model.weight.detach().clone())
        return (model(x) * 30.0).sum()

    history = fit(nn.Linear(4, 1), steep, [X] * 12, TrainConfig(epochs=1, precision="float16", progress=False))
    changed = [not torch.equal(a, b) for a, b in zip(weights, weights[1:], strict=False)]
    first = changed.index(True)
    assert 0 < first < 11 and all(changed[first:]) and history.gradient_norm[0] > 0


def test_a_gradient_that_no_scale_saves_stops_the_training():
    model = nn.Linear(4, 1)
    before = model.weight.detach().clone()

    def broken(model, x):
        return model(x).float().mean() + (model.weight - model.weight.detach()).abs().sqrt().sum()

    with pytest.raises(ValueError, match="the gradient must stay finite, got (nan|inf) in epoch 1"):
        fit(model, broken, [X] * 40, TrainConfig(epochs=1, precision="float16", progress=False))
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ("returned", "error", "text"),
    [
        (lambda loss: (loss, {"lr": loss}), ValueError, r"terms must not be called .*, got \['lr'\]; rename them"),
        (lambda loss: (loss, {"x": 1.0}), TypeError, "terms as a dictionary of scalar tensors, got dict; return"),
        (lambda loss: (loss, [loss]), TypeError, "terms as a dictionary of scalar tensors, got list; return"),
        (lambda loss: (loss, {}, 1), TypeError, "step must return a scalar tensor, got tuple"),
    ],
)
def test_wrong_terms_are_refused(returned, error, text):
    with pytest.raises(error, match=text):
        fit(network(), lambda model, x: returned(model(x).square().mean()), [X], CONFIG)


def test_terms_that_come_and_go_are_refused():
    calls = []

    def fickle(model, x):
        calls.append(1)
        return model(x).square().mean(), {f"term{len(calls) // 2}": model.bias.sum()}

    with pytest.raises(
        ValueError, match=r"the same terms each time, wanted .*'term0'\], got .*'term1'\]; return a zero"
    ):
        fit(network(), fickle, [X[:5], X[5:]], CONFIG)
