"""Seeds: no stream of random numbers serves two seeds or two purposes, and one seed gives the same bytes twice."""

from dataclasses import replace

import pytest
import torch

from comm_lite.book import controlled
from comm_lite.data.batches import stream
from comm_lite.worlds import (
    CaptionsConfig,
    MoviesConfig,
    PlantedConfig,
    TrifeaturesConfig,
    TriplesConfig,
    captions,
    make_captions,
    make_movies,
    make_triples,
    minimal_pairs,
    movies,
    planted,
    planted_vectors,
    trifeatures,
    triples,
)

SIZES = dict(train=30, validation=5, test=5)
WORLDS = {
    "trifeatures": lambda seed: trifeatures(
        TrifeaturesConfig(size=16, train_renders=1, test_renders=1, train_pairs=50, test_pairs=20), seed=seed
    ),
    "movies": lambda seed: make_movies(MoviesConfig(size=16, **SIZES), seed=seed),
    "captions": lambda seed: make_captions(CaptionsConfig(size=16, **SIZES), seed=seed),
    "planted": lambda seed: planted_vectors(PlantedConfig(width=8, **SIZES), seed=seed),
    "triples": lambda seed: make_triples(TriplesConfig(width=8, pretrain=9, **SIZES), seed=seed),
}
MODULES = (captions, movies, planted, triples, controlled)


@pytest.fixture
def drawn(monkeypatch):
    """First numbers of every stream that a world or the experiment takes, by what it was asked for."""
    found = {}

    def spy(seed, *purpose, device="cpu"):
        found[seed, purpose] = tuple(torch.rand(4, generator=stream(seed, *purpose)).tolist())
        return stream(seed, *purpose, device=device)

    for module in (*MODULES, __import__("sys").modules["comm_lite.worlds.trifeatures"]):
        monkeypatch.setattr(module, "stream", spy)
    return found


def test_neighbouring_seeds_and_worlds_share_no_stream(drawn):
    for seed in (
        *range(12),
        2**32 // 1000,
        2**32 // 100 + 1,
    ):  # the last two met small seeds when seeds were multiplied
        for make in WORLDS.values():
            made = make(seed)
        data = make_captions(CaptionsConfig(size=16, kinds=("pair",), train=200, validation=1, test=1), seed=seed)
        minimal_pairs(data, "attribute", count=2, seed=seed)
        controlled.build("Cross", controlled.SETTINGS["smoke"], "biased", seed=seed)
        assert made is not None
    assert len(drawn) > 14 * 30 and len(set(drawn.values())) == len(drawn)


@pytest.mark.parametrize("name", WORLDS)
def test_one_seed_gives_the_same_bytes_twice(name):
    one, again, next_one, alias = (WORLDS[name](seed).test for seed in (3, 3, 4, 3 + 2**32 // 8))
    for (key, value), (_, same), (_, other), (_, far) in zip(
        *(of.batch(slice(None))[0].items() for of in (one, again, next_one, alias)), strict=True
    ):
        assert torch.equal(value, same)
        assert key.endswith("mask") or not (torch.equal(value, other) or torch.equal(value, far))


@pytest.mark.parametrize("seed", [-1, 0.5])
def test_a_seed_is_a_whole_number(seed):
    for make in WORLDS.values():
        with pytest.raises((TypeError, ValueError), match="seed must be"):
            make(seed)


def test_the_views_of_one_training_are_not_the_order_of_the_next(drawn, monkeypatch):
    monkeypatch.setattr(controlled, "fit", lambda *args, **more: None)
    setting = controlled.SETTINGS["smoke"]
    data = trifeatures(replace(setting.data, size=16), seed=0)
    for seed in range(4):
        controlled.pretrain("Cross", setting, data, "biased", seed=seed, progress=False)
    assert len(drawn) > 12 and len(set(drawn.values())) == len(drawn)
