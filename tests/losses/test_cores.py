"""A training step waits for nothing: no core looks at a value, arguments are checked once, a graph has no break."""

import math
from collections import Counter

import pytest
import torch
from loss_cases import CASES, draw
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from comm_lite import _check
from comm_lite.bounds import SeparableCritic, club, donsker_varadhan, info_nce_bound, nwj, smile
from comm_lite.losses import FactorCL, comm_loss, cosine, info_nce, nt_xent, supcon_loss
from comm_lite.losses.infonce import cosine_core, info_nce_core, nt_xent_core


class Looks(TorchDispatchMode):
    """Counts what makes the program wait for a device: a number read, or a shape that depends on numbers."""

    WAITING = ("aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.equal", "aten.unique")

    def __init__(self):
        super().__init__()
        self.count = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        indexed = name.startswith("aten.index.") and any(i is not None and i.dtype == torch.bool for i in args[1])
        if name.startswith(self.WAITING) or indexed:
            self.count[name] += 1
        return function(*args, **(kwargs or {}))


def forward_and_backward(call, tensors, temperature):
    loss = call([t.requires_grad_() for t in tensors], temperature)
    loss.backward()
    assert all(t.grad is not None for t in tensors)
    return loss.detach()


CORES = {
    "cosine_core": lambda z, t: (cosine_core(*z) / t).logsumexp(1).sum(),
    "info_nce_core": lambda z, t: info_nce_core(*z, temperature=t),
    "nt_xent_core": lambda z, t: nt_xent_core(*z, temperature=t),
}
PUBLIC = {str(case): (case.ours, case.tensors) for case in CASES} | {
    "supcon_loss": (lambda z, t: supcon_loss(z[0], torch.arange(3).repeat(2)[: len(z[0])], temperature=t), 1),
}
SCORED = [info_nce_bound, nwj, donsker_varadhan, smile, club]


@pytest.fixture
def on_a_device(monkeypatch):
    """As on a GPU: values may not be looked at."""
    monkeypatch.setattr(_check, "values_of", lambda value: False)


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("call", CORES.values(), ids=CORES)
def test_a_core_runs_forward_and_backward_on_tensors_without_values(call, learnt):
    with FakeTensorMode():
        temperature = torch.tensor(0.1, requires_grad=True) if learnt else 0.1
        loss = forward_and_backward(call, [torch.randn(6, 4), torch.randn(6, 4)], temperature)
        assert loss.shape == () and (not learnt or temperature.grad is not None)


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize(("call", "tensors"), PUBLIC.values(), ids=PUBLIC)
def test_a_loss_runs_on_tensors_without_values_where_none_may_be_looked_at(call, tensors, learnt, on_a_device):
    with FakeTensorMode():
        temperature = torch.tensor(0.1, requires_grad=True) if learnt else 0.1
        forward_and_backward(call, [torch.randn(6, 4) for _ in range(tensors)], temperature)


@pytest.mark.parametrize("bound", SCORED)
def test_a_bound_runs_on_tensors_without_values(bound, on_a_device):
    with FakeTensorMode():
        forward_and_backward(lambda z, _: bound(z[0]), [torch.randn(6, 6)], None)


def test_the_guard_notices_a_look():
    with FakeTensorMode(), pytest.raises(Exception, match="(?i)data.dependent|_local_scalar_dense"):
        nt_xent(torch.randn(6, 4), torch.randn(6, 4))  # on the CPU, where values are checked
    with Looks() as looks:
        nt_xent(torch.randn(6, 4), torch.randn(6, 4))
    assert looks.count["aten._local_scalar_dense.default"] == 4  # finite, and no row of zeros, of two tensors


@pytest.mark.parametrize(("call", "tensors"), PUBLIC.values(), ids=PUBLIC)
def test_a_loss_looks_twice_at_each_tensor_on_the_cpu_and_never_elsewhere(call, tensors, monkeypatch):
    z = [t.float() for t in draw(CASES[0], 6, 4) * 4][:tensors]
    with Looks() as looks:
        call(z, 0.1)
    extra = 1 if call is PUBLIC["supcon_loss"][0] else 0  # whether a label comes twice
    assert sum(looks.count.values()) == 2 * tensors + extra
    monkeypatch.setattr(_check, "values_of", lambda value: False)
    with Looks() as looks:
        forward_and_backward(call, z, torch.tensor(0.1, requires_grad=True))
    assert not looks.count


def test_factorcl_looks_at_nothing_in_its_loss_and_in_the_step_of_its_critics(on_a_device, monkeypatch):
    monkeypatch.setattr(torch.optim.Adam, "step", lambda self: None)  # it reads its count of steps, kept on the CPU
    objective = FactorCL(("a", "b"), 4, out=3, hidden=5)
    first, second = ({name: torch.randn(6, 4) for name in "ab"} for _ in range(2))
    with Looks() as looks:
        objective.fit_critics(first, second)
        objective(first, second).backward()
    assert not looks.count


def test_supcon_without_a_pair_is_undefined_where_labels_are_not_looked_at(on_a_device):
    assert math.isnan(supcon_loss(torch.eye(3), torch.arange(3)))


