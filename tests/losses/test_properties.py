"""What every contrastive loss must do; the cases and the loops they are compared with are in ``loss_cases``."""

import math

import pytest
import torch
from loss_cases import CASES, draw
from torch.autograd import grad, gradcheck

every_loss = pytest.mark.parametrize("case", CASES, ids=str)


def test_every_public_loss_has_a_case():
    from comm_lite import losses

    wanted = {name for name in losses.__all__ if name.endswith("_loss")} | {"info_nce", "nt_xent"}
    wanted -= {"supcon_loss"}  # takes labels: tests/losses/test_supcon.py
    assert {case.name.split(",")[0] for case in CASES} == wanted


@every_loss
@pytest.mark.parametrize("temperature", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("n", [2, 5])
def test_equals_the_loops_in_value_and_gradient(case, temperature, n):
    z = [t.requires_grad_() for t in draw(case, n)]
    ours, loops = case.ours(z, temperature), case.loops(z, temperature)
    torch.testing.assert_close(ours, loops, rtol=1e-10, atol=1e-12)
    for a, b in zip(grad(ours, z), grad(loops, z), strict=True):
        assert b.abs().max() > 0
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@every_loss
def test_gradient_equals_finite_differences(case):
    z = [t.requires_grad_() for t in draw(case, 3, 3)]
    temperature = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t, *z: case.ours(list(z), t), (temperature, *z))


@every_loss
def test_a_learnt_temperature_gets_its_gradient(case):
    # At the guess all logits are equal, so the temperature does not matter there; anywhere else it does.
    temperature = torch.tensor(0.3, requires_grad=True)
    case.ours(draw(case, dtype=torch.float32), temperature).backward()
    assert temperature.grad.abs() > 1e-3


@every_loss
@pytest.mark.parametrize("n", [2, 8, 33])
def test_collapse_costs_as_much_as_guessing(case, n):
    z = [torch.full((n, 3), 0.7)] * case.tensors
    assert case.ours(z, 0.1).item() == pytest.approx(case.guessing(n), rel=1e-6)


@every_loss
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_orthonormal_embeddings_have_a_closed_form(case, temperature):
    # The positive has cosine 1 and all other candidates 0.
    n = 6
    each = math.log1p((case.candidates(n) - 1) * math.exp(-1 / temperature))
    z = [torch.eye(n, dtype=torch.float64)] * case.tensors
    assert case.ours(z, temperature).item() == pytest.approx(case.weight * each, rel=1e-12)


@every_loss
def test_orders_of_the_tensors(case):
    z = draw(case)
    value = case.ours(z, 0.2).item()
    for order in case.same:
        assert case.ours([z[i] for i in order], 0.2).item() == pytest.approx(value, rel=1e-12), order
    for order in case.other:
        assert abs(case.ours([z[i] for i in order], 0.2).item() - value) > 1e-3, order


@every_loss
def test_batch_order_does_not_matter(case):
    z = draw(case, 7)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    value = case.ours(z, 0.2).item()
    assert case.ours([t[order] for t in z], 0.2).item() == pytest.approx(value, rel=1e-12)
    # The pairing does: one tensor alone in another order is another loss.
    assert abs(case.ours([z[0][order], *z[1:]], 0.2).item() - value) > 1e-3


@every_loss
def test_length_of_the_embeddings_does_not_matter(case):
    z = draw(case)
    value = case.ours(z, 0.2).item()
    stretched = [t * torch.logspace(-3, 3, len(t), dtype=t.dtype)[:, None] for t in z]
    assert case.ours(stretched, 0.2).item() == pytest.approx(value, rel=1e-10)


@every_loss
def test_twenty_steps_of_descent(case):
    z = [t.requires_grad_() for t in draw(case, 16, 8, dtype=torch.float32)]
    optimizer = torch.optim.SGD(z, lr=2.0)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = case.ours(z, 0.5)
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert all(later < earlier for earlier, later in zip(values, values[1:], strict=False))
    assert values[-1] < values[0] - 0.5 * case.weight * math.log(2)  # half a bit a term, not just rounding


@every_loss
def test_a_cold_temperature_stays_finite_where_the_naive_form_overflows(case):
    z = draw(case, dtype=torch.float32)
    assert not math.isfinite(case.loops(z, 1e-3).item())
    z = [t.requires_grad_() for t in z]
    loss = case.ours(z, 1e-3)
    assert math.isfinite(loss.item())
    assert all(g.isfinite().all() for g in grad(loss, z))
    # In the limit, temperature times loss is the mean gap to the hardest candidate, at any temperature.
    torch.testing.assert_close(loss * 1e-3, case.ours(z, 1e-4) * 1e-4, rtol=2e-3, atol=2e-3)


@every_loss
def test_a_hot_temperature_is_a_guess(case):
    z = draw(case, dtype=torch.float32)
    assert case.ours(z, 1e3).item() == pytest.approx(case.guessing(5), abs=5e-3)


@every_loss
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_input_is_computed_in_float32(case, dtype):
    z = draw(case, 16, 8, dtype=dtype)
    loss = case.ours(z, 0.1)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, case.ours([t.float() for t in z], 0.1), rtol=0, atol=0)
    assert all(g.dtype == dtype for g in grad(case.ours([t.requires_grad_() for t in z], 0.1), z))


@every_loss
def test_autocast_does_not_lower_the_precision(case):
    z = draw(case, 16, 8, dtype=torch.float32)
    outside = case.ours(z, 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (z[0] @ z[0].T).dtype == torch.bfloat16
        torch.testing.assert_close(case.ours(z, 0.1), outside, rtol=0, atol=0)


@every_loss
def test_inputs_are_left_as_they_were(case):
    z = draw(case)
    before = [t.clone() for t in z]
    case.ours(z, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(z, before, strict=True))
