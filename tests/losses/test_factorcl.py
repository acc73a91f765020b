"""FactorCL: its six terms beside plain loops and known information, their signs, and which gradient reaches what."""

import copy
import math

import pytest
import torch
from factorcl_cases import LOWER, UPPER, draw, loops, objective

from comm_lite.losses import FactorCL
from comm_lite.losses.factorcl import _club, _nce


def test_the_terms_are_the_bounds_in_loops_and_the_loss_counts_each_once():
    of, (x, x_plus) = objective(temperature=0.5, hidden=4), draw(4)
    wanted = loops(of, x, x_plus)
    found = of.terms(x, x_plus)
    assert found.keys() == wanted.keys()
    for term, value in wanted.items():
        torch.testing.assert_close(found[term], value)
        assert abs(value) > 1e-3, term  # a term of 0 could have any sign
    loss = of(x, x_plus)
    torch.testing.assert_close(loss, -sum(wanted[t] for t in LOWER) + sum(wanted[t] for t in UPPER))
    assert of.last == {term: value.detach() for term, value in found.items()}


@pytest.mark.parametrize("term", LOWER + UPPER)
def test_the_slope_of_the_loss_on_the_heads_of_a_term_is_that_of_the_term_with_its_sign(term):
    # Written without the total: a head serves one term, so a step down the loss must raise a lower bound, and lower
    # an upper one.
    of, (x, x_plus) = objective(temperature=0.5), draw(16)
    side = 1 if term == "unique_second" else 0
    weight = of.heads[side]["unique" if term in ("unique_first", "unique_second") else term].weight
    before = of.terms(x, x_plus)[term].item()
    (slope,) = torch.autograd.grad(of(x, x_plus), weight)
    with torch.no_grad():
        weight -= 1e-2 * slope / slope.norm()
    change = of.terms(x, x_plus)[term].item() - before
    assert change > 1e-4 if term in LOWER else change < -1e-4


def test_the_bounds_enclose_a_known_information():
    n, p = 512, 0.9  # two noisy copies of a fair coin; the best critic is the pointwise mutual information
    g = torch.Generator().manual_seed(0)
    truth = math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)
    lower, upper = [], []
    for _ in range(40):
        x = torch.rand(n, generator=g) < 0.5
        y = x ^ (torch.rand(n, generator=g) >= p)
        scores = torch.where(x[:, None] == y[None, :], math.log(2 * p), math.log(2 * (1 - p)))
        lower.append(_nce(scores)), upper.append(_club(scores))
    jeffreys = (2 * p - 1) / 2 * math.log(p / (1 - p))  # what the upper bound is in closed form
    assert torch.stack(lower).mean() < truth + 0.01 < torch.stack(upper).mean()
    assert torch.stack(upper).mean().item() == pytest.approx(jeffreys, abs=0.02)


def test_the_loss_moves_no_critic_of_an_upper_bound_and_the_fit_nothing_else():
    of, (x, x_plus) = objective(), draw(32)
    for z in [*x.values(), *x_plus.values()]:
        z.requires_grad_()
    of(x, x_plus).backward()
    for name, weight in of.named_parameters():
        upper = name.startswith(tuple(f"critics.{term}." for term in UPPER))
        assert weight.requires_grad is not upper
        assert upper == (weight.grad is None), name
    assert all(z.grad.any() for z in [*x.values(), *x_plus.values()])
    slopes = {name: weight.grad.clone() for name, weight in of.named_parameters() if weight.grad is not None}
    before = copy.deepcopy(of.state_dict())
    assert of.fit_critics(x, x_plus) is None
    for name, weight in of.named_parameters():
        upper = name.startswith(tuple(f"critics.{term}." for term in UPPER))
        assert torch.equal(weight, before[name]) is not upper, name
        assert weight.requires_grad is not upper
        assert weight.grad is None if upper else torch.equal(weight.grad, slopes[name])


def test_fitting_finds_what_two_heads_share():
    of, (x, x_plus) = objective(critic_steps=100, critic_lr=5e-3), draw(16)
    x["b"], x_plus["b"] = x["a"].clone(), x_plus["a"].clone()
    before = of.terms(x, x_plus)
    of.fit_critics(x, x_plus)
    after = of.terms(x, x_plus)
    for term in UPPER:
        assert after[term] > before[term] + 2
    for term in LOWER:
        assert torch.equal(after[term], before[term])


