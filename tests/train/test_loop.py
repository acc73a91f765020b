import math
from collections import namedtuple

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from comm_lite.train import History, PlateauWarning, TrainConfig, fit
from comm_lite.train.runtime import Runtime


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


def test_every_sample_of_an_epoch_counts_once():
    x = torch.arange(100.0)[:, None] * torch.ones(4)
    model = nn.Linear(4, 1)
    seen = []

    def step(model, batch):
        seen.append((len(batch[0]["x"]), batch[0]["x"].mean().item()))
        return 0 * model(batch[0]["x"]).sum() + batch[0]["x"].mean()

    history = fit(model, step, [({"x": x[:99]}, "name"), ({"x": x[99:]}, "name")], quiet(epochs=1))
    assert seen == [(99, 49.0), (1, 99.0)]
    assert history.loss == [pytest.approx(49.5)]


def test_past_its_end_the_schedule_stays_at_its_end(steps):
    class Longer(list):
        def __len__(self):
            return 4

    fit(network(), regress, Longer(batches(count=12)), quiet(epochs=1, warmup=0.25))
    rates = [step["lr"][0] for step in steps]
    assert len(rates) == 12 and rates[4:] == pytest.approx([0.0] * 8, abs=1e-9) and rates[3] > 1e-3


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
    x = torch.ones(2)
    run = Runtime(network(), quiet())
    run.device = torch.device("meta")
    moved = run.move({"x": x, "y": [(x, 3), Named(x, "text")]})
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


@pytest.mark.parametrize("training", [True, False])
def test_every_module_comes_back_in_the_mode_it_had(training):
    model, seen = network().train(training), []

    def step(model, batch):
        seen.append(model.training)
        return regress(model, batch)

    fit(model, step, batches(), quiet(), evaluate=lambda model: None)
    assert {module.training for module in model.modules()} == {training}
    assert seen == [True] * 12


def test_a_normalisation_that_the_caller_froze_does_not_drift():
    for root_in_eval in (False, True):
        model = network()
        model[1].eval().requires_grad_(False)
        if root_in_eval:
            model.eval()
        before = [value.clone() for value in model[1].state_dict().values()]
        fit(model, regress, batches(), quiet())
        for now, then in zip(model[1].state_dict().values(), before, strict=True):
            assert torch.equal(now, then)
        assert model.training is not root_in_eval and not model[1].training


def test_dropout_inside_a_frozen_tower_stays_off():
    tower = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).requires_grad_(False)
    model = nn.Sequential(tower, nn.Dropout(0.1), nn.Linear(4, 1)).eval()
    seen = []

    def step(model, batch):
        seen.append([module.training for module in (model, tower, tower[1], model[1])])
        return regress(model, batch)

    fit(model, step, batches(count=1), quiet(epochs=1))
    assert seen == [[True, False, False, True]]


