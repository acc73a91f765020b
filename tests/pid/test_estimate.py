"""PID from samples: known truths, the null, the bias in closed form, and what is refused."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from comm_lite import info
from comm_lite.pid import GATES, PID, batch, broja, cluster, plug_in, plug_in_bias, posterior, posterior_pid, sinkhorn
from comm_lite.pid._samples import with_null

ATOMS = ("R", "U1", "U2", "S")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sample(p, count, generator):
    cells = torch.multinomial(torch.tensor(p).flatten(), count, replacement=True, generator=generator)
    return torch.unravel_index(cells, p.shape)


def gauss(count, *, width=3, seed=0):
    """Label by the product of two signs (synergy of one bit), each in its own source among noise."""
    x1, x2 = torch.randn(2, count, width, generator=seeded(seed), dtype=torch.float64)
    return x1, x2, (x1[:, 0] * x2[:, 0] > 0).long()


# ---------------------------------------------------------------- bias


@pytest.mark.parametrize("shape", [(2, 1, 2), (1, 2, 2), (2, 2, 2)])
def test_bias_is_the_mean_over_all_samples_that_can_occur(shape):
    p = np.random.default_rng(0).dirichlet(np.ones(math.prod(shape))).reshape(shape)
    mean = 0.0
    for cells in itertools.product(range(p.size), repeat=4):
        seen = np.bincount(cells, minlength=p.size).reshape(p.shape) / 4
        mean += p.ravel()[list(cells)].prod() * info.mutual_information(seen.reshape(-1, shape[2]))
    assert plug_in_bias(p, 4) == pytest.approx(mean - info.mutual_information(p.reshape(-1, shape[2])), abs=1e-12)


def test_bias_for_many_samples_is_millers_and_for_few_stays_below_the_label():
    noise = np.full((5, 5, 3), 1 / 75)
    assert plug_in_bias(noise, 100_000) == pytest.approx(24 * 2 / (2 * 100_000 * math.log(2)), rel=1e-2)
    few = plug_in_bias(np.full((20, 20, 2), 1 / 800), 50)
    assert few < 1 < 399 / (2 * 50 * math.log(2))
    assert plug_in_bias(noise, 1) == pytest.approx(0, abs=1e-12)  # one sample has no entropy


def test_bias_is_less_where_clusters_are_unbalanced():
    sizes = 1 / np.arange(1, 11)
    sizes /= sizes.sum()
    unbalanced = np.einsum("i,j,k->ijk", sizes, sizes, [0.5, 0.5])
    assert plug_in_bias(unbalanced, 300) < 0.8 * plug_in_bias(np.full((10, 10, 2), 1 / 200), 300)


def test_bias_is_what_plug_in_shows_on_noise():
    g = seeded()
    shown = []
    for _ in range(20):
        x1, x2, y = (torch.randint(k, (200,), generator=g) for k in (8, 8, 2))
        shown.append(plug_in(x1, x2, y, permutations=0))
    totals = torch.tensor([e.pid.total for e in shown])
    assert totals.mean().item() == pytest.approx(plug_in_bias(np.full((8, 8, 2), 1 / 128), 200), rel=0.05)


# ---------------------------------------------------------------- known truths


@pytest.mark.parametrize("name", ["XOR", "AND", "RDN", "UNQ1"])
def test_plug_in_converges_to_the_gate(name):
    gate = GATES[name]
    estimate = plug_in(*sample(gate.p, 20_000, seeded()), permutations=0)
    for atom in ATOMS:
        assert estimate.pid.atoms[atom] == pytest.approx(gate.atoms[atom], abs=0.02)
    assert estimate.samples == 20_000 and estimate.null == estimate.p_value == {}


@pytest.mark.parametrize("name", ["XOR", "AND", "RDN", "UNQ1"])
@pytest.mark.parametrize(("estimator", "count", "off"), [(posterior, 2000, 0.04), (batch, 1024, 0.1)])
def test_learnt_estimators_come_near_the_gate(name, estimator, count, off):
    gate, g = GATES[name], seeded()
    x1, x2, y = sample(gate.p, count, g)
    sources = [one_hot(x).double() + 0.05 * torch.randn(count, int(x.max()) + 1, generator=g) for x in (x1, x2)]
    found = estimator(*sources, y, folds=2, permutations=0, generator=g).pid
    for atom in ATOMS:
        assert found.atoms[atom] == pytest.approx(gate.atoms[atom], abs=off), found


def test_cluster_finds_what_its_clusters_follow_and_misses_what_they_do_not():
    g = seeded()
    corner = torch.randint(2, (2, 1000), generator=g)
    y = corner[0] ^ corner[1]
    for signal, noise, low, high in ((5.0, 0.1, 0.95, 1.01), (0.1, 5.0, -0.01, 0.1)):
        scale = torch.tensor([signal, noise, noise])
        x1, x2 = (
            torch.randn(1000, 3, generator=g) * scale * 0.2 + scale * one_hot(c * 0, 3) * (2 * c - 1)[:, None]
            for c in corner
        )
        found = cluster(x1, x2, y, clusters=4, components=2, permutations=0, generator=g)
        assert low < found.pid.synergy < high
        assert found.cells == 32


def test_three_classes_are_clustered_on_the_simplex():
    g = seeded()
    y = torch.randint(3, (900,), generator=g)
    x = 4 * one_hot(y).double() + torch.randn(900, 3, generator=g)
    found = posterior(x, x[torch.randperm(900, generator=g)], y, bins=6, folds=2, permutations=0, generator=g).pid
    assert found.unique1 > 1.3 and abs(found.redundancy) < 0.05 and abs(found.unique2) < 0.05


# ---------------------------------------------------------------- the null


@pytest.mark.parametrize(
    ("estimator", "options"),
    [
        (cluster, {"clusters": 8, "components": 3, "permutations": 19}),
        (posterior, {"folds": 2, "permutations": 19}),
        (batch, {"folds": 2, "permutations": 5, "size": 64, "epochs": 2}),
    ],
)
def test_noise_is_no_more_than_its_null_and_signal_is(estimator, options):
    x1, x2, y = gauss(400)
    signal = estimator(x1, x2, y, generator=seeded(), **options)
    noise = estimator(x1, x2, y.roll(1), generator=seeded(), **options)
    assert set(noise.null) == set(noise.p_value) == {*ATOMS, "total"}
    assert noise.pid.synergy <= noise.null["S"][1] + 0.01
    assert signal.pid.synergy > signal.null["S"][1] + 0.1
    assert signal.p_value["S"] == 1 / (1 + options["permutations"])
    assert all(mean <= high for mean, high in noise.null.values())


def test_the_null_of_a_full_histogram_is_large():
    g = seeded()
    x1, x2, y = (torch.randint(k, (138,), generator=g) for k in (20, 20, 2))
    estimate = plug_in(x1, x2, y, permutations=9, generator=g)
    assert estimate.pid.synergy > 0.6 and estimate.null["S"][0] == pytest.approx(0.71, abs=0.06)
    assert estimate.null["total"][0] == pytest.approx(plug_in_bias(np.full((20, 20, 2), 1 / 800), 138), abs=0.06)
    assert "null" in str(estimate) and "138 samples, 800 cells" in str(estimate)


@pytest.mark.parametrize(("shuffles", "rank", "level"), [(9, 9, 0.9), (19, 19, 0.95), (39, 38, 0.95), (99, 95, 0.95)])
def test_the_bound_is_an_order_statistic(shuffles, rank, level):
    """A further shuffle exceeds the k-th of m draws with the chance (m + 1 - k) / (m + 1); nothing is interpolated."""
    draws = torch.randperm(shuffles, generator=seeded()).double().tolist()
    values = iter([0.5, *draws])
    found = with_null(lambda y: PID(next(values), 0, 0, 0), torch.arange(5), shuffles, seeded(), cells=1)
    assert found.null["R"] == (pytest.approx((shuffles - 1) / 2), rank - 1)
    assert found.level == pytest.approx(level) and rank / (shuffles + 1) == pytest.approx(level)
    assert found.p_value["R"] == shuffles / (shuffles + 1) and f"{100 * level:.0f} % of nulls" in str(found)


def test_tables_without_synergy_test_that_there_is_none():
    options = {"permutations": 19, "resamples": 39, "generator": seeded()}
    and_, none = (plug_in(*sample(GATES[gate].p, 300, seeded(3)), **options) for gate in ("AND", "RdnErr"))
    assert and_.p_synergy == 1 / 40 and none.p_synergy > 0.1
    assert none.p_value["total"] == 1 / 20  # that tests another hypothesis: Y depends on the sources
    assert "no synergy: p = 0.025" in str(and_)
    with pytest.raises(ValueError, match="resamples must be at least 0, got -1; pass a larger one"):
        plug_in(X[:, 0].long(), SYMBOLS, Y, resamples=-1, permutations=0)


# ---------------------------------------------------------------- symmetry, determinism


OPTIONS = [
    (cluster, {"clusters": 4, "components": 2, "permutations": 2}),
    (posterior, {"folds": 2, "permutations": 1}),
    (batch, {"folds": 2, "permutations": 1, "size": 64, "epochs": 1}),
]


@pytest.mark.parametrize(("estimator", "options"), OPTIONS)
def test_two_runs_agree_to_the_digit_and_another_seed_does_not(estimator, options):
    x1, x2, y = gauss(200)
    runs = [estimator(x1, x2, y, generator=seeded(s), **options) for s in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def assert_swapped(there, back, off):
    assert there.redundancy == pytest.approx(back.redundancy, abs=off)
    assert there.unique1 == pytest.approx(back.unique2, abs=off)
    assert there.unique2 == pytest.approx(back.unique1, abs=off)
    assert there.synergy == pytest.approx(back.synergy, abs=off)


def test_swapping_the_sources_swaps_the_unique_parts():
    x1, x2, y = sample(np.random.default_rng(1).dirichlet(np.ones(24)).reshape(3, 4, 2), 300, seeded())
    there, back = (plug_in(*both, y, permutations=0).pid for both in ((x1, x2), (x2, x1)))
    assert_swapped(there, back, 1e-6)
    assert abs(there.unique1 - there.unique2) > 0.003  # else a swap would not show
    x1, x2, y = gauss(400)
    x1[:, 1] += y
    there, back = (
        posterior(*both, y, folds=2, permutations=0, generator=seeded()).pid for both in ((x1, x2), (x2, x1))
    )
    assert_swapped(there, back, 1e-3)
    assert there.unique1 > there.unique2 + 0.01


def test_labels_and_symbols_may_have_any_names():
    x1, x2, y = sample(GATES["AND"].p, 300, seeded())
    plain, named = (plug_in(x1 + k, x2 - 7 * k, y * 5 - k, permutations=0) for k in (0, 3))
    assert plain == named


# ---------------------------------------------------------------- from posteriors


def test_a_constant_classifier_tells_nothing_however_the_rows_are_sorted():
    y = torch.arange(200).sort().values // 100
    p = torch.full((200, 2), 0.5)
    found = posterior_pid(p, p, p, y, bins=8, generator=seeded())
    assert all(abs(value) < 1e-6 for value in found.atoms.values())


def test_true_posteriors_give_the_decomposition_of_the_distribution():
    p = np.random.default_rng(3).dirichlet(np.ones(24) * 0.5).reshape(3, 4, 2)
    x1, x2, y = sample(p, 50_000, seeded())
    t = torch.as_tensor(p)
    p1, p2, p12 = ((a / a.sum(-1, keepdim=True)) for a in (t.sum(1), t.sum(0), t))
    found = posterior_pid(p1[x1], p2[x2], p12[x1, x2], y, bins=64, generator=seeded())
    truth = broja(p)
    for atom in ATOMS:
        assert found.atoms[atom] == pytest.approx(truth.atoms[atom], abs=0.02)


def test_a_certain_error_costs_a_finite_amount():
    y = torch.arange(100) % 2
    wrong = one_hot(1 - y).double()
    found = posterior_pid(wrong, wrong, wrong, y, bins=4, generator=seeded())
    assert found.redundancy == pytest.approx(1, abs=1e-6) and found.total == pytest.approx(1 - 53)


# ---------------------------------------------------------------- Sinkhorn


def tables(seed=0, k=2, m=6, n=5):
    g = seeded(seed)
    joint = torch.rand(k, m, n, generator=g, dtype=torch.float64)
    return torch.randn(k, m, n, generator=g, dtype=torch.float64), joint.sum(2), joint.sum(1)


def by_hand(scores, rows, columns, sweeps=400):
    a = scores.exp()
    for _ in range(sweeps):
        a = a * (columns / a.sum(1))[:, None, :]
        a = a * (rows / a.sum(2))[:, :, None]
    return a


def test_sinkhorn_has_the_sums_and_the_gradient_of_the_sweeps():
    scores, rows, columns = tables()
    weights = torch.rand(scores.shape, generator=seeded(5), dtype=torch.float64)
    grads = []
    for f in (by_hand, lambda *a: sinkhorn(*a, tolerance=1e-13)):
        leaf = scores.clone().requires_grad_(True)
        q = f(leaf, rows, columns)
        (q.square() * weights).sum().backward()
        grads.append((q.detach(), leaf.grad))
    for mine, ours in zip(*grads, strict=True):
        torch.testing.assert_close(ours, mine, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(grads[1][0].sum(2), rows)
    torch.testing.assert_close(grads[1][0].sum(1), columns)
    flow = grads[1][1]  # a constant added to a row or column of the scores changes nothing
    assert float(flow.sum(1).abs().max()) < 1e-9 and float(flow.sum(2).abs().max()) < 1e-9


def test_sinkhorn_stays_finite_with_extreme_scores_and_impossible_symbols():
    scores, rows, columns = tables(m=5)
    scores = (1000 * scores.sign() * torch.eye(5, dtype=torch.float64)).requires_grad_(True)
    columns = rows.flip(1)
    rows, columns = rows.index_fill(1, torch.tensor([0]), 0.0), columns.index_fill(1, torch.tensor([4]), 0.0)
    q = sinkhorn(scores, rows, columns, tolerance=1e-3)
    q.square().sum().backward()
    assert bool(q.isfinite().all() & scores.grad.isfinite().all()) and not bool(q[:, 0].any())
    assert not bool(by_hand(scores.detach(), rows, columns, sweeps=1).isfinite().all())


@pytest.mark.parametrize("estimator", [posterior, batch])
def test_a_classifier_that_is_too_sure_is_not_believed(estimator):
    from sklearn.neighbors import KNeighborsClassifier

    x1, x2, y = gauss(256)
    sure = KNeighborsClassifier(2)  # says 0, 1/2 or 1 about pure noise
    found = estimator(x1, x2, y.roll(1), probe=sure, folds=2, permutations=0, generator=seeded()).pid
    assert all(abs(value) < 0.05 for value in found.atoms.values()), found


# ---------------------------------------------------------------- refusals


X, Y = torch.randn(40, 6, generator=seeded()), torch.arange(40) % 2
SYMBOLS = torch.arange(40) % 3
HALF = torch.full((40, 2), 0.5)
LEARNT = {"generator": seeded()}


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: plug_in(SYMBOLS[:9], SYMBOLS, Y, **LEARNT),
            ValueError,
            r"x1 must have one entry .* 40 rows, got shape",
        ),
        (lambda: plug_in(SYMBOLS, SYMBOLS, Y * 0, **LEARNT), ValueError, r"at least two classes, got \[0\]; there is"),
        (
            lambda: plug_in(SYMBOLS, SYMBOLS, Y / 1, **LEARNT),
            TypeError,
            r"y must hold integers, got torch.float32; call",
        ),
        (lambda: plug_in(X[:, 0], SYMBOLS, Y, **LEARNT), TypeError, r"x1 must hold integers, got torch.float32; call"),
        (lambda: plug_in(SYMBOLS, SYMBOLS, Y), TypeError, r"must be a torch.Generator, got NoneType; pass torch"),
        (lambda: plug_in(SYMBOLS, SYMBOLS, Y, permutations=-1), ValueError, r"permutations must be at least 0, got -1"),
        (lambda: plug_in_bias(np.full((2, 2, 2), 0.125), 0), ValueError, r"samples must be at least 1, got 0; pass"),
        (lambda: cluster(X, X, Y, clusters=41, **LEARNT), ValueError, r"at least 41 samples .* got \(40, 6\); lower"),
        (lambda: cluster(X, X[:, :3], Y, **LEARNT), ValueError, r"x2 must have .* width 5, got \(40, 3\); lower"),
        (lambda: cluster(X, X / 0, Y, **LEARNT), ValueError, r"x2 must be finite, got 240 NaN or infinite"),
        (lambda: cluster(X, SYMBOLS, Y, **LEARNT), TypeError, r"x2 must hold floats, got torch.int64; call .float"),
        (
            lambda: posterior(X, X, Y, folds=21, **LEARNT),
            ValueError,
            r"each class at least 21 times, got .* lower folds",
        ),
        (lambda: posterior(X, X, Y, bins=41, **LEARNT), ValueError, r"bins must be at most .* 40, got 41; lower bins"),
        (lambda: posterior(X, X, Y, bins=1, **LEARNT), ValueError, r"bins must be at least 2, got 1; pass"),
        (lambda: batch(X, X, Y, size=64, **LEARNT), ValueError, r"size must be at most .* 40, got 64; lower it"),
        (
            lambda: posterior_pid(HALF, HALF * 0.9, HALF, Y, bins=4, **LEARNT),
            ValueError,
            r"p2 must hold 2 probabilities a row that sum to 1, got .*; pass what predict_proba returns",
        ),
        (
            lambda: posterior_pid(HALF, HALF, HALF[:, :1] * 2, Y, bins=4, **LEARNT),
            ValueError,
            r"p12 must hold 2 probabilities",
        ),
        (lambda: sinkhorn(torch.zeros(1, 2, 2), -HALF[:1], HALF[:1]), ValueError, r"rows must hold sums .* none below"),
        (
            lambda: sinkhorn(torch.zeros(1, 2, 2), HALF[:2], HALF[:1]),
            ValueError,
            r"rows must hold sums of shape \(1, 2",
        ),
        (lambda: sinkhorn(torch.zeros(1, 2, 2), HALF[:1], HALF[:1] * 2), ValueError, r"total of rows .* scale one"),
        (
            lambda: sinkhorn(*tables(), tolerance=1e-12, sweeps=1),
            ValueError,
            r"1 sweeps reach a tolerance of 1e-12, got .*; make the scores smaller",
        ),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
