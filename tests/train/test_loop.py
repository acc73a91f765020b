import math
from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from comm_lite.train import History, TrainConfig, fit


def quiet(**changes):
    return TrainConfig(**({"epochs": 2, "lr": 1e-2, "progress": False} | changes))


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))


def batches(count=6, size=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, size, 4, generator=generator)
    return [(one, one.sum(1, keepdim=True)) for one in x]


def regress(model, batch):
    x, y = batch
    return (model(x) - y).square().mean()


def parameters(model):
    return [p.detach().clone() for p in model.parameters()]


def state(model):
    return [value.clone() for value in model.state_dict().values()]


@pytest.fixture
def steps():
    """Learning rate, weight decay and gradient norm of each group at each step."""
    seen = []

    def note(optimizer, *_):
        grads = [p.grad.norm() for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack(grads).norm().item() if grads else 0.0
        seen.append({"lr": [g["lr"] for g in optimizer.param_groups], "norm": norm, "optimizer": optimizer})

    handle = register_optimizer_step_pre_hook(note)
    yield seen
    handle.remove()


# --- what it does


def test_loss_falls():
    history = fit(network(), regress, batches(), quiet(epochs=30))
    assert history.loss[-1] < 0.3 * history.loss[0]


def test_history_has_one_entry_an_epoch():
    history = fit(network(), regress, batches(), quiet(epochs=3), evaluate=lambda model: "measured")
    assert isinstance(history, History)
    assert len(history.loss) == len(history.seconds) == 3
    assert history.evaluations == ["measured"] * 3
    assert all(isinstance(value, float) and value > 0 for value in history.loss + history.seconds)
    assert fit(network(), regress, batches(), quiet(epochs=3)).evaluations == []


def test_loss_is_the_mean_over_the_epoch():
    losses = []

    def step(model, batch):
        losses.append(regress(model, batch))
        return losses[-1]

    history = fit(network(), step, batches(), quiet(epochs=2))
    assert len(losses) == 12
    for epoch in range(2):
        wanted = sum(loss.item() for loss in losses[6 * epoch : 6 * epoch + 6]) / 6
        assert history.loss[epoch] == pytest.approx(wanted, rel=1e-5)


def test_the_loop_equals_its_steps_written_out():
    model, twin = network(), network()
    fit_model_seed, data = 3, batches()
    torch.manual_seed(fit_model_seed)
    fit(model, regress, data, quiet(epochs=2, warmup=0.25, weight_decay=0.1, clip_norm=0.5))
    torch.manual_seed(fit_model_seed)
    matrices = [p for p in twin.parameters() if p.ndim > 1]
    vectors = [p for p in twin.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=1e-2
    )
    twin.train()
    for done, batch in enumerate(data * 2):
        for group in optimizer.param_groups:
            rise = 0.25 * 12
            if done < rise:
                group["lr"] = 1e-2 * (done + 1) / (rise + 1)
            else:
                group["lr"] = 1e-2 * 0.5 * (1 + math.cos(math.pi * (done - rise) / (12 - rise)))
        optimizer.zero_grad()
        regress(twin, batch).backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
        optimizer.step()
    for mine, wanted in zip(parameters(model), parameters(twin), strict=True):
        assert torch.allclose(mine, wanted, atol=1e-6)


def test_the_same_seed_gives_the_same_bits():
    runs = []
    for _ in range(2):
        model = network()
        torch.manual_seed(5)  # dropout
        history = fit(model, regress, batches(), quiet(epochs=3))
        runs.append((history.loss, state(model)))
    assert runs[0][0] == runs[1][0]
    for one, other in zip(runs[0][1], runs[1][1], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("warmup", [0.0, 0.2, 1 / 3, 0.5])
def test_learning_rate_rises_to_its_peak_and_falls_to_zero(steps, warmup):
    fit(network(), regress, batches(count=10), quiet(epochs=3, warmup=warmup))
    rates = [step["lr"][0] for step in steps]
    assert len(rates) == 30
    assert all(len(set(step["lr"])) == 1 for step in steps)
    rise = round(warmup * 30)
    assert rates[rise] == pytest.approx(1e-2)
    assert max(rates) == rates[rise]
    for k in range(rise):
        assert rates[k] == pytest.approx(1e-2 * (k + 1) / (rise + 1))
    for k in range(rise, 30):
        assert rates[k] == pytest.approx(1e-2 * (1 + math.cos(math.pi * (k - rise) / (30 - rise))) / 2, abs=1e-8)
    assert rates[-1] < 2e-4
    assert steps[0]["optimizer"].param_groups[0]["lr"] == pytest.approx(0, abs=1e-8)  # where a next step would be


def test_only_matrices_decay():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3))
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)

    def nothing(model, batch):
        return 0.0 * sum(p.sum() for p in model.parameters())

    fit(model, nothing, [0] * 4, quiet(epochs=1, lr=0.1, weight_decay=0.5, warmup=0.0))
    shrunk = math.prod(1 - 0.5 * 0.1 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(4))
    for p in model.parameters():
        wanted = shrunk if p.ndim > 1 else 1.0
        assert torch.allclose(p, torch.full_like(p, wanted), atol=1e-6)


