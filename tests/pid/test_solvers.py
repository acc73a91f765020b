"""What the solvers promise: certified on hard tables, the gradient of what is returned, cost by what differs."""

import math
import time

import numpy as np
import pytest
import torch
from clarabel_oracle import least_information as by_cone
from joints import KINDS, binned_gaussian, hard_joint

from comm_lite.pid import GATES, PID, broja, broja_batch, plug_in
from comm_lite.pid._barrier import barrier
from comm_lite.pid._least import least_information
from comm_lite.pid._square import square
from comm_lite.pid.certificate import certify


def gap_of(p, solve):
    p = np.where(p > 1e-16, p, 0)
    p1, p2 = p.sum(1) / p.sum(), p.sum(0) / p.sum()
    lower, upper, joint = certify(p1, p2, solve(p1, p2))
    assert joint.sum(1) == pytest.approx(p1, abs=1e-12) and joint.sum(0) == pytest.approx(p2, abs=1e-12)
    return float(upper - lower)


def one_square(p1, p2):
    return type(dual := square(p1[None], p2[None]))(*(part[0] for part in dual))


@pytest.mark.parametrize("kind", KINDS)
def test_the_root_is_certified_on_hard_tables(kind):
    rng = np.random.default_rng(3)
    tables = [hard_joint(kind, (2, 2, labels), rng) for labels in (2, 3, 7) for _ in range(20)]
    assert max(gap_of(p, one_square) for p in tables) < 1e-9


def test_the_root_finds_what_the_barrier_finds():
    rng = np.random.default_rng(1)
    for alpha in (0.2, 1.0, 5.0):
        p = rng.dirichlet(np.full(12, alpha)).reshape(2, 2, 3)
        p1, p2 = p.sum(1), p.sum(0)
        values = [certify(p1, p2, dual)[1] for dual in (one_square(p1, p2), barrier(p1, p2, tolerance=1e-9))]
        assert values[0] == pytest.approx(values[1], abs=1e-9)


def test_many_roots_are_each_of_them():
    rng = np.random.default_rng(2)
    p = np.stack([hard_joint(kind, (2, 2, 3), rng) for kind in KINDS for _ in range(5)])
    p1, p2 = p.sum(2), p.sum(1)
    together = certify(p1, p2, square(p1, p2))[1]
    alone = [certify(a, b, one_square(a, b))[1] for a, b in zip(p1, p2, strict=True)]
    assert together == pytest.approx(np.array(alone), abs=1e-11)


@pytest.mark.parametrize("name", ["AND", "XOR", "RDN", "UNQ1", "ReducedOr", "CorrAnd"])
def test_the_barrier_finds_gates_that_end_where_a_cell_vanishes(name):
    assert gap_of(GATES[name].p, lambda a, b: barrier(a, b, tolerance=1e-8)) < 1e-9


@pytest.mark.parametrize("bins", [6, 12, 18])
@pytest.mark.parametrize("seed", range(2))
def test_binned_gaussians_are_certified(bins, seed):
    found = broja(binned_gaussian(bins, seed))
    assert found.certified and min(found.atoms.values()) >= 0


def test_a_binned_gaussian_is_what_a_cone_solver_says():
    p = binned_gaussian(5, 1)
    nats, gap = by_cone(p)
    assert gap < 1e-6 and broja(p).union == pytest.approx(nats / math.log(2), abs=1e-6)


# ---------------------------------------------------------------- the gradient of what is returned


def sparse(seed, shape):
    p = np.random.default_rng(seed).dirichlet(np.full(math.prod(shape), 0.1)).reshape(shape)
    p[p < 1e-4] = 0
    return p / p.sum()


