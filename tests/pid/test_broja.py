"""The solver: known answers, rules that hold for every distribution, an independent oracle, and its certificate."""

import math
import warnings

import numpy as np
import pytest
import torch
from clarabel_oracle import least_information
from joints import KINDS, SHAPES, hard_joint, hard_joints

from comm_lite import info
from comm_lite.pid import PID, broja, broja_batch
from comm_lite.pid.certificate import Dual, alternating, certify

ONE_CERTIFIED = 1e-7 / math.log(2)  # bits


def dense(shape=(3, 4, 2), seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(math.prod(shape))).reshape(shape)


def table(rule, values=2):
    p = np.zeros((values, values, values))
    for x1, x2 in np.ndindex(values, values):
        p[x1, x2, rule(x1, x2)] += 1 / values**2
    return p


def close(a, b, tolerance=1e-6):
    return all(abs(a.atoms[name] - b.atoms[name]) <= tolerance for name in a.atoms)


@pytest.mark.parametrize("method", ["barrier", "alternating"])
@pytest.mark.parametrize(
    ("rule", "atoms"),
    [
        (lambda a, b: a, (0, 1, 0, 0)),
        (lambda a, b: b, (0, 0, 1, 0)),
        (lambda a, b: a ^ b, (0, 0, 0, 1)),
        (lambda a, b: a & b, (0.75 * math.log2(4 / 3) - 0.0, 0, 0, 0.5)),
    ],
)
def test_gates_by_hand(rule, atoms, method):
    if atoms[0]:  # AND: h2(1/4) - 1/2
        atoms = (0.25 * 2 + 0.75 * math.log2(4 / 3) - 0.5, 0, 0, 0.5)
    found = broja(table(rule), method=method)
    assert found.certified
    assert list(found.atoms.values()) == pytest.approx(atoms, abs=1e-6)


def test_and_agrees_with_a_grid_over_its_one_free_parameter():
    """Given the marginals of AND, a joint is fixed by q(1, 1, 0): go through all of them."""
    p = table(lambda a, b: a & b)
    values = []
    for move in np.linspace(0, 0.25, 2_001):
        q = p.copy()
        q[1, 1, 0] += move
        q[0, 0, 0] += move
        q[0, 1, 0] -= move
        q[1, 0, 0] -= move
        values.append(info.mutual_information(q.reshape(4, 2)))
    found = broja(p)
    assert found.total - found.synergy == pytest.approx(min(values), abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shape", [(2, 2, 2), (4, 3, 5), (6, 6, 3)])
def test_clarabel_agrees(shape, seed):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(math.prod(shape), 1.0 if seed % 2 else 0.3)).reshape(shape)
    nats, gap = least_information(p)
    found = broja(p)
    assert gap < 1e-6 and found.certified
    assert found.total - found.synergy == pytest.approx(nats / math.log(2), abs=1e-6)


