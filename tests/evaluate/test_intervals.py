r"""Intervals hold the true value as often as they say, also where the usual ones do not."""

import math

import pytest
import torch

from comm_lite.evaluate.intervals import balanced_accuracy, balanced_interval, wilson

TRIALS = 300


def normal(x):
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def one_pool(generator, *, items=100, rows=1000, mean=0.8, spread=0.6):
    """Pairs of items from one pool, each item easy or hard by itself; Phi(mean + a_i + a_j) is right."""
    effect = spread * torch.randn(items, generator=generator)
    i = torch.randint(items, (rows,), generator=generator)
    j = (i + torch.randint(1, items, (rows,), generator=generator)) % items
    correct = torch.rand(rows, generator=generator) < normal(mean + effect[i] + effect[j])
    return correct, torch.arange(rows) % 2, torch.stack([i, j], 1), mean / math.sqrt(1 + 2 * spread**2)


def two_pools(generator, *, rows=1000, mean=0.8, spread=0.6):
    a, b = spread * torch.randn(60, generator=generator), spread * torch.randn(40, generator=generator)
    i, j = (torch.randint(n, (rows,), generator=generator) for n in (60, 40))
    correct = torch.rand(rows, generator=generator) < normal(mean + a[i] + b[j])
    return correct, torch.arange(rows) % 2, torch.stack([i, 60 + j], 1), mean / math.sqrt(1 + 2 * spread**2)


def rows_of_items(generator, *, mean=3.0, spread=1.5):
    """40 items of 20 rows; nearly all is right, and what is wrong gathers in few items."""
    item = torch.arange(40).repeat_interleave(20)
    effect = spread * torch.randn(40, generator=generator)
    correct = torch.rand(800, generator=generator) < normal(mean + effect[item])
    return correct, torch.arange(800) % 2, item[:, None], mean / math.sqrt(1 + spread**2)


def twenty(generator, *, share=0.95, classes=2):
    correct = torch.rand(20, generator=generator) < share
    quantile = float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))
    return correct, torch.arange(20) % classes, torch.arange(20)[:, None], quantile


CASES = {
    "pairs from one pool": (one_pool, {}),
    "pairs from one small pool": (one_pool, {"items": 30, "rows": 300}),
    "pairs from one pool, nearly all right": (one_pool, {"mean": 2.5}),
    "pairs from two pools": (two_pools, {}),
    "many rows of an item, nearly all right": (rows_of_items, {}),
    "20 rows, 95 % right": (twenty, {}),
    "20 rows, 70 % right": (twenty, {"share": 0.7}),
    "20 rows of 10 classes": (twenty, {"classes": 10}),
    "20 rows of 10 classes, nearly all right": (twenty, {"classes": 10, "share": 0.97}),
    "20 rows, all right": (twenty, {"share": 1 - 1e-9}),
}


@pytest.mark.parametrize("case", CASES)
def test_intervals_hold_the_truth_as_often_as_they_say(case):
    draw, settings = CASES[case]
    generator, held, widths = torch.Generator().manual_seed(0), 0, []
    for _ in range(TRIALS):
        correct, truth, items, quantile = draw(generator, **settings)
        low, high = balanced_interval(correct, truth, items, replicates=100, generator=generator)
        held += low <= float(normal(torch.tensor(quantile, dtype=torch.float64))) <= high
        widths.append(high - low)
    assert held / TRIALS >= 0.925, f"{held / TRIALS:.3f}"  # nominal 0.95, two standard errors are 0.025
    assert sum(widths) / TRIALS < 0.42


def test_an_interval_from_a_perfect_score_is_no_point():
    correct, truth = torch.ones(40).bool(), torch.arange(40) % 2
    generator = torch.Generator().manual_seed(0)
    ends = {
        name: balanced_interval(correct, truth, items, replicates=100, generator=generator)
        for name, items in {
            "rows": torch.arange(40)[:, None],
            "items": (torch.arange(40) // 4)[:, None],
            "pairs": torch.stack([torch.arange(40) % 7, torch.arange(40) % 6], 1),
        }.items()
    }
    assert all(high == 1.0 for _, high in ends.values())
    assert ends["pairs"][0] < ends["items"][0] < ends["rows"][0] < 0.9


def test_wilson_solves_its_equation():
    share, rows = torch.linspace(0, 1, 41, dtype=torch.float64), 40
    for side, ends in zip((-1, 1), wilson(share, rows), strict=True):
        inside = (ends > 0) & (ends < 1)
        gap = side * (ends - share) - 0.5 / rows
        torch.testing.assert_close(gap[inside], (1.959964 * (ends * (1 - ends) / rows).sqrt())[inside])
    low, high = wilson(torch.tensor(81 / 263, dtype=torch.float64), 263)  # Newcombe 1998, table I, method 4
    assert (round(float(low), 4), round(float(high), 4)) == (0.2535, 0.3682)
    low, high = wilson(torch.tensor([0.0, 1.0]), 20)
    assert low[0] == 0 and high[1] == 1


def test_large_tests_have_the_normal_interval():
    correct, truth = torch.arange(40_000) % 5 > 0, torch.arange(40_000) % 2
    low, high = balanced_interval(correct, truth, torch.arange(40_000)[:, None], replicates=100, generator=None)
    half = 1.96 * (0.8 * 0.2 / 40_000) ** 0.5
    assert (low, high) == pytest.approx((0.8 - half, 0.8 + half), abs=1e-4)


def test_pairs_of_few_images_widen_the_interval():
    # Whether a row is right hangs on its first image alone: 40 images carry 40 facts, not 1600.
    first, second = torch.arange(1600) // 40, torch.arange(1600) % 40
    correct = (torch.rand(40, generator=torch.Generator().manual_seed(0)) < 0.7)[first]
    truth, generator = second % 2, torch.Generator().manual_seed(1)
    width = []
    for items in (torch.arange(1600)[:, None], first[:, None], torch.stack([first, 40 + second], dim=1)):
        low, high = balanced_interval(correct, truth, items, replicates=1000, generator=generator)
        width.append(high - low)
    assert width[1] > 4 * width[0]  # sqrt(1600 / 40) = 6.3
    assert width[2] == pytest.approx(width[1], rel=0.15)


def test_balanced_accuracy_is_scikit_learns():
    from sklearn.metrics import balanced_accuracy_score

    generator = torch.Generator().manual_seed(0)
    truth, found = (torch.randint(5, (200,), generator=generator) for _ in range(2))
    assert balanced_accuracy(truth == found, truth) == pytest.approx(balanced_accuracy_score(truth, found))


def test_errors():
    with pytest.raises(ValueError, match=r"truth must have one entry for each of the 3 rows, got shape \(2,\)"):
        balanced_accuracy(torch.ones(3).bool(), torch.zeros(2).long())
    with pytest.raises(ValueError, match=r"truth must have one entry for each of the 3 rows, got shape \(2,\)"):
        balanced_interval(
            torch.ones(3).bool(), torch.zeros(2).long(), torch.arange(3)[:, None], replicates=1, generator=None
        )
    with pytest.raises(TypeError, match=r"share must be a torch.Tensor, got float; wrap"):
        wilson(0.5, 10)
