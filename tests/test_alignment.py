"""What alignment keeps, on tables: against sums written out, invariances, and training by InfoNCE."""

import numpy as np
import pytest
import torch

from comm_lite.alignment import kept_by_alignment, optimal_critic, view_gaps
from comm_lite.info import mutual_information
from comm_lite.pid import broja


@pytest.fixture
def p():
    return np.random.default_rng(0).dirichlet(np.ones(24)).reshape(2, 3, 4)


def test_gaps_are_unique_information_plus_synergy(p):
    atoms = broja(p).atoms
    assert view_gaps(p) == pytest.approx((atoms["U1"] + atoms["S"], atoms["U2"] + atoms["S"]), abs=1e-6)


def test_gaps_change_places_with_the_views(p):
    assert view_gaps(p.transpose(1, 0, 2)) == pytest.approx(view_gaps(p)[::-1])


def test_the_critic_is_the_pointwise_mutual_information(p):
    views = p.sum(2)
    f = optimal_critic(views)
    for a, b in np.ndindex(views.shape):
        assert f[a, b] == pytest.approx(np.log(views[a, b] / (views[a].sum() * views[:, b].sum())))
    assert (views * f).sum() == pytest.approx(mutual_information(views, unit="nats"))
    assert optimal_critic(views.T) == pytest.approx(f.T)


def test_the_critic_is_minus_infinity_for_pairs_that_never_meet():
    assert optimal_critic([[0.5, 0.0], [0.0, 0.5]]).tolist() == [[np.log(2), -np.inf], [-np.inf, np.log(2)]]


def test_no_other_critic_has_a_lower_info_nce_loss(p):
    """Over batches of two pairs, written out: each term has its pair and one plot drawn by itself."""
    views = torch.tensor(p.sum(2))
    keys = views.sum(0)

    def loss(f):
        gap = f[:, None, :] - f[:, :, None]  # (x1, own, other)
        return (views[:, :, None] * keys * torch.nn.functional.softplus(gap)).sum()

    f = torch.tensor(optimal_critic(views.numpy()), requires_grad=True)
    loss(f).backward()
    assert f.grad.abs().max() < 1e-12  # stationary, and the loss is convex in f
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = f.detach() + 0.1 * torch.randn(f.shape, generator=generator, dtype=f.dtype)
        assert loss(other) > loss(f.detach())
    assert loss(f.detach() + torch.randn(2, 1, dtype=f.dtype)) == pytest.approx(loss(f.detach()).item())


def test_alignment_keeps_what_both_show_and_nothing_else():
    tables = {name: np.zeros((4, 4, 2)) for name in ("shared", "first", "second", "xor")}
    for c, u, v in np.ndindex(2, 2, 2):  # shared coin, one coin a view
        for name, y in {"shared": c, "first": u, "second": v, "xor": u ^ v}.items():
            tables[name][2 * c + u, 2 * c + v, y] += 1 / 8
    kept = {name: kept_by_alignment(table) for name, table in tables.items()}
    assert kept == pytest.approx({"shared": 1.0, "first": 0.0, "second": 0.0, "xor": 0.0}, abs=1e-12)


def test_a_noisy_copy_is_kept_whole():
    p = np.zeros((2, 2, 2))
    for sign, plot in np.ndindex(2, 2):
        p[sign, plot, sign] = 0.4 if sign == plot else 0.1
    assert kept_by_alignment(p) == pytest.approx(1.0) and broja(p).redundancy < 0.3


def test_symbols_that_never_occur_change_nothing(p):
    wide = np.zeros((3, 4, 4))
    wide[:2, :3] = p
    assert kept_by_alignment(wide) == pytest.approx(kept_by_alignment(p))


def test_nothing_is_merged_in_a_table_without_structure(p):
    assert kept_by_alignment(p) == pytest.approx(mutual_information(p.reshape(6, 4)))
    with_copy = np.repeat(p, 2, axis=0) / 2  # two symbols that mean the same
    assert kept_by_alignment(with_copy) == pytest.approx(kept_by_alignment(p))


def test_a_table_in_float32_merges_what_one_in_float64_does():
    rng = np.random.default_rng(3)
    rows = rng.random((2, 5))[[0, 1, 0, 1]] * rng.random((4, 1))  # symbols 0 and 2 meet the others alike, 1 and 3 too
    p = rows[:, :, None] * np.array([[0.9, 0.1], [0.2, 0.8], [0.1, 0.9], [0.7, 0.3]])[:, None]  # but not the label
    p = p / p.sum()
    assert kept_by_alignment(p) < mutual_information(p.reshape(20, 2)) - 0.05
    assert kept_by_alignment(p.astype(np.float32)) == pytest.approx(kept_by_alignment(p), abs=1e-6)