@pytest.mark.parametrize("learnt", [False, True])
def test_comm_loss_compiles_into_one_graph_and_stays_the_same(learnt):
    generator = torch.Generator().manual_seed(0)
    z = [torch.randn(6, 4, generator=generator).requires_grad_() for _ in range(6)]
    temperature = torch.tensor(0.2, requires_grad=True) if learnt else 0.2
    given = [*z, temperature] if learnt else z

    def loss(z, t):
        return comm_loss(z[0], z[1], {"a": z[2], "b": z[3]}, {"a": z[4], "b": z[5]}, temperature=t)

    eager = loss(z, temperature)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(z, temperature)
    torch.testing.assert_close(compiled, eager)
    for a, b in zip(torch.autograd.grad(compiled, given), torch.autograd.grad(eager, given), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("length", [1e-40, 1e-13, 1e-8, 1.0, 1e8, 1e20, 3e38])
def test_rows_of_any_length_have_a_direction(length):
    rows = torch.tensor([[0.6, 0.8, 0.0], [0.0, 1.0, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, -1.0]])
    tolerance = 1e-4 if length < 1e-38 else 1e-6  # subnormal numbers have few digits
    torch.testing.assert_close(cosine(length * rows, rows), rows @ rows.T, rtol=0, atol=tolerance)
    perfect = info_nce(length * torch.eye(4), length * torch.eye(4), temperature=0.1)
    assert perfect.item() == pytest.approx(math.log1p(3 * math.exp(-10)), rel=1e-3)


def test_the_gradient_falls_with_the_length_of_a_row():
    unit = torch.nn.functional.normalize(draw(CASES[0], dtype=torch.float32)[0], dim=1)
    slopes = []
    for length in (1e-13, 1.0, 1e20):
        z = (length * unit).requires_grad_()
        info_nce(z, unit.flip(0), temperature=0.5).backward()
        slopes.append(length * z.grad)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(slopes[2], slopes[1], rtol=1e-4, atol=1e-6)
    dead = torch.zeros(2, 3, requires_grad=True)
    cosine(dead, torch.ones(2, 3)).sum().backward()
    assert not dead.grad.any()


@pytest.mark.parametrize(("call", "tensors"), PUBLIC.values(), ids=PUBLIC)
@pytest.mark.parametrize("edge", [1e-18, 1e18])
def test_the_loss_and_its_gradients_stay_finite_at_the_edges_of_the_temperature(call, tensors, edge):
    z = [t.float() for t in draw(CASES[0], 6, 4) * 4][:tensors]
    temperature = torch.tensor(edge, requires_grad=True)
    loss = forward_and_backward(call, z, temperature)
    assert math.isfinite(loss) and math.isfinite(temperature.grad) and all(t.grad.isfinite().all() for t in z)
    for beyond in (edge**2.2, torch.tensor(edge**2)):
        with pytest.raises(ValueError, match=r"must (lie in \[1e-18, 1e\+18\], got .*; the loss|be a finite number)"):
            call(z, beyond)


@pytest.mark.parametrize("bad", [torch.tensor(True), torch.tensor(1j), torch.ones(1)])
def test_a_temperature_that_is_not_looked_at_still_has_a_type(bad, on_a_device):
    with pytest.raises(TypeError, match=r"temperature must be a number above zero, got .*; pass a float"):
        nt_xent(torch.eye(4), torch.eye(4), temperature=bad)


def test_the_switch_looks_on_every_device(monkeypatch):
    z = torch.full((4, 3), math.nan, device="meta")
    assert not _check.values_of(z) and _check.values_of(torch.eye(2))
    with _check.check_values():
        assert _check.values_of(z)
    assert not _check.values_of(z)


@pytest.mark.parametrize(("call", "tensors"), PUBLIC.values(), ids=PUBLIC)
@pytest.mark.parametrize("one", [torch.float16, torch.bfloat16, torch.float64])
def test_of_two_precisions_the_higher_counts(call, tensors, one):
    z = [t.float() for t in draw(CASES[0], 6, 4) * 4][:tensors]
    z[-1] = z[-1].to(one)
    found = call(z, 0.3)
    assert found.dtype == (torch.float64 if one == torch.float64 else torch.float32)
    torch.testing.assert_close(found, call([t.to(found.dtype) for t in z], 0.3), rtol=1e-6, atol=1e-7)


def test_cosine_and_critics_take_mixed_precisions_and_refuse_mixed_widths():
    assert cosine(torch.eye(2).double(), torch.eye(2)).dtype == torch.float64
    assert cosine(torch.eye(2).half(), torch.eye(2).bfloat16()).dtype == torch.float32
    torch.manual_seed(0)
    critic, x = SeparableCritic(3, 3), torch.randn(5, 3)
    torch.testing.assert_close(critic(x.double(), x), critic(x, x))
    for wrong in (torch.ones(2, 3), torch.ones(2, 0)):
        with pytest.raises(ValueError, match=r"b must have the width of a, at least 1, wanted .*, got .; project both"):
            cosine(torch.ones(2, wrong.shape[1] and 2), wrong)