@pytest.mark.parametrize("clip_norm", [None, 0.05, 1e6])
def test_gradients_are_clipped_to_the_norm_asked_for(steps, clip_norm):
    fit(network(), regress, batches(), quiet(clip_norm=clip_norm))
    assert len(steps) == 12
    if clip_norm == 0.05:
        assert all(step["norm"] == pytest.approx(0.05, rel=1e-3) for step in steps)
    else:
        assert max(step["norm"] for step in steps) > 0.5


def test_frozen_parameters_stay_as_they_are():
    model = network()
    model[0].requires_grad_(False)
    before = parameters(model)
    fit(model, regress, batches(), quiet(weight_decay=0.5))
    after = parameters(model)
    assert torch.equal(after[0], before[0])
    assert all(not torch.equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))


def test_bfloat16_runs_the_step_under_autocast():
    kinds = []

    def step(model, batch):
        out = model(batch[0])
        kinds.append(out.dtype)
        return (out.float() - batch[1]).square().mean()

    model = network()
    history = fit(model, step, batches(), quiet(epochs=30, precision="bfloat16"))
    assert set(kinds) == {torch.bfloat16}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert history.loss[-1] < 0.3 * history.loss[0]
    assert not torch.is_autocast_enabled("cpu")


Named = namedtuple("Named", ["x", "more"])


@pytest.mark.parametrize("shape", ["tensor", "pair", "nested", "named"])
def test_batches_may_be_nested(shape):
    x = torch.ones(3, 4)
    made = {"tensor": x, "pair": (x, [x]), "nested": {"x": x, "y": [{"z": (x, "name")}]}, "named": Named(x, None)}[
        shape
    ]
    seen = []

    def step(model, batch):
        seen.append(batch)
        return model(torch.ones(3, 4)).mean()

    fit(network(), step, [made], quiet(epochs=1))
    assert type(seen[0]) is type(made)
    assert repr(seen[0]) == repr(made)


def test_every_tensor_of_a_batch_goes_to_the_device():
    """The meta device computes nothing; that a tensor arrives there is all that counts."""
    from comm_lite.train.loop import _to

    x = torch.ones(2)
    moved = _to({"x": x, "y": [(x, 3), Named(x, "text")]}, "meta")
    assert [moved["x"].device.type, moved["y"][0][0].device.type, moved["y"][1].x.device.type] == ["meta"] * 3
    assert (moved["y"][0][1], moved["y"][1].more) == (3, "text")
    assert isinstance(moved["y"], list)
    assert isinstance(moved["y"][0], tuple)


def test_a_pass_over_the_data_is_an_epoch():
    class Counted:
        passes = 0

        def __len__(self):
            return 2

        def __iter__(self):
            self.passes += 1
            return iter(batches(count=2, seed=self.passes))

    data = Counted()
    fit(network(), regress, data, quiet(epochs=3))
    assert data.passes == 3


# --- modes


def test_steps_run_in_training_and_evaluation_in_eval_without_gradient():
    modes = []

    def step(model, batch):
        modes.append(("step", all(m.training for m in model.modules()), torch.is_grad_enabled()))
        return regress(model, batch)

    def evaluate(model):
        modes.append(("evaluate", any(m.training for m in model.modules()), torch.is_grad_enabled()))

    fit(network(), step, batches(count=2), quiet(epochs=2), evaluate=evaluate)
    assert modes == [("step", True, True), ("step", True, True), ("evaluate", False, False)] * 2


def test_the_model_comes_back_in_eval_mode():
    model = network()
    fit(model, regress, batches(), quiet())
    assert not any(module.training for module in model.modules())


def failing_after(count, error):
    seen = []

    def step(model, batch):
        seen.append(parameters(model))
        if len(seen) > count:
            raise error
        return regress(model, batch)

    return step, seen


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")])
def test_an_interrupt_passes_through_and_keeps_what_was_learnt(error):
    model = network()
    before = parameters(model)
    step, seen = failing_after(4, error)
    with pytest.raises(type(error)):
        fit(model, step, batches(), quiet())
    assert not any(module.training for module in model.modules())
    for now, last, first in zip(parameters(model), seen[-1], before, strict=True):
        assert torch.equal(now, last)
        assert not torch.equal(now, first)


def test_a_failing_evaluation_leaves_eval_mode():
    model = network()

    def evaluate(model):
        raise RuntimeError("no test data")

    with pytest.raises(RuntimeError, match="no test data"):
        fit(model, regress, batches(), quiet(), evaluate=evaluate)
    assert not any(module.training for module in model.modules())


# --- numbers that are none