def test_hard_joints_are_certified():
    """A twentieth of the cases of benchmarks/pid.py, which runs 2 000."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gaps = [broja(p).gap for _, p in hard_joints(104, seed=11)]
    failed = [gap for gap in gaps if not gap <= ONE_CERTIFIED]
    assert len(failed) == len(told) and len(failed) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_atoms_add_up_and_are_not_negative(kind):
    rng = np.random.default_rng(5)
    for shape in SHAPES[:4]:
        p = hard_joint(kind, shape, rng)
        found = broja(p)
        both = info.mutual_information(p.reshape(-1, shape[2]))
        one, two = info.mutual_information(p.sum(1)), info.mutual_information(p.sum(0))
        assert found.total == pytest.approx(both, abs=1e-12)
        assert found.redundancy + found.unique1 == pytest.approx(one, abs=1e-12)
        assert found.redundancy + found.unique2 == pytest.approx(two, abs=1e-12)
        assert info.co_information(p) == pytest.approx(found.redundancy - found.synergy, abs=1e-12)
        assert min(found.atoms.values()) >= -found.gap - 1e-12


def test_the_gap_is_what_it_says():
    """A stop far too early must show in the gap, and the truth must lie within it."""
    p = dense((4, 4, 3))
    exact = broja(p)
    with pytest.warns(RuntimeWarning, match="certified only"):
        rough = broja(p, method="alternating", tolerance=1e-2)
    assert rough.gap > 100 * exact.gap
    assert abs(rough.synergy - exact.synergy) <= rough.gap


def test_the_joint_has_the_marginals_and_reaches_the_value():
    p = dense((4, 5, 3))
    found = broja(p)
    q = found.joint
    assert q.min() >= 0
    assert q.sum(1) == pytest.approx(p.sum(1), abs=1e-12) and q.sum(0) == pytest.approx(p.sum(0), abs=1e-12)
    told = info.mutual_information(q.reshape(-1, 3))
    assert told == pytest.approx(found.total - found.synergy, abs=1e-12)
    assert info.co_information(q) == pytest.approx(found.redundancy, abs=1e-9)  # no synergy is left in it


def test_the_certificate_holds_for_any_point():
    """Bounds from random multipliers and a random joint enclose the optimum, however bad they are."""
    p = dense((3, 4, 2))
    found = broja(p)
    label = p.sum((0, 1))
    optimum = found.union * math.log(2) + float((label * np.log(label)).sum())
    rng = np.random.default_rng(0)
    for size in (0.01, 1.0, 30.0):
        dual = Dual(size * rng.normal(size=(3, 2)), size * rng.normal(size=(4, 2)), rng.random(p.shape))
        lower, upper, q = certify(p.sum(1), p.sum(0), dual)
        assert lower <= optimum + 1e-8 and optimum - 1e-8 <= upper
        assert q.sum(1) == pytest.approx(p.sum(1), abs=1e-14) and q.sum(0) == pytest.approx(p.sum(0), abs=1e-14)


def test_both_methods_agree():
    for seed in range(5):
        p = dense((4, 3, 3), seed)
        slow = broja(p, method="alternating")
        assert close(slow, broja(p), slow.gap + 1e-7)


def test_swapping_the_modalities_swaps_the_unique_atoms():
    p = dense((3, 5, 2))
    one, two = broja(p), broja(p.transpose(1, 0, 2))
    assert two.unique1 == pytest.approx(one.unique2, abs=1e-7)
    assert two.unique2 == pytest.approx(one.unique1, abs=1e-7)
    assert two.synergy == pytest.approx(one.synergy, abs=1e-7)


def test_names_of_symbols_do_not_matter():
    p, rng = dense((4, 5, 3)), np.random.default_rng(1)
    shuffled = p[rng.permutation(4)][:, rng.permutation(5)][:, :, rng.permutation(3)]
    assert close(broja(shuffled), broja(p), 1e-7)


def test_symbols_that_never_occur_do_not_matter():
    p = dense((3, 3, 2))
    wide = np.zeros((5, 4, 3))
    wide[np.ix_([0, 2, 4], [1, 2, 3], [0, 2])] = p
    assert close(broja(wide), broja(p), 1e-7)


def test_splitting_a_symbol_at_random_does_not_matter():
    p = dense((3, 3, 2))
    split = np.concatenate([p, 0.3 * p[:1]])
    split[0] *= 0.7
    assert close(broja(split), broja(p), 1e-7)


def test_atoms_of_independent_parts_add():
    a, b = dense((2, 2, 2), 1), dense((2, 3, 2), 2)
    both = np.einsum("abc,def->adbecf", a, b).reshape(4, 6, 4)
    sums = {name: broja(a).atoms[name] + broja(b).atoms[name] for name in "R U1 U2 S".split()}
    assert broja(both).atoms == pytest.approx(sums, abs=1e-6)


def test_one_symbol_or_one_label_tells_nothing():
    assert broja(dense((1, 3, 2))).unique2 == pytest.approx(broja(dense((1, 3, 2))).total)
    assert list(broja(np.full((3, 2, 1), 1 / 6)).atoms.values()) == pytest.approx([0] * 4, abs=1e-12)


def test_float32_and_tensors_are_taken():
    p = dense((3, 3, 2))
    assert close(broja(torch.from_numpy(p.astype(np.float32))), broja(p), 1e-5)


def test_what_is_not_certified_is_said():
    with pytest.warns(RuntimeWarning, match=r"certified only to .* nats, more than 1e-7; look at its gap"):
        found = broja(dense((4, 4, 3)), method="alternating", tolerance=1e-2)
    assert not found.certified


# ---------------------------------------------------------------- many at once, and their gradient


def test_a_batch_is_its_problems_one_by_one():
    rng = np.random.default_rng(2)
    p = np.stack([hard_joint(kind, (3, 4, 2), rng) for kind in KINDS])
    batch = broja_batch(torch.from_numpy(p))
    for index, problem in enumerate(p):
        alone = broja(problem)
        mine = PID(*(float(value[index]) for value in vars(batch).values()))
        assert close(mine, alone, 2e-7)
        assert mine.certified


def test_the_gradient_is_that_of_finite_differences():
    p = torch.from_numpy(dense((3, 3, 2), 4))[None]
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(4, generator=generator, dtype=torch.float64)

    def value(table):
        found = broja_batch(table, tolerance=1e-10)
        atoms = torch.cat([found.redundancy, found.unique1, found.unique2, found.synergy])
        return (weights * atoms).sum()

    leaf = p.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(leaf), leaf)
    for _ in range(5):
        move = torch.randn(p.shape, generator=generator, dtype=torch.float64) * p
        move = move - p * move.sum()  # stay on the simplex
        step = 1e-4
        difference = (value(p + step * move) - value(p - step * move)) / (2 * step)
        assert float(difference) == pytest.approx(float((gradient * move).sum()), rel=1e-4, abs=1e-7)


def test_the_gradient_is_finite_where_probabilities_are_zero():
    leaf = torch.from_numpy(table(lambda a, b: a ^ b))[None].requires_grad_(True)
    (gradient,) = torch.autograd.grad(broja_batch(leaf).synergy.sum(), leaf)
    assert bool(gradient.isfinite().all())


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("p", "error", "text"),
    [
        ([[[0.5, 0.5]]], None, None),
        (np.full((2, 2), 0.25), ValueError, r"p must have shape \(X1, X2, Y\), got \(2, 2\); one axis a variable"),
        (np.full((2, 2, 2), 0.25), ValueError, r"p must sum to 1, got 2; divide it by its sum"),
        (np.full((2, 2, 2), 1), TypeError, r"p must hold probabilities as floats, got int64; divide counts"),
        (np.full((2, 2, 2), np.nan), ValueError, r"p must be finite, got NaN"),
        (np.array([[[1.5, -0.5]]]), ValueError, r"p must not be negative, got -0.5; a probability"),
        (np.zeros((0, 2, 2)), ValueError, r"p must hold at least one probability, got shape \(0, 2, 2\)"),
        ("XOR", TypeError, r"p must hold probabilities as floats"),
    ],
)
def test_bad_input_is_refused(p, error, text):
    if error is None:
        assert broja(p).total == pytest.approx(0, abs=1e-12)
        return
    with pytest.raises(error, match=text):
        broja(p)


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match=r"method must be one of \['barrier', 'alternating'\], got 'newton'; choose"):
        broja(dense(), method="newton")
    with pytest.raises(ValueError, match=r"tolerance must be a finite number above zero"):
        broja(dense(), tolerance=0.0)


def test_bad_batches_are_refused():
    p = torch.from_numpy(dense())[None]
    with pytest.raises(TypeError, match=r"p must hold float64, got torch.float32; call .double\(\) first"):
        broja_batch(p.float())
    with pytest.raises(ValueError, match=r"p must have shape \(B, n1, n2, K\)"):
        broja_batch(p[0])
    with pytest.raises(ValueError, match=r"p\[1\] must sum to 1, got 2; divide"):
        broja_batch(torch.cat([p, 2 * p]))
    with pytest.raises(ValueError, match=r"p must be finite"):
        broja_batch(p * math.nan)
    with pytest.raises(ValueError, match=r"at least one problem with one symbol, got \(0, 3, 4, 2\)"):
        broja_batch(p[:0])


def test_the_alternating_method_starts_where_it_is_told():
    p = dense((4, 4, 3))
    p1, p2 = p.sum(1), p.sum(0)
    before = alternating(p1, p2, tolerance=1e-6)
    after = alternating(p1, p2, tolerance=1e-6, start=before, sweeps=1)
    bounds = [certify(p1, p2, dual) for dual in (before, after)]
    assert all(float(upper - lower) <= 1e-6 for lower, upper, _ in bounds)
