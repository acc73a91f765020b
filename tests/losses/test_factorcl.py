"""FactorCL: its bounds beside plain loops and known information, and which gradient reaches what."""

import math

import pytest
import torch
from loss_cases import loop_cosine

from comm_lite.losses import FactorCL
from comm_lite.losses.factorcl import _club, _nce


def draw(n=6, d=4, seed=0, names="ab"):
    g = torch.Generator().manual_seed(seed)
    return [{name: torch.randn(n, d, generator=g) for name in names} for _ in range(4)]


def loop_scores(critic, a, b):
    left, right = critic.left(a), critic.right(b)
    return [[loop_cosine(u, v) / critic.temperature for v in right] for u in left]


def loop_nce(f):
    n, total = len(f), 0.0
    for i in range(n):
        row = sum(torch.exp(f[i][j]) for j in range(n))
        column = sum(torch.exp(f[j][i]) for j in range(n))
        total = total + torch.log(torch.exp(f[i][i]) / row) + torch.log(torch.exp(f[i][i]) / column)
    return math.log(n) + total / (2 * n)


def loop_club(f):
    n = len(f)
    pairs = sum(f[i][i] for i in range(n)) / n
    return torch.relu(pairs - sum(f[i][j] for i in range(n) for j in range(n)) / n**2)


def test_the_loss_is_the_equation_in_loops():
    torch.manual_seed(0)
    objective, (s, u, sv, uv) = FactorCL(4, hidden=8, temperature=0.5), draw()
    cat = {k: torch.cat([s[k], sv[k]], 1) for k in "ab"}, {k: torch.cat([u[k], uv[k]], 1) for k in "ab"}
    given = loop_scores(objective.shared_given_views, cat[0]["a"], cat[0]["b"])
    between = loop_scores(objective.unique_between, u["a"], u["b"])
    shared = loop_nce(loop_scores(objective.shared, s["a"], s["b"])) - loop_club(given)
    unique = 0.0
    for critic, k in ((objective.unique_first, "a"), (objective.unique_second, "b")):
        with_views = loop_nce(loop_scores(objective.unique_given_views, cat[1]["a"], cat[1]["b"]))
        unique = unique + loop_nce(loop_scores(critic, u[k], uv[k])) - loop_club(between) + with_views
    critics = 2 * math.log(6) - loop_nce(given) - loop_nce(between)
    torch.testing.assert_close(objective(s, u, sv, uv), critics - shared - unique)


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


def test_the_upper_bounds_move_embeddings_and_not_their_critics_and_the_fit_the_reverse():
    given = draw(32)
    for of in given:
        for z in of.values():
            z.requires_grad_()
    for seed in range(50):  # an upper bound below zero counts as zero and moves nothing: take critics without that
        torch.manual_seed(seed)
        terms = (objective := FactorCL(4)).terms(*given)
        if min(terms["shared_given_views"], terms["unique_between"]) > 0:
            break
    embeddings = [z for of in given for z in of.values()]
    critics = [*objective.shared_given_views.parameters(), *objective.unique_between.parameters()]

    def reached(loss, tensors):
        grads = torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True)
        return [grad is not None and bool(grad.any()) for grad in grads]

    assert not any(reached(terms["critics"], embeddings)) and all(reached(terms["critics"], critics))
    bounds = terms["shared_given_views"] + terms["unique_between"]
    assert bounds > 0 and all(reached(terms["shared_given_views"], [*given[0].values(), *given[2].values()]))
    assert not any(reached(bounds, critics))
    assert all(reached(objective(*given), embeddings))


def test_the_condition_is_the_other_view_and_not_the_same_one():
    torch.manual_seed(0)
    objective, (s, u, sv, uv) = FactorCL(4), draw(32)
    ours = objective.terms(s, u, sv, uv)
    defect = objective.terms(s, u, s, uv)  # what the authors' code computes: an embedding beside itself
    assert ours["critics"] != defect["critics"]
    for name in ("shared", "unique_first", "unique_second", "unique_between"):
        assert torch.equal(ours[name], defect[name])


