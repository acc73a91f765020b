"""Entropy and information of tables against plain loops, chain rules, and cases known by heart."""

import math
from itertools import permutations, product

import numpy as np
import pytest
import torch

from comm_lite.info import (
    co_information,
    conditional_entropy,
    conditional_mutual_information,
    distribution,
    entropy,
    joint,
    kl_divergence,
    mutual_information,
)

CLOSE = {"rel": 1e-12, "abs": 1e-12}


def table(*shape, seed=0, zeros=0.0):
    """A random joint distribution, some of whose entries are zero."""
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.ones(math.prod(shape))).reshape(shape)
    p[generator.random(shape) < zeros] = 0
    return p / p.sum()


TABLES = [
    pytest.param(table(*shape, seed=seed, zeros=zeros), id=f"{shape}-{zeros}-{seed}")
    for seed, (shape, zeros) in enumerate(product([(2, 2, 2), (3, 4, 2), (5, 2, 3), (1, 3, 2)], [0.0, 0.4]))
]
each_table = pytest.mark.parametrize("p", TABLES)
XOR = np.zeros((2, 2, 2))
XOR[0, 0, 0] = XOR[0, 1, 1] = XOR[1, 0, 1] = XOR[1, 1, 0] = 0.25


def h(p):
    """Entropy in bits, one number at a time."""
    return -sum(v * math.log2(v) for v in np.ravel(p).tolist() if v > 0)


def loop_mutual_information(p):
    total = 0.0
    for x, y in product(*map(range, p.shape)):
        if p[x, y] > 0:
            px, py = sum(p[x, j] for j in range(p.shape[1])), sum(p[i, y] for i in range(p.shape[0]))
            total += p[x, y] * math.log2(p[x, y] / (px * py))
    return total


def loop_conditional_mutual_information(p):
    total = 0.0
    for x, y, z in product(*map(range, p.shape)):
        if p[x, y, z] > 0:
            total += p[x, y, z] * math.log2(p[x, y, z] * p[:, :, z].sum() / (p[x, :, z].sum() * p[:, y, z].sum()))
    return total


@each_table
def test_equal_the_loops(p):
    pair = p.sum(2)
    assert entropy(p) == pytest.approx(h(p), **CLOSE)
    assert mutual_information(pair) == pytest.approx(loop_mutual_information(pair), **CLOSE)
    assert conditional_mutual_information(p) == pytest.approx(loop_conditional_mutual_information(p), **CLOSE)
    assert conditional_entropy(pair) == pytest.approx(
        -sum(v * math.log2(v / pair[:, y].sum()) for (x, y), v in np.ndenumerate(pair) if v > 0), **CLOSE
    )


@each_table
def test_chain_rules(p):
    x, y, pair = p.sum((1, 2)), p.sum((0, 2)), p.sum(2)
    assert entropy(pair) == pytest.approx(entropy(y) + conditional_entropy(pair), **CLOSE)
    assert mutual_information(pair) == pytest.approx(entropy(x) - conditional_entropy(pair), **CLOSE)
    assert mutual_information(pair) == pytest.approx(entropy(x) + entropy(y) - entropy(pair), **CLOSE)
    assert mutual_information(pair) == pytest.approx(kl_divergence(pair, np.outer(x, y)), **CLOSE)
    # I(X1, X2; Y) = I(X1; Y) + I(X2; Y | X1)
    both = mutual_information(p.reshape(-1, p.shape[2]))
    second = conditional_mutual_information(p.transpose(1, 2, 0))
    assert both == pytest.approx(mutual_information(p.sum(1)) + second, **CLOSE)


@each_table
def test_ranges(p):
    pair = p.sum(2)
    assert -1e-12 <= entropy(p) <= math.log2(p.size) + 1e-12
    assert -1e-12 <= mutual_information(pair) <= min(entropy(pair.sum(0)), entropy(pair.sum(1))) + 1e-12
    assert -1e-12 <= conditional_entropy(pair) <= entropy(pair.sum(1)) + 1e-12
    assert conditional_mutual_information(p) >= -1e-12


@each_table
def test_symmetry(p):
    pair = p.sum(2)
    assert mutual_information(pair.T) == pytest.approx(mutual_information(pair), **CLOSE)
    value = conditional_mutual_information(p)
    assert conditional_mutual_information(p.transpose(1, 0, 2)) == pytest.approx(value, **CLOSE)
    for order in permutations(range(3)):
        assert co_information(p.transpose(order)) == pytest.approx(co_information(p), **CLOSE)


@each_table
def test_names_of_the_outcomes_do_not_matter(p):
    generator = np.random.default_rng(1)
    renamed = p[generator.permutation(p.shape[0])][:, generator.permutation(p.shape[1])]
    padded = np.pad(p, ((0, 1), (1, 0), (0, 2)))  # outcomes that never occur
    for other in (renamed, padded):
        for of in (entropy, conditional_mutual_information, co_information):
            assert of(other) == pytest.approx(of(p), **CLOSE)
        assert mutual_information(other.sum(2)) == pytest.approx(mutual_information(p.sum(2)), **CLOSE)
        assert conditional_entropy(other.sum(2)) == pytest.approx(conditional_entropy(p.sum(2)), **CLOSE)


@each_table
def test_processing_never_adds_information(p):
    pair = p.sum(2)
    merged = np.concatenate([pair[:, :-2], pair[:, -2:].sum(1, keepdims=True)], axis=1)
    assert mutual_information(merged) <= mutual_information(pair) + 1e-12