def test_layout_is_the_callers():
    class Cubes(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.cube = nn.Conv2d(3, 4, 3), nn.Conv3d(1, 2, 3)

        def forward(self, x):
            flat = self.conv(x).mean()
            return flat + self.cube(x[:, None]).mean() + self.conv.weight.view(-1).mean()

    model = Cubes()
    strides = [p.stride() for p in model.parameters()]
    fit(model, lambda model, x: model(x), [torch.rand(2, 3, 6, 6)], quiet(epochs=1))
    assert [p.stride() for p in model.parameters()] == strides


# --- the way back


def whole_state(model, *generators):
    """Parameters, buffers and generators, as bits."""
    return [*state(model), torch.get_rng_state(), *(generator.get_state() for generator in generators)]


def optimizer_state(optimizer):
    return [value.clone() for of in optimizer.state.values() for value in of.values()]


def same(one, other):
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def stopped(data, error, match, *, step=regress, seed=0, config=None, **more):
    """Train until ``error``; return the model, the error and what `whole_state` then was."""
    model = network(seed)
    torch.manual_seed(5)
    with pytest.raises(error, match=match) as caught:
        fit(model, step, data, config or quiet(), **more)
    return model, caught.value


def after(count, *, of=12):
    """The whole state after so many of the steps, by a run that nothing disturbs."""
    model, seen = network(), []
    torch.manual_seed(5)

    def step(model, batch):
        seen.append(whole_state(model))
        return regress(model, batch)

    fit(model, step, batches(), quiet(epochs=of // 6))
    seen.append(whole_state(model))
    return seen[count]


def spoilt(at, how):
    """The six batches of an epoch, of which one is bad from the second epoch on."""

    class Data:
        passes = 0

        def __len__(self):
            return 6

        def __iter__(self):
            self.passes += 1
            for number, (x, y) in enumerate(batches()):
                yield how(x, y) if self.passes == 2 and number == at else (x, y)

    return Data()


def not_a_number(x, y):
    return x * math.nan, y


def raising(error):
    def how(x, y):
        raise error

    return how


LATE = r"those after step 9 of 12"


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_refused_batch_leaves_no_mark(bad):
    wanted = rf"the loss must stay finite, got nan in epoch 2; the model keeps its last good parameters, .*{LATE}, so"
    model, error = stopped(spoilt(3, lambda x, y: (x * bad, y)), ValueError, wanted)
    assert same(whole_state(model), after(9))
    assert len(error.history.loss) == 2  # of the second epoch three steps
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory"), SystemExit()])
@pytest.mark.parametrize("where", ["data", "step"])
def test_whatever_is_raised_leaves_the_state_before_the_step(error, where):
    def step(model, batch):
        loss = regress(model, batch)  # buffers have changed, random numbers are drawn
        if batch[0].isnan().any():
            raise error
        return loss

    data = spoilt(3, raising(error) if where == "data" else not_a_number)
    model, caught = stopped(data, type(error), LATE, step=step)
    assert caught is error and same(whole_state(model), after(9))
    assert len(error.history.loss) == len(error.history.seconds) == 2
    assert model.training


@pytest.mark.parametrize("phase", ["backward", "optimizer"])
def test_an_interrupt_in_the_middle_of_a_step_undoes_all_of_it(phase, steps):
    moments = []

    class Interrupt(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("stop")

    def step(model, batch):
        moments.append(optimizer_state(steps[-1]["optimizer"]) if steps else [])
        loss = regress(model, batch)
        return Interrupt.apply(loss) if phase == "backward" and len(moments) == 10 else loss

    def half(optimizer, *_):
        if phase == "optimizer" and len(moments) == 10:
            raise RuntimeError("stop")  # all weights and momenta have changed already

    handle = register_optimizer_step_post_hook(half)
    try:
        model, _ = stopped(batches(), RuntimeError, f"(?s)stop.*{LATE}", step=step)
    finally:
        handle.remove()
    assert len(moments[-1]) == 15 and same(optimizer_state(steps[-1]["optimizer"]), moments[-1])
    assert same(whole_state(model), after(9))


def test_an_optimizer_that_fails_at_its_first_step_has_no_state():
    seen = []

    def fail(optimizer, *_):
        seen.append(optimizer)
        raise RuntimeError("stop")

    model = network()
    torch.manual_seed(5)
    before = whole_state(model)
    handle = register_optimizer_step_post_hook(fail)
    try:
        with pytest.raises(RuntimeError, match=r"(?s)stop.*those after step 0 of 12"):
            fit(model, regress, batches(), quiet())
    finally:
        handle.remove()
    assert same(whole_state(model), before) and optimizer_state(seen[0]) == []


@pytest.mark.parametrize("rate", [1e8, 1e20, 1e30])
@pytest.mark.parametrize("count", [1, 6])
def test_a_step_that_ruins_the_weights_is_undone(rate, count):
    """Its own loss was finite: the weights come to light at the next step, or at the end."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    before = state(model)
    if count == 1 and rate == 1e8:
        fit(model, regress, batches(count=1), quiet(epochs=1, lr=rate, warmup=0.0))  # large, but numbers
        assert all(value.isfinite().all() for value in state(model))
        return
    wanted = rf"must stay finite, got (nan|inf) in epoch 1; .* those after step 0 of {count}, so lower lr"
    with pytest.raises(ValueError, match=wanted):
        fit(model, lambda m, b: regress(m, b) ** 2, batches(count=count), quiet(epochs=1, lr=rate, warmup=0.0))
    assert same(state(model), before)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_no_number_stops_before_it_does_harm(clip_norm):
    """The root of 0 is a finite loss with an infinite slope."""
    model = network()
    before = state(model)

    def step(model, batch):
        weight = model[0].weight
        return regress(model, batch) + (weight - weight.detach()).abs().sqrt().sum()

    with pytest.raises(ValueError, match="the gradient must stay finite, got nan in epoch 1; .* last good parameters"):
        fit(model, step, batches(), quiet(clip_norm=clip_norm))
    assert same(state(model), before)


def test_a_buffer_that_is_no_number_stops_though_the_loss_is_finite():
    """A variance overflows to infinity, what is divided by it is 0: the model would be ruined for any later input."""
    x, y = batches()[0]
    model = network()
    before = state(model)
    with pytest.raises(
        ValueError, match="the buffer running_(mean|var) must stay finite, got inf in epoch 1; .* step 1 of"
    ):
        fit(model, regress, [(x, y), (x * 1e25, y)], quiet(epochs=1))
    assert all(value.isfinite().all() for value in state(model)) and not same(state(model), before)


def test_a_teacher_that_the_step_itself_moves_is_put_back_too():
    model = nn.ModuleDict({"student": nn.Linear(4, 1), "teacher": nn.Linear(4, 1).requires_grad_(False)})
    seen = []

    def step(model, batch):
        seen.append(state(model))
        with torch.no_grad():
            for slow, fast in zip(model["teacher"].parameters(), model["student"].parameters(), strict=True):
                slow.lerp_(fast, 0.5)
        loss = (model["student"](batch[0]) - model["teacher"](batch[0])).square().mean()
        return loss * (math.nan if len(seen) == 5 else 1)

    with pytest.raises(ValueError, match="those after step 4 of 12"):
        fit(model, step, batches(), quiet())
    assert same(state(model), seen[-1]) and not same(state(model), seen[-2])


def test_generators_that_are_handed_over_give_back_their_draws():
    draws, states = torch.Generator().manual_seed(1), []

    def step(model, batch):
        states.append(draws.get_state())
        noise = torch.randn(batch[0].shape, generator=draws)
        return regress(model, (batch[0] + noise, batch[1])) * (math.nan if len(states) == 4 else 1)

    stopped(batches(), ValueError, "those after step 3 of 12", step=step, generators=[draws])
    assert torch.equal(draws.get_state(), states[-1])


def test_an_interrupted_run_tells_its_history():
    whole = fit(network(), regress, batches(), quiet(epochs=3))
    torch.manual_seed(0)
    data, model = batches(), network()
    calls = []

    def step(model, batch):
        calls.append(1)
        if len(calls) == 17:
            raise KeyboardInterrupt
        return regress(model, batch)

    with pytest.raises(KeyboardInterrupt) as stop:
        fit(model, step, data, quiet(epochs=3), evaluate=lambda model: len(calls))
    history = stop.value.history
    assert len(history.loss) == len(history.seconds) == 3 and history.evaluations == [6, 12]
    assert history.loss[0] == whole.loss[0]


def test_a_failing_evaluation_gives_back_modes_and_keeps_the_epoch():
    model = network()

    def evaluate(model):
        raise RuntimeError("no test data")

    with pytest.raises(RuntimeError, match="(?s)no test data.*those after step 6 of 12") as caught:
        fit(model, regress, batches(), quiet(), evaluate=evaluate)
    assert all(module.training for module in model.modules())
    assert len(caught.value.history.loss) == 1


# --- plateaus


@pytest.mark.parametrize(("level", "warns"), [(2.0, True), (2.03, True), (1.97, True), (2.05, False), (1.9, False)])
def test_a_loss_that_stays_at_its_guess_raises_an_alarm(level, warns, recwarn):
    def step(model, batch):
        return 0 * regress(model, batch) + level

    fit(network(), step, batches(), quiet(epochs=4, alarm=0.5), guess=2.0)
    told = [str(warning.message) for warning in recwarn.list if warning.category is PlateauWarning]
    text = f"the loss is {level:.3f} after 50% of the steps, within 2 % of 2.000, that of a model that tells no sample"
    assert [one[: len(text)] for one in told] == ([text] if warns else [])


def test_the_alarm_looks_once_and_late_enough():
    calls = []

    def step(model, batch):
        calls.append(1)
        return 0 * regress(model, batch) + (2.0 if len(calls) < 7 else 1.0)

    fit(network(), step, batches(), quiet(epochs=4, alarm=0.5), guess=2.0)  # it left in time
    with pytest.warns(PlateauWarning, match="after 25% of the steps"):
        calls.clear()
        fit(network(), step, batches(), quiet(epochs=4), guess=2.0)


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


class OnePass:
    def __init__(self):
        self.left = iter(batches())

    def __len__(self):
        return 6

    def __iter__(self):
        return self.left


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
            configured(precision="float8"),
            ValueError,
            r"precision must be one of \['float32', 'bfloat16', 'float16'\], got 'float8'",
        ),
        (fitted(data=iter([])), TypeError, "data must have a length, got list_iterator"),
        (fitted(data=(x for x in batches())), TypeError, "data must have a length, got generator"),
        (fitted(data=[]), ValueError, "data must hold at least one batch, got none"),
        (
            fitted(data=OnePass()),
            ValueError,
            r"(?s)in every pass, got none in epoch 2; an iterator .* after step 6 of 12",
        ),
        (configured(alarm=2.0), ValueError, r"alarm must lie in \[0.0, 1.0\], got 2.0"),
        (lambda: fit(network(), regress, batches(), quiet(), guess=0.0), ValueError, "guess must be a finite number"),
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