def test_exchanging_the_modalities_with_their_critics_and_reordering_the_batch_change_nothing():
    torch.manual_seed(0)
    objective, given = FactorCL(4), draw(16)
    loss = objective(*given)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(objective(*({k: z[order] for k, z in of.items()} for of in given)), loss)
    state = objective.state_dict()
    exchanged = {}
    for name, weight in state.items():
        for one, two in (("left", "right"), ("unique_first", "unique_second")):
            if name.startswith("unique_first") or name.startswith("unique_second"):
                if one == "left":
                    continue
            name = name.replace(one, "~").replace(two, one).replace("~", two)
        exchanged[name] = weight
    other = FactorCL(4)
    other.load_state_dict(exchanged)
    torch.testing.assert_close(other(*({"b": of["b"], "a": of["a"]} for of in given)), loss)


def test_training_keeps_what_is_shared_and_what_is_unique_and_stays_bounded():
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(0)
    objective, encoder = FactorCL(8), torch.nn.Linear(12, 16)
    optimizer = torch.optim.AdamW([*objective.parameters(), *encoder.parameters()], lr=3e-3)
    found = []
    for _ in range(120):
        common, own = torch.randn(64, 6, generator=g), torch.randn(2, 64, 6, generator=g)
        views = []
        for _ in range(2):
            x = {k: torch.cat([common, own[i]], 1) for i, k in enumerate("ab")}
            z = {k: encoder(v + 0.2 * torch.randn(v.shape, generator=g)).chunk(2, dim=1) for k, v in x.items()}
            views += [{k: z[k][part] for k in "ab"} for part in (0, 1)]
        terms = objective.terms(*views)
        found.append({name: value.item() for name, value in terms.items()})
        optimizer.zero_grad()
        objective(*views).backward()
        optimizer.step()
    last = found[-1]
    assert all(math.isfinite(value) and abs(value) <= 25 for of in found for value in of.values())
    assert min(last["unique_first"], last["unique_second"]) > 2 and last["critics"] < found[0]["critics"]


@pytest.mark.parametrize("temperature", [1e-3, 100.0])
def test_extreme_temperatures_and_half_precision_stay_finite(temperature):
    objective, given = FactorCL(4, temperature=temperature), draw(16)
    assert torch.isfinite(objective(*given))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(objective(*given))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_embeddings_of_another_precision_are_compared_in_that_of_the_critics(dtype):
    torch.manual_seed(0)
    objective, given = FactorCL(4), draw(16)
    given = [{k: z.to(dtype).requires_grad_() for k, z in of.items()} for of in given]
    loss = objective(*given)
    assert loss.dtype == torch.float32
    exact = objective(*({k: z.detach().float() for k, z in of.items()} for of in given))
    torch.testing.assert_close(loss, exact, rtol=0, atol=1e-5)
    loss.backward()
    assert all(z.grad.dtype == dtype and torch.isfinite(z.grad).all() for of in given for z in of.values())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: {"a": s["a"]}, r"shared must hold at least 2 modalities, got \['a'\]; add"),
        (lambda s: {**s, "c": s["a"]}, "must name the modalities of shared|two modalities"),
        (lambda s: {k: z * math.nan for k, z in s.items()}, r"shared\['a'\] must be finite"),
        (lambda s: {k: z[:, :3] for k, z in s.items()}, r"must have the shape of"),
    ],
)
def test_wrong_input_is_refused(change, text):
    s, u, sv, uv = draw()
    with pytest.raises(ValueError, match=text):
        FactorCL(4)(change(s), u, sv, uv)


def test_a_batch_of_one_another_width_and_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        FactorCL(4)(*draw(1))
    with pytest.raises(ValueError, match="embeddings must have width 5, got 4; build FactorCL with their width"):
        FactorCL(5)(*draw())
    with pytest.raises(ValueError, match="must hold two modalities, got"):
        FactorCL(4)(*draw(names="abc"))
    with pytest.raises(ValueError, match="temperature must be"):
        FactorCL(4, temperature=0.0)