@each_table
def test_units(p):
    q = table(*p.shape, seed=9)
    for of, arguments in (
        (entropy, (p,)),
        (conditional_entropy, (p.sum(2),)),
        (mutual_information, (p.sum(2),)),
        (conditional_mutual_information, (p,)),
        (co_information, (p,)),
        (kl_divergence, (p, q)),
    ):
        assert of(*arguments, unit="nats") == pytest.approx(math.log(2) * of(*arguments), **CLOSE)
        assert type(of(*arguments)) is float
        with pytest.raises(ValueError, match=r"unit must be one of \['bits', 'nats'\], got 'hartleys'; choose"):
            of(*arguments, unit="hartleys")


def test_cases_known_by_heart():
    assert entropy(np.full(8, 1 / 8)) == 3.0
    assert str(entropy(np.array([1.0]))) == "0.0"  # and not -0.0
    assert entropy(np.array([0.5, 0.25, 0.25])) == 1.5
    assert mutual_information(np.full((2, 3), 1 / 6)) == pytest.approx(0.0, abs=1e-15)
    assert mutual_information(np.eye(4) / 4) == 2.0
    assert co_information(XOR) == -1.0
    assert mutual_information(XOR.sum(2)) == 0.0 and conditional_mutual_information(XOR) == 1.0
    chance = 0.1  # a channel that turns a fair bit one time in ten
    channel = np.array([[1 - chance, chance], [chance, 1 - chance]]) / 2
    assert mutual_information(channel) == pytest.approx(1 - h([chance, 1 - chance]), **CLOSE)


def test_kl_divergence():
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert kl_divergence(p, q) == pytest.approx(0.5 * math.log2(2) + 0.5 * math.log2(2 / 3), **CLOSE)
    assert kl_divergence(q, p) != pytest.approx(kl_divergence(p, q), abs=1e-3)
    assert kl_divergence(p, np.array([1.0, 0.0])) == math.inf
    assert kl_divergence(np.array([1.0, 0.0]), p) == 1.0
    for seed in range(5):
        assert kl_divergence(table(3, 4, seed=seed, zeros=0.3), table(3, 4, seed=seed + 20)) > 0


def test_rare_outcomes_keep_their_digits():
    # No constant inside the logarithm: an outcome of 1e-300 counts for what it is.
    assert entropy(np.array([1.0, 1e-300])) == pytest.approx(1e-300 * 300 * math.log2(10), rel=1e-12)
    p = np.array([[1.0, 0.0], [0.0, 1e-200]])
    assert mutual_information(p) == pytest.approx(1e-200 * 200 * math.log2(10), rel=1e-12)
    assert kl_divergence([0.0, 1.0], [1.0, 1e-310]) == pytest.approx(310 * math.log2(10), rel=1e-9)


def test_tensors_and_float32_are_taken_as_they_are():
    p = table(4, 3)
    assert mutual_information(torch.from_numpy(p)) == mutual_information(p)
    single = torch.tensor(p, dtype=torch.float32, requires_grad=True)
    assert mutual_information(single) == pytest.approx(mutual_information(p), abs=1e-6)
    assert distribution(single).dtype == np.float64
    assert distribution(single).sum() == pytest.approx(1.0, abs=1e-15)


def test_the_input_is_left_as_it_was():
    p = table(3, 3, zeros=0.3)
    before = p.copy()
    mutual_information(p), conditional_entropy(p), distribution(p)
    assert np.array_equal(p, before)


ONE_OFF = np.array([[0.5, 0.6]])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: entropy([1, 0]), TypeError, r"p must hold probabilities as floats, got int64; divide counts"),
        (lambda: entropy(["a"]), TypeError, r"p must hold probabilities as floats, got <U1"),
        (lambda: entropy(np.array([])), ValueError, r"p must hold at least one probability, got shape \(0,\)"),
        (lambda: entropy(0.5), ValueError, r"p must hold at least one probability, got shape \(\)"),
        (lambda: entropy([0.5, math.nan]), ValueError, r"p must be finite, got NaN or infinity; look"),
        (lambda: entropy([1.5, -0.5]), ValueError, r"p must not be negative, got -0.5; a probability"),
        (lambda: mutual_information(ONE_OFF), ValueError, r"p must sum to 1, got 1.1; divide it by its sum"),
        (lambda: mutual_information([0.5, 0.5]), ValueError, r"p must have shape \(X, Y\), got \(2,\); one axis"),
        (lambda: conditional_entropy(XOR), ValueError, r"p must have shape \(X, Y\), got \(2, 2, 2\)"),
        (lambda: conditional_mutual_information(XOR[0] * 2), ValueError, r"shape \(X, Y, Z\), got \(2, 2\)"),
        (lambda: co_information(XOR[0] * 2), ValueError, r"shape \(X1, X2, Y\), got \(2, 2\)"),
        (lambda: kl_divergence(XOR, XOR.reshape(4, 2)), ValueError, r"q must have the shape of p, wanted \(2, 2, 2\)"),
        (lambda: kl_divergence(XOR, -XOR), ValueError, r"q must not be negative"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_table_of_names_from_samples_and_from_probabilities():
    samples = [("b", 0), ("a", 1), ("b", 0), ("b", 1)]
    p, names = joint(iter(samples))
    assert names == (["a", "b"], [0, 1])
    assert p.tolist() == [[0, 0.25], [0.5, 0.25]]
    again, same = joint({("b", 0): 0.5, ("a", 1): 0.25, ("b", 1): 0.25})
    assert same == names and again.tolist() == p.tolist()
