import itertools

import pytest
import torch

from comm_lite.evaluate.items import hold_out, item_weights, number_items


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def weights(items, replicates=4000, seed=0):
    return torch.cat(list(item_weights(items, replicates=replicates, generator=generator(seed))))


def test_numbers_are_shared_between_columns():
    items = torch.tensor([[40, 7], [7, 40], [9, 9]])
    assert number_items("items", items, rows=3).tolist() == [[2, 0], [0, 2], [1, 1]]
    assert number_items("items", None, rows=3).tolist() == [[0], [1], [2]]
    assert number_items("items", torch.tensor([5, 5, 1]), rows=3).tolist() == [[1], [1], [0]]


def test_rows_of_an_item_count_alike_and_items_sum_to_their_number():
    items = torch.tensor([[0], [2], [1], [0], [2], [2]])
    w = weights(items, 200)
    assert w.shape == (200, 6)
    assert torch.equal(w, w.round())
    assert (w[:, 0] == w[:, 3]).all() and (w[:, 1] == w[:, 4]).all() and (w[:, 1] == w[:, 5]).all()
    assert (w[:, :3].sum(dim=1) == 3).all()


def test_one_column_is_the_multinomial_exactly():
    # With two items, the first is drawn 0, 1 or 2 times with probability 1/4, 1/2, 1/4.
    share = weights(torch.tensor([[0], [1]]), 8000)[:, 0].long().bincount() / 8000
    torch.testing.assert_close(share, torch.tensor([0.25, 0.5, 0.25]), atol=0.02, rtol=0)


def test_two_columns_multiply():
    # All pairs of 2 x 2 items, two pools: the weight of a pair is a product, so the determinant of the table is zero.
    items = torch.tensor(list(itertools.product((0, 1), (2, 3))))
    table = weights(items, 500).reshape(500, 2, 2)
    assert (table[:, 0, 0] * table[:, 1, 1] == table[:, 0, 1] * table[:, 1, 0]).all()
    assert table[:, 0, 0].unique().tolist() == [0, 1, 2, 3, 4]


def test_an_item_counts_alike_in_whichever_column_and_once_beside_itself():
    w = weights(torch.tensor([[0, 1], [1, 2], [0, 0], [1, 1], [2, 2]]), 300)
    m = w[:, 2:]
    assert (m.sum(dim=1) == 3).all()
    assert (w[:, 0] == m[:, 0] * m[:, 1]).all() and (w[:, 1] == m[:, 1] * m[:, 2]).all()


def test_chunks_are_together_what_was_asked_for():
    items = torch.arange(6_000)[:, None]
    chunks = list(item_weights(items, replicates=2000, generator=generator()))
    assert [len(c) for c in chunks] == [1666, 334]


@pytest.mark.parametrize("n", [8, 41, 400])
def test_held_out_rows_are_a_quarter_of_each_class(n):
    labels = torch.arange(n) % 3
    held, kept = hold_out(labels, None, generator=generator())
    assert (held ^ kept).all()
    for k in range(3):
        rows = int((labels == k).sum())
        assert int(held[labels == k].sum()) == max(1, rows // 4)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_no_item_is_on_both_sides(columns):
    items = torch.randint(60, (3000, columns), generator=generator(1))
    held, kept = hold_out(torch.arange(3000) % 2, items, generator=generator(2))
    assert held.any() and kept.any()
    assert not set(items[held].flatten().tolist()) & set(items[kept].flatten().tolist())
    if columns == 1:
        assert (held ^ kept).all()
        assert len(items[held].unique()) == 15


def test_hold_out_follows_its_generator():
    labels = torch.arange(100) % 2
    first, again, other = (hold_out(labels, None, generator=generator(s))[0] for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_errors():
    with pytest.raises(
        ValueError, match=r"items must have one entry for each of the 3 rows, got shape \(2,\); take both"
    ):
        number_items("items", torch.arange(2), rows=3)
    with pytest.raises(TypeError, match=r"items must hold integers, got torch.float32; call .long\(\) first"):
        number_items("items", torch.zeros(3), rows=3)
    with pytest.raises(ValueError, match=r"items must have shape \(N,\) or \(N, k\), got \(3, 1, 1\); give one column"):
        number_items("items", torch.zeros(3, 1, 1).long(), rows=3)
    with pytest.raises(
        ValueError, match=r"items must hold at least two distinct items, got 1; nothing can be resampled"
    ):
        number_items("items", torch.zeros(3).long(), rows=3)
    with pytest.raises(ValueError, match=r"items must have shape \(N, k\), got \(3,\); bring it to 2 axes"):
        next(item_weights(torch.arange(3), replicates=3, generator=generator()))
    with pytest.raises(ValueError, match=r"replicates must be at least 1, got 0"):
        next(item_weights(torch.arange(3)[:, None], replicates=0, generator=generator()))
    with pytest.raises(
        ValueError, match=r"labels must hold at least two rows of each class, got one of \[7\]; one part"
    ):
        hold_out(torch.tensor([3, 3, 7]), None, generator=generator())
    one_class_each = torch.tensor([0, 0, 0, 1, 1, 1])
    with pytest.raises(
        ValueError, match=r"items must leave every class on both sides of the split, got no held-out row"
    ):
        hold_out(one_class_each, one_class_each[:, None], generator=generator())