def test_the_condition_is_the_other_view_and_not_the_same_one():
    of, (x, x_plus) = objective(), draw(32)
    ours, defect = of.terms(x, x_plus), of.terms(x, x)  # the authors' code shows a row beside itself
    for name in ("shared_given_views", "unique_given_views"):
        assert ours[name] != defect[name]
    for name in ("shared", "unique_between"):
        assert torch.equal(ours[name], defect[name])


def test_the_order_of_a_dictionary_and_of_the_batch_changes_nothing():
    of, (x, x_plus) = objective(), draw(16)
    loss, z = of(x, x_plus), of.represent(x)
    turned = [{"b": of_["b"], "a": of_["a"]} for of_ in (x, x_plus)]
    assert torch.equal(of(*turned), loss) and torch.equal(of.represent(turned[0]), z)
    twin = copy.deepcopy(of)
    of.fit_critics(x, x_plus), twin.fit_critics(*turned)
    assert all(torch.equal(a, b) for a, b in zip(of.parameters(), twin.parameters(), strict=True))
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    mixed = [{name: z[order] for name, z in of_.items()} for of_ in (x, x_plus)]
    torch.testing.assert_close(of(*mixed), of(x, x_plus))
    assert of(x_plus, {"a": x["b"], "b": x["a"]}) != of(x_plus, x)


def test_the_representation_is_all_heads_side_by_side():
    of, (x, _) = objective(), draw()
    z = of.represent(x)
    assert z.shape == (6, 2 * 5 * 3)
    torch.testing.assert_close(z[:, :3], of.heads[0]["shared"](x["a"]))
    torch.testing.assert_close(z[:, -3:], of.heads[1]["unique_given_views"](x["b"]))


@pytest.mark.parametrize("temperature", [1e-3, 100.0])
def test_extreme_temperatures_and_half_precision_stay_finite(temperature):
    of, given = objective(temperature=temperature), draw(16)
    assert torch.isfinite(of(*given))
    with torch.autocast("cpu", torch.bfloat16):
        of.fit_critics(*given)
        assert torch.isfinite(of(*given))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_representations_of_another_precision_are_compared_in_that_of_the_critics(dtype):
    of, given = objective(), draw(16)
    given = [{k: z.to(dtype).requires_grad_() for k, z in view.items()} for view in given]
    of.fit_critics(*given)
    loss = of(*given)
    assert loss.dtype == torch.float32
    exact = of(*({k: z.detach().float() for k, z in view.items()} for view in given))
    torch.testing.assert_close(loss, exact, rtol=0, atol=1e-5)
    loss.backward()
    assert all(z.grad.dtype == dtype and torch.isfinite(z.grad).all() for view in given for z in view.values())


@pytest.mark.parametrize("call", ["forward", "fit_critics", "terms"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x: {"a": x["a"]}, r"first must name the modalities of FactorCL, wanted \['a', 'b'\], got \['a'\]"),
        (lambda x: {**x, "c": x["a"]}, r"first must name the modalities of FactorCL, wanted .* got \['a', 'b', 'c'\]"),
        (lambda x: {k: z * math.nan for k, z in x.items()}, r"first\['a'\] must be finite"),
        (lambda x: {k: z[:, :3] for k, z in x.items()}, r"must have the shape of"),
    ],
)
def test_wrong_input_is_refused(change, text, call):
    x, x_plus = draw()
    with pytest.raises(ValueError, match=text):
        getattr(objective(), call)(change(x), x_plus)


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="representations must have width 5, got 4; build FactorCL with theirs"):
        objective(5)(*draw())
    for names in ("abc", "a", "aa"):
        with pytest.raises(ValueError, match=r"modalities must name two, got \[.*\]; FactorCL is defined for pairs"):
            FactorCL(list(names), 4)
    for name in ("out", "hidden", "critic_steps"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            objective(**{name: 0})
    for name in ("temperature", "critic_lr"):
        with pytest.raises(ValueError, match=f"{name} must be a finite number above zero"):
            objective(**{name: 0.0})