def poisoned(bad, at):
    seen = []

    def step(model, batch):
        seen.append(parameters(model))
        loss = regress(model, batch)
        return loss * bad if len(seen) > at else loss

    return step, seen


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_before_it_does_harm(bad):
    model = network()
    step, seen = poisoned(bad, at=8)
    with pytest.raises(ValueError, match=rf"the loss must stay finite, got {bad} in epoch 2; .* last good parameters"):
        fit(model, step, batches(), quiet())
    assert len(seen) == 9
    assert not any(module.training for module in model.modules())
    for now, last in zip(parameters(model), seen[-1], strict=True):
        assert torch.isfinite(now).all()
        assert torch.equal(now, last)
    assert not torch.equal(seen[-1][0], seen[-2][0])


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_no_number_stops_before_it_does_harm(clip_norm):
    """The root of 0 is a finite loss with an infinite slope."""
    model = network()
    before = parameters(model)

    def step(model, batch):
        weight = model[0].weight
        return regress(model, batch) + (weight - weight.detach()).abs().sqrt().sum()

    with pytest.raises(ValueError, match="the gradient must stay finite, got nan in epoch 1; .* last good parameters"):
        fit(model, step, batches(), quiet(clip_norm=clip_norm))
    for now, last in zip(parameters(model), before, strict=True):
        assert torch.equal(now, last)


# --- what is printed


def test_progress_is_plain_text_on_standard_output(capfd):
    fit(network(), regress, batches(), quiet(epochs=2, progress=True))
    out, err = capfd.readouterr()
    assert err == ""
    assert "12/12" in out
    assert "step/s" in out
    assert "epoch 2, loss " in out
    assert "\x1b" not in out
    assert "</" not in out  # no HTML of a widget


def test_without_progress_nothing_is_printed(capfd):
    fit(network(), regress, batches(), quiet(progress=False), evaluate=lambda model: 0.5)
    assert capfd.readouterr() == ("", "")


def test_progress_says_the_loss_of_the_epoch(capfd):
    history = fit(network(), regress, batches(), quiet(epochs=1, progress=True))
    assert f"epoch 1, loss {history.loss[0]:.3f}" in capfd.readouterr().out


# --- what is refused


def configured(**changes):
    return lambda: TrainConfig(**changes)


def fitted(model=None, step=regress, data=None, **changes):
    return lambda: fit(model or network(), step, batches() if data is None else data, quiet(**changes))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (configured(epochs=0), ValueError, "epochs must be at least 1, got 0"),
        (configured(epochs=1.5), TypeError, "epochs must be an integer, got float"),
        (configured(lr=0.0), ValueError, "lr must be a finite number above zero, got 0.0"),
        (configured(lr=math.nan), ValueError, "lr must be a finite number above zero, got nan"),
        (configured(lr="fast"), TypeError, "lr must be a number above zero, got str"),
        (configured(weight_decay=-0.1), ValueError, r"weight_decay must lie in \[0.0, inf\], got -0.1"),
        (configured(warmup=1.1), ValueError, r"warmup must lie in \[0.0, 1.0\], got 1.1"),
        (configured(warmup=None), TypeError, r"warmup must be a number in \[0.0, 1.0\], got NoneType"),
        (configured(clip_norm=0.0), ValueError, "clip_norm must be a finite number above zero, got 0.0"),
        (configured(clip_norm=True), TypeError, "clip_norm must be a number above zero, got bool"),
        (
            configured(precision="float16"),
            ValueError,
            r"precision must be one of \['float32', 'bfloat16'\], got 'float16'",
        ),
        (fitted(data=iter([])), TypeError, "data must have a length, got list_iterator"),
        (fitted(data=(x for x in batches())), TypeError, "data must have a length, got generator"),
        (fitted(data=[]), ValueError, "data must hold at least one batch, got none"),
        (fitted(step=lambda model, batch: model(batch[0])), TypeError, r"scalar tensor, got shape \(16, 1\)"),
        (
            fitted(step=lambda model, batch: model(batch[0])[:, 0]),
            TypeError,
            r"scalar tensor, got shape \(16,\); average",
        ),
        (fitted(step=lambda model, batch: regress(model, batch).item()), TypeError, "scalar tensor, got float"),
        (fitted(step=lambda model, batch: None), TypeError, "step must return a scalar tensor, got NoneType"),
        (
            fitted(step=lambda model, batch: regress(model, batch).detach()),
            ValueError,
            "depends on the model's parameters",
        ),
        (fitted(model=nn.ReLU()), ValueError, "model must have a parameter that requires a gradient, got none"),
        (
            fitted(model=network().requires_grad_(False)),
            ValueError,
            "model must have a parameter that requires a gradient",
        ),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(AttributeError):
        quiet().lr = 1.0


def test_what_is_refused_is_refused_before_the_first_step():
    steps = []
    handle = register_optimizer_step_post_hook(lambda *_: steps.append(1))
    try:
        for call in (fitted(data=[]), fitted(model=nn.ReLU()), fitted(step=lambda model, batch: None)):
            with pytest.raises((TypeError, ValueError)):
                call()
    finally:
        handle.remove()
    assert steps == []
