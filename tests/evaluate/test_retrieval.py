import dataclasses
import itertools
import sys

import pytest
import torch

from comm_lite.evaluate import Retrieval, retrieval, retrieval_ranks


def captions(images=12, each=3, *, noise=0.6, seed=0, dim=6):
    """Images, captions scattered around them in shuffled order, and the number of the image for both."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(images, dim, generator=generator)
    of = torch.arange(images).repeat_interleave(each)[torch.randperm(images * each, generator=generator)]
    text = image[of] + noise * torch.randn(images * each, dim, generator=generator)
    return image, text, torch.arange(images), of


def sorted_ranks(queries, keys, query_items, key_items):
    """Sort the candidates of each query one by one, the ones that are not its own first among equals."""
    ranks = []
    for q, item in zip(queries.double(), query_items.tolist(), strict=True):
        order = []
        for v, other in zip(keys.double(), key_items.tolist(), strict=True):
            cosine = float(q @ v / (q.norm() * v.norm()))
            order.append((-round(cosine, 9), other == item))
        ranks.append(1 + [own for _, own in sorted(order)].index(True))
    return ranks


@pytest.mark.parametrize("noise", [0.1, 0.6, 3.0])
@pytest.mark.parametrize("direction", ["image to text", "text to image"])
def test_ranks_are_those_of_a_sort(noise, direction):
    image, text, image_items, text_items = captions(noise=noise)
    sides = (image, text, image_items, text_items)
    if direction == "text to image":
        sides = (text, image, text_items, image_items)
    queries, keys, query_items, key_items = sides
    wanted = sorted_ranks(*sides)
    assert retrieval_ranks(queries, keys, query_items=query_items, key_items=key_items).tolist() == wanted
    found = retrieval(queries, keys, query_items=query_items, key_items=key_items)
    assert list(found.recall) == list(found.chance) == [1, 5, 10]
    for k in (1, 5, 10):
        assert found.recall[k] == pytest.approx(sum(rank <= k for rank in wanted) / len(wanted))
    middle = sorted(wanted)
    half = len(wanted) // 2
    assert found.median_rank == (middle[half - 1] + middle[half]) / 2
    assert (found.queries, found.candidates) == (len(queries), len(keys))


def test_ties_are_sorted_against_the_query():
    generator = torch.Generator().manual_seed(0)
    keys = torch.randint(-1, 2, (40, 2), generator=generator) + torch.tensor([0.0, 0.5])  # few directions: many ties
    items = torch.arange(40) % 15
    ranks = retrieval_ranks(keys[:20], keys, query_items=items[:20], key_items=items)
    assert ranks.tolist() == sorted_ranks(keys[:20], keys, items[:20], items)
    assert ranks.min() > 1  # each has strangers in its own direction


def test_near_is_not_equal():
    """The cosines differ by 5e-9, which float32 cannot hold."""
    keys = torch.tensor([[1.0, 0.0], [1.0, 1e-4]])
    assert retrieval_ranks(keys * 3, keys).tolist() == [1, 1]


@pytest.mark.parametrize("point", [torch.ones(8), torch.randn(8, generator=torch.Generator().manual_seed(3)) * 1e-3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_collapsed_model_finds_nothing(point, dtype):
    z = point.to(dtype).expand(50, 8)
    found = retrieval(z, z * 7 if dtype == torch.float64 else z)
    assert found.recall == {1: 0.0, 5: 0.0, 10: 0.0}
    assert found.median_rank == 50


def test_a_perfect_model_finds_everything():
    z = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    found = retrieval(z, 3 * z)
    assert found.recall == {1: 1.0, 5: 1.0, 10: 1.0} and found.median_rank == 1
    image, text, image_items, text_items = captions(noise=0.0)
    assert retrieval(image, text, query_items=image_items, key_items=text_items).recall[1] == 1
    assert retrieval(text, image, query_items=text_items, key_items=image_items).recall[1] == 1


@pytest.mark.parametrize(("candidates", "own"), [(6, 1), (6, 2), (7, 3), (5, 5)])
def test_chance_is_the_mean_over_all_orders(candidates, own):
    items = torch.arange(candidates).clamp(min=own - 1)  # the first queries' item is owned ``own`` times
    items = torch.where(items < own, 0, items)
    z = torch.randn(candidates, 3, generator=torch.Generator().manual_seed(0))
    found = retrieval(z[:1], z, query_items=items[:1], key_items=items, ks=[1, 2, 4, 9])
    orders = list(itertools.permutations((items == 0).tolist()))
    for k in (1, 2, 4, 9):
        assert found.chance[k] == pytest.approx(sum(any(order[:k]) for order in orders) / len(orders))


def test_chance_is_averaged_over_queries():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    found = retrieval(z, z, query_items=torch.tensor([0, 0, 0, 1]), key_items=torch.tensor([0, 0, 0, 1]), ks=[1])
    assert found.chance[1] == pytest.approx((3 * 3 / 4 + 1 / 4) / 4)


def test_random_embeddings_are_at_chance():
    """2 000 queries also cross the border between two blocks of the computation."""
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(2, 2000, 4, generator=generator)
    items = torch.arange(2000) // 20  # 20 candidates belong to each
    found = retrieval(queries, keys, query_items=items, key_items=items, ks=(10, 100))
    for k in (10, 100):
        assert abs(found.recall[k] - found.chance[k]) < 4 * (found.chance[k] / 2000) ** 0.5
    assert found.chance[10] == pytest.approx(1 - 0.99**10, abs=0.002)
    ranks = retrieval_ranks(queries, keys)
    assert abs(ranks.double().mean() - 1000.5) < 4 * 2000 / (12 * 2000) ** 0.5


def test_the_order_of_candidates_and_the_length_of_embeddings_do_not_matter():
    image, text, image_items, text_items = captions()
    wanted = retrieval(image, text, query_items=image_items, key_items=text_items)
    assert 0.2 < wanted.recall[1] < 1
    order = torch.randperm(len(text), generator=torch.Generator().manual_seed(1))
    scale = torch.rand(len(text), 1, generator=torch.Generator().manual_seed(2)) + 0.1
    found = retrieval(image * 9, (text * scale)[order], query_items=image_items + 5, key_items=text_items[order] + 5)
    assert found == wanted


def test_directions_differ():
    """Two queries share one best candidate: only one of the candidates finds its query at once, and back."""
    first = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
    second = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert retrieval(first, second, ks=[1]).recall[1] == 0.5
    assert retrieval(second, first, ks=[1]).recall[1] == 1.0


def test_the_result_is_fixed_and_reads_as_a_sentence():
    found = retrieval(torch.eye(20), torch.eye(20))
    assert str(found) == (
        "R@1 1.000 (chance 0.050), R@5 1.000 (chance 0.250), R@10 1.000 (chance 0.500), median rank 1 of 20"
    )
    assert isinstance(found, Retrieval)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.median_rank = 2


def test_gradient_and_half_precision_are_accepted():
    z = torch.randn(20, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert retrieval_ranks(z, z.detach().bfloat16()).tolist() == [1] * 20


def test_memory_is_that_of_a_few_rows(monkeypatch):
    """However many queries there are, no table of similarities holds more than its share."""
    z = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    noisy = z + torch.randn(60, 5, generator=torch.Generator().manual_seed(1))
    wanted, made = retrieval_ranks(noisy, z), []
    plain = torch.Tensor.masked_fill

    def watched(self, *args):
        made.append(self.numel())
        return plain(self, *args)

    monkeypatch.setattr(sys.modules[retrieval_ranks.__module__], "CELLS", 130)
    monkeypatch.setattr(torch.Tensor, "masked_fill", watched)
    assert torch.equal(retrieval_ranks(noisy, z), wanted) and wanted.max() > 1
    assert made == [120] * 30


@pytest.mark.parametrize("length", [1e-30, 1e-13, 1e20, 1e30])
def test_length_does_not_matter(length):
    z = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    assert retrieval_ranks(z * length, z).tolist() == [1] * 20


Z = torch.eye(4)
ITEMS = torch.arange(4)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: retrieval(Z, Z * float("nan")), ValueError, "keys must be finite, got 16 NaN"),
        (lambda: retrieval(Z * 0, Z), ValueError, "queries must have a direction in every row, got 4 rows of zeros"),
        (lambda: retrieval(Z.long(), Z), TypeError, "queries must hold floating-point embeddings, got torch.int64"),
        (lambda: retrieval(Z[0], Z), ValueError, r"queries must have shape \(B, D\), got \(4,\)"),
        (lambda: retrieval(Z, Z[:, :3] + 1), ValueError, "keys must have the width of queries, wanted 4, got 3;"),
        (
            lambda: retrieval(Z, Z[:3]),
            ValueError,
            r"keys must have one entry for each of the 4 rows",
        ),
        (lambda: retrieval(Z, Z, query_items=ITEMS), ValueError, "must come together, got one of them; pass both or"),
        (
            lambda: retrieval(Z, Z, query_items=ITEMS, key_items=ITEMS[:3]),
            ValueError,
            r"key_items must have one entry for each of the 4 rows, got shape \(3,\)",
        ),
        (
            lambda: retrieval(Z, Z, query_items=ITEMS.float(), key_items=ITEMS),
            TypeError,
            "query_items must hold integers, got torch.float32",
        ),
        (
            lambda: retrieval(Z, Z, query_items=ITEMS + 2, key_items=ITEMS),
            ValueError,
            "got none for 2 queries, such as item 4; add these candidates or drop the queries",
        ),
        (lambda: retrieval(Z, Z, ks=[0]), ValueError, "ks must be at least 1, got 0"),
        (lambda: retrieval(Z, Z, ks=[1.5]), TypeError, "ks must be an integer, got float"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
