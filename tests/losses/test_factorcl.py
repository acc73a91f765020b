"""FactorCL: its six terms beside plain loops and known information, their signs, and what it keeps when trained."""

import copy
import math

import pytest
import torch
from loss_cases import loop_cosine
from torch import nn

from comm_lite.losses import FactorCL
from comm_lite.losses.factorcl import _club, _nce

NAMES = ("a", "b")
LOWER = ("shared", "unique_first", "unique_second", "unique_given_views")
UPPER = ("shared_given_views", "unique_between")


def objective(dim=4, seed=0, **settings):
    torch.manual_seed(seed)
    return FactorCL(NAMES, dim, **{"out": 3, "hidden": 8, **settings})


def draw(n=6, d=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [{name: torch.randn(n, d, generator=g) for name in NAMES} for _ in range(2)]


def loop_nce(f):
    n, total = len(f), 0.0
    for i in range(n):
        row = sum(torch.exp(f[i][j]) for j in range(n))
        column = sum(torch.exp(f[j][i]) for j in range(n))
        total = total + torch.log(torch.exp(f[i][i]) / row) + torch.log(torch.exp(f[i][i]) / column)
    return math.log(n) + total / (2 * n)


def loop_club(f):
    n = len(f)
    return sum(f[i][i] for i in range(n)) / n - sum(f[i][j] for i in range(n) for j in range(n)) / n**2


def loop_scores(of, term, left, right):
    """Each argument: rows of (representation, head) parts, which the critic sees side by side."""
    critic, scores = of.critics[term], []
    sides = [torch.cat([head(z) for z, head in parts], dim=1) for parts in (left, right)]
    u, v = critic.left(sides[0]), critic.right(sides[1])
    for i in range(len(u)):
        scores.append([loop_cosine(u[i], v[j]) / critic.temperature for j in range(len(v))])
    return scores


def loops(of, x, x_plus):
    """The six terms, each spelt out."""
    a, b = of.heads
    return {
        "shared": loop_nce(loop_scores(of, "shared", [(x["a"], a["shared"])], [(x["b"], b["shared"])])),
        "shared_given_views": loop_club(
            loop_scores(
                of,
                "shared_given_views",
                [(x["a"], a["shared_given_views"]), (x_plus["a"], a["shared_given_views"])],
                [(x["b"], b["shared_given_views"]), (x_plus["b"], b["shared_given_views"])],
            )
        ),
        "unique_first": loop_nce(
            loop_scores(of, "unique_first", [(x["a"], a["unique"])], [(x_plus["a"], a["unique"])])
        ),
        "unique_second": loop_nce(
            loop_scores(of, "unique_second", [(x["b"], b["unique"])], [(x_plus["b"], b["unique"])])
        ),
        "unique_between": loop_club(
            loop_scores(of, "unique_between", [(x["a"], a["unique_between"])], [(x["b"], b["unique_between"])])
        ),
        "unique_given_views": loop_nce(
            loop_scores(
                of,
                "unique_given_views",
                [(x["a"], a["unique_given_views"]), (x_plus["a"], a["unique_given_views"])],
                [(x["b"], b["unique_given_views"]), (x_plus["b"], b["unique_given_views"])],
            )
        ),
    }


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


KINDS, WIDTH = 10, 16


def shapes_and_textures(shape, texture, tables, g):
    """Two vectors that show one shape and a texture each; the sign of a vector and its noise are new in every view."""
    views = {}
    for k, name in enumerate(NAMES):
        x = tables[0, k][shape] + tables[1, k][texture[k]]
        sign = 1 - 2.0 * torch.randint(2, (len(x), 1), generator=g)
        views[name] = sign * x + 0.5 * torch.randn(x.shape, generator=g)
    return views


def read_linearly(z, label, train=500):
    """Accuracy in per cent of least squares on the held-out rows."""
    z = torch.cat([(z - z[:train].mean(0)) / z[:train].std(0), torch.ones(len(z), 1)], dim=1).double()
    told = nn.functional.one_hot(label, KINDS).double()
    weights = torch.linalg.solve(z[:train].T @ z[:train] + torch.eye(z.shape[1]), z[:train].T @ told[:train])
    return 100 * ((z[train:] @ weights).argmax(1) == label[train:]).float().mean().item()


def test_trained_on_planted_parts_it_keeps_what_is_shared_and_what_is_unique():
    g = torch.Generator().manual_seed(0)
    tables = 3 * nn.functional.normalize(torch.randn(2, 2, KINDS, WIDTH, generator=g), dim=3)
    of = objective(16, out=8, hidden=32)
    encoders = {name: nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 16)) for name in NAMES}
    trained = [p for m in (of, *encoders.values()) for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=6e-3)
    shape, *texture = torch.randint(KINDS, (3, 1500), generator=g)
    asked = shapes_and_textures(shape, texture, tables, g)

    def read():
        with torch.no_grad():
            z = of.represent({name: encoders[name](asked[name]) for name in NAMES})
        return [read_linearly(z, label) for label in (shape, *texture)]

    scores = {0: read()}
    for step in range(1, 241):
        labels = torch.randint(KINDS, (3, 64), generator=g)
        views = [shapes_and_textures(labels[0], labels[1:], tables, g) for _ in range(2)]
        views = [{name: encoders[name](x) for name, x in view.items()} for view in views]
        of.fit_critics(*views)
        optimizer.zero_grad()
        of(*views).backward()
        optimizer.step()
        assert all(abs(value) < 25 for value in of.last.values())
        if step in (60, 240):
            scores[step] = read()
    (floor, *unread), (early, *_), (late, *textures) = scores.values()
    assert early > floor + 20 and late > floor + 35  # it rises, and after four times as many steps it stands
    assert late > early - 2
    assert sum(textures) > sum(unread) + 4  # what is unique comes later


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