@pytest.mark.parametrize("shape", [(5, 5, 5), (4, 3, 2), (2, 2, 3)])
def test_the_gradient_on_sparse_tables(shape):
    """Where the two one-sided differences agree, autograd agrees with them; at a kink it lies between them."""
    smooth = 0
    for seed in range(10):
        p = sparse(seed, shape)
        move = np.random.default_rng(seed).normal(size=shape) * p
        move -= p * move.sum()
        leaf = torch.from_numpy(p)[None].requires_grad_(True)
        (gradient,) = torch.autograd.grad(broja_batch(leaf).synergy.sum(), leaf)
        step = 1e-4
        low, middle, high = broja_batch(
            torch.from_numpy(np.stack([p - step * move, p, p + step * move])), tolerance=1e-9
        ).synergy.tolist()
        before, after, mine = (middle - low) / step, (high - middle) / step, float((gradient[0].numpy() * move).sum())
        if abs(after - before) < 1e-3:
            smooth += 1
            assert mine == pytest.approx((before + after) / 2, abs=2e-5)
        else:
            assert min(before, after) - 1e-4 <= mine <= max(before, after) + 1e-4
    assert smooth >= 5


# ---------------------------------------------------------------- what is alike costs nothing


def test_symbols_and_labels_that_tell_the_same_are_one():
    p = np.random.default_rng(0).dirichlet(np.ones(12)).reshape(3, 2, 2)
    split = np.concatenate([0.25 * p, 0.75 * p, np.zeros((1, 2, 2))])  # each x1 under two names, and one that is none
    split = np.concatenate([0.4 * split, 0.6 * split], axis=2)  # each label under two names
    found, wanted = broja(split), broja(p)
    assert list(found.atoms.values()) == pytest.approx(list(wanted.atoms.values()), abs=1e-9)
    assert found.joint.sum(1) == pytest.approx(split.sum(1), abs=1e-12)
    assert found.joint.sum(0) == pytest.approx(split.sum(0), abs=1e-12)
    assert least_information(split.sum(1), split.sum(0)).small.shape == (3, 2, 2)


def test_the_gradient_of_merged_symbols_is_their_own():
    p = np.random.default_rng(5).dirichlet(np.ones(8)).reshape(2, 2, 2)
    split = torch.from_numpy(np.concatenate([0.3 * p, 0.7 * p], axis=2))[None]
    generator = torch.Generator().manual_seed(0)
    move = torch.randn(split.shape, generator=generator, dtype=torch.float64) * split
    move = move - split * move.sum()
    leaf = split.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(broja_batch(leaf).redundancy.sum(), leaf)
    ends = broja_batch(torch.cat([split - 1e-4 * move, split + 1e-4 * move]), tolerance=1e-9).redundancy
    assert float((gradient * move).sum()) == pytest.approx(float(ends[1] - ends[0]) / 2e-4, abs=1e-5)


def copy(n1, n2):
    p = np.zeros((n1, n2, n1 * n2))
    weight = np.random.default_rng(1).dirichlet(np.ones(n1 * n2))
    for x1, x2 in np.ndindex(n1, n2):
        p[x1, x2, n2 * x1 + x2] = weight[n2 * x1 + x2]
    return p


def test_the_cost_follows_what_occurs():
    """Processor seconds, several times what they take on an idle machine; a cost by shape is a hundred times more."""
    start = time.process_time()
    found = broja(copy(20, 10))
    assert found.synergy == pytest.approx(0, abs=1e-9) and time.process_time() - start < 1
    g = torch.Generator().manual_seed(0)
    x1, x2, y = (torch.randint(k, (700,), generator=g) for k in (350, 350, 2))
    start = time.process_time()
    plug_in(x1, x2, y, permutations=9, generator=g)
    assert time.process_time() - start < 6


def test_a_decomposition_prints_a_table_with_units():
    found = broja(GATES["AND"].p)
    assert str(found).splitlines()[0] == "R   0.3113 bits  either source tells"
    assert "sum 0.8113 bits, 0.3113 without synergy; " in str(found)
    assert str(PID(0.1, 0, 0, 0, 2e-9)).endswith("without synergy; error at most 2e-09 bits")
    assert repr(PID(1, 0, 0.25, -1e-9)) == "PID(R 1.0000, U1 0.0000, U2 0.2500, S 0.0000 bits)"
    assert found.union == pytest.approx(found.total - found.synergy, abs=1e-12)
