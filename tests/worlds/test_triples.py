"""Triples: the planted information, counted from a large draw, and what the vectors really show."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from comm_lite.data import Batches
from comm_lite.evaluate import subsets
from comm_lite.worlds import TRIPLE_SOURCES, TriplesConfig, make_triples, triple_bits

NAMES = ("image", "sound", "text")
# Which coins each modality shows, written by hand from the table at the top of the module.
SHOWS = {"image": ["shared", "unique", "first"], "sound": ["shared", "pair"], "text": ["shared", "pair", "second"]}
SMALL = TriplesConfig(width=32, pretrain=60, train=60, validation=20, test=40)


def bits(columns, label):
    """Plug-in mutual information of a few columns with a label, in bits."""
    _, seen = columns.unique(dim=0, return_inverse=True)
    joint = torch.zeros(int(seen.max()) + 1, 2, dtype=torch.float64)
    joint.index_put_((seen, label), torch.ones(len(label), dtype=torch.float64), accumulate=True)
    p = joint / joint.sum()
    both = p.sum(1, keepdim=True) * p.sum(0, keepdim=True)
    return float((p[p > 0] * (p[p > 0] / both[p > 0]).log2()).sum())


@pytest.fixture(scope="module")
def many():
    return make_triples(TriplesConfig(width=8, pretrain=1, train=20_000, validation=1, test=1)).train


@pytest.mark.parametrize("keep", subsets(NAMES), ids="-".join)
def test_each_subset_tells_what_is_planted(many, keep):
    shown = sorted({coin for name in keep for coin in SHOWS[name]})
    columns = torch.stack([many.coins[coin] for coin in shown], dim=1)
    for task, exact in triple_bits(keep).items():
        assert bits(columns, many.y[task]) == pytest.approx(exact, abs=0.01), task


def test_more_modalities_never_tell_less():
    for small, large in product(subsets(NAMES), repeat=2):
        if set(small) <= set(large):
            assert all(triple_bits(large)[task] >= bit for task, bit in triple_bits(small).items())
    assert triple_bits(NAMES) == dict.fromkeys(TRIPLE_SOURCES, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_shows_its_coins_without_error_and_no_others(many, name):
    half = len(many) // 2
    x = torch.cat([many.x[name], torch.ones(len(many), 1)], dim=1)
    for coin, value in many.coins.items():
        fit = torch.linalg.lstsq(x[:half], 2.0 * value[:half, None] - 1).solution
        right = ((x[half:] @ fit > 0).squeeze(1) == value[half:]).float().mean()
        assert right == 1 if coin in SHOWS[name] else right < 0.53, coin


def test_what_means_nothing_has_deviation_one_and_a_coin_moves_by_signal():
    data = make_triples(TriplesConfig(width=400, signal=5.0, pretrain=1000)).pretrain
    assert data.x["sound"].square().sum(1).mean() == pytest.approx(400 - 2 + 2 * 25, rel=0.02)


def test_for_pretraining_the_coins_fall_alike_and_else_in_half():
    data = make_triples(replace(SMALL, train=2000))
    assert data.pretrain.y["synergy"].all() and 0.45 < data.train.y["synergy"].float().mean() < 0.55
    assert torch.equal(data.train.y["synergy"] == 1, data.train.coins["first"] == data.train.coins["second"])


def test_splits_differ_and_a_seed_fixes_everything():
    one, same, other = make_triples(SMALL, seed=1), make_triples(SMALL, seed=1), make_triples(SMALL, seed=2)
    assert torch.equal(one.test.x["text"], same.test.x["text"])
    assert not torch.equal(one.test.x["text"], other.test.x["text"])
    assert not torch.equal(one.pretrain.x["text"], one.train.x["text"])
    longer = make_triples(replace(SMALL, pretrain=70), seed=1)  # another split's size moves nothing
    assert torch.equal(one.test.x["text"], longer.test.x["text"])


def test_batches_hand_on_further_modalities():
    data = make_triples(SMALL).train
    tagged = replace(data, x={**data.x, "tag": torch.arange(60.0)[:, None]})
    x, y = tagged.batch(slice(5, 8))
    assert x["tag"].flatten().tolist() == [5, 6, 7] and len(y) == 4
    assert isinstance(tagged.batches(7), Batches) and len(tagged.batches(7)) == 9
    order = torch.cat([x["tag"] for x, _ in tagged.batches(10, generator=torch.Generator().manual_seed(0))])
    assert sorted(order.flatten().tolist()) == list(range(60)) != order.flatten().tolist()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"width must be at least 4, got 3; pass a larger one"):
        TriplesConfig(width=3)
    with pytest.raises(ValueError, match=r"signal must be a finite number above zero"):
        TriplesConfig(signal=0.0)
    with pytest.raises(ValueError, match=r"modalities must name only .*, got unknown \['smell'\]; drop or rename"):
        triple_bits(["smell"])
