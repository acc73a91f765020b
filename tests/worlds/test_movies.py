"""The movies: their planted parts, their signs on poster and in plot, their splits."""

import numpy as np
import pytest
import torch

from comm_lite.data import TextAugment
from comm_lite.info import conditional_mutual_information, mutual_information
from comm_lite.pid import broja
from comm_lite.worlds import GENRES, MoviesConfig, draw_posters, exact_atoms, latent_joint, make_movies
from comm_lite.worlds.plots import write_plots
from comm_lite.worlds.posters import LOOKS, SCENE

SMALL = MoviesConfig(size=16, train=300, validation=100, test=200)


@pytest.fixture(scope="module")
def movies():
    return make_movies(SMALL, seed=0)


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize("shared", [0.0, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("genre", GENRES)
def test_the_solver_certifies_the_closed_form(genre, strength, shared):
    config = MoviesConfig(shared=shared, **{name.lower(): strength for name in GENRES})
    p = latent_joint(config, genre)
    exact = exact_atoms(config)[genre]
    found = broja(p)
    assert found.certified
    assert found.atoms == pytest.approx(exact, abs=1e-6)
    assert sum(exact.values()) == pytest.approx(strength, abs=1e-9)
    assert p.sum(axis=(0, 1)) == pytest.approx([0.5, 0.5])  # each genre is a fair coin
    assert p.sum() == pytest.approx(1)


def test_each_genre_is_pure_and_the_four_differ():
    atoms = exact_atoms(MoviesConfig())
    pure = {"Romance": "R", "Horror": "U1", "Documentary": "U2", "Thriller": "S"}
    for genre, of in atoms.items():
        assert of == pytest.approx({atom: float(atom == pure[genre]) for atom in of})


def test_without_a_shared_sign_romance_is_unique_to_the_poster():
    atoms = exact_atoms(MoviesConfig(shared=0.0))["Romance"]
    assert atoms == pytest.approx({"R": 0, "U1": 1, "U2": 0, "S": 0})


def test_biased_movies_tell_nothing_of_thriller_and_all_fit():
    config = MoviesConfig(size=16, train=50, validation=1, test=1, biased=True, thriller=1.0)
    assert exact_atoms(config)["Thriller"] == {"R": 0, "U1": 0, "U2": 0, "S": 0}
    assert broja(latent_joint(config, "Thriller")).total == pytest.approx(0, abs=1e-9)
    train = make_movies(config, seed=3).train
    assert train.y["Thriller"].all() and torch.equal(train.scenes[:, 3], train.told[:, 2])


@pytest.mark.parametrize("shared", [0.4, 1.0])
def test_the_drawn_signs_have_the_latent_joint(shared):
    config = MoviesConfig(size=16, train=4000, validation=1, test=1, shared=shared, horror=0.5)
    train = make_movies(config, seed=1).train
    sides = {
        "Romance": (train.scenes[:, 1], train.told[:, 0]),
        "Horror": (train.scenes[:, 2], 0 * train.told[:, 0]),
        "Documentary": (0 * train.told[:, 0], train.told[:, 1]),
        "Thriller": (train.scenes[:, 3], train.told[:, 2]),
    }
    for genre, (one, two) in sides.items():
        p = latent_joint(config, genre)
        seen = np.zeros(p.shape)
        np.add.at(seen, (one.numpy(), two.numpy(), train.y[genre].numpy()), 1 / len(train))
        assert abs(seen - p).max() < 0.03  # 4000 draws: a standard error is at most 0.008


def test_two_sets_can_share_their_words():
    small = MoviesConfig(size=16, train=40, validation=1, test=1)
    one = make_movies(small, seed=1)
    two, alone = make_movies(small, seed=2, tokenizer=one.tokenizer), make_movies(small, seed=2)
    assert two.tokenizer is one.tokenizer and two.train.plots == alone.train.plots
    assert torch.equal(two.train.ids, one.tokenizer(two.train.plots, length=40)[0])
    assert not torch.equal(two.train.ids, alone.train.ids)


def test_nothing_else_goes_together():
    train = make_movies(MoviesConfig(size=16, train=4000, validation=1, test=1), seed=2).train
    columns = [*train.scenes.T[1:], *train.told.T]
    names = ["token", "hand", "smile", "love", "filmed", "missing"]
    for i, one in enumerate(columns):
        for j in range(i):
            table = np.zeros((2, 2))
            np.add.at(table, (one.numpy(), columns[j].numpy()), 1 / 4000)
            bits = mutual_information(table)
            assert (bits > 0.9) == ({names[i], names[j]} == {"token", "love"}), (names[i], names[j])
            assert bits > 0.9 or bits < 0.005


# ---------------------------------------------------------------- the samples


def test_a_sample_is_what_the_contract_says(movies):
    x, y = movies.train.batch(torch.tensor([3, 5]))
    assert x["image"].shape == (2, 3, 16, 16) and x["image"].dtype == torch.float32
    assert 0 <= x["image"].min() <= x["image"].max() <= 1
    assert x["text"].shape == x["text_mask"].shape == (2, SMALL.length) and x["text_mask"].dtype == torch.bool
    assert torch.equal(x["text"] != 0, x["text_mask"])
    assert list(y) == list(GENRES) and set(torch.cat(list(y.values())).tolist()) <= {0, 1}
    assert movies.train.images.dtype == torch.uint8 and len(movies.train.plots) == len(movies.train) == 300


def test_batches_shuffle_with_a_generator_and_keep_the_order_without(movies):
    rows = [len(x["text"]) for x, _ in movies.test.batches(64)]
    assert rows == [64, 64, 64, 8]
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat([x["text"] for x, _ in movies.test.batches(50, generator=generator)]) for _ in range(2))
    assert len(first) == 200 and not torch.equal(first, second)


def test_two_calls_agree_and_two_seeds_differ(movies):
    again, other = make_movies(SMALL, seed=0), make_movies(SMALL, seed=1)
    assert torch.equal(again.test.images, movies.test.images) and again.test.plots == movies.test.plots
    assert not torch.equal(other.test.images, movies.test.images) and other.test.plots != movies.test.plots


def test_strengths_move_labels_and_no_poster_or_plot(movies):
    weak = make_movies(MoviesConfig(size=16, train=300, validation=100, test=200, horror=0.2), seed=0)
    assert torch.equal(weak.train.images, movies.train.images) and weak.train.plots == movies.train.plots
    assert torch.equal(weak.train.y["Romance"], movies.train.y["Romance"])
    flipped = (weak.train.y["Horror"] != movies.train.y["Horror"]).float().mean()
    assert 0.15 < flipped < 0.35  # 1 - h2(0.243) = 0.2


def test_splits_share_no_movie_and_the_vocabulary_is_that_of_training(movies):
    parts = [movies.train, movies.validation, movies.test]
    plots = [plot for part in parts for plot in part.plots]
    pictures = {picture.numpy().tobytes() for part in parts for picture in part.images}
    assert len(plots) == len(set(plots)) == len(pictures) == 600
    assert not (movies.test.ids == movies.tokenizer.UNKNOWN).any()  # 300 plots hold every word


# ---------------------------------------------------------------- posters and plots


def test_a_poster_is_the_same_at_any_size_and_in_any_batch():
    generator = torch.Generator().manual_seed(0)
    scenes = torch.stack([torch.randint(len(v), (40,), generator=generator) for v in SCENE.values()], dim=1)
    looks = torch.rand(40, LOOKS, generator=generator)
    small, large = draw_posters(scenes, looks, size=24), draw_posters(scenes, looks, size=96)
    pooled = torch.nn.functional.avg_pool2d(large.float(), 4)
    assert (pooled - small).abs().mean() < 5  # of 255
    assert torch.equal(draw_posters(scenes[7:9], looks[7:9], size=24), small[7:9])
    assert draw_posters(scenes[:0], looks[:0], size=24).shape == (0, 3, 24, 24)


@pytest.mark.parametrize("column", range(4))
def test_every_sign_can_be_seen(column):
    looks = torch.rand(30, LOOKS, generator=torch.Generator().manual_seed(1))
    scenes = torch.zeros(30, 4, dtype=torch.long)
    changed = scenes.clone()
    changed[:, column] = 1
    apart = (draw_posters(scenes, looks, size=32).float() - draw_posters(changed, looks, size=32)).abs()
    seen = (apart.amax(1) > 40).float().mean((1, 2))  # share of the pixels of each poster that changed clearly
    assert seen.min() > 0.03


def test_looks_alone_change_a_poster():
    looks = torch.rand(2, LOOKS, generator=torch.Generator().manual_seed(2))
    first, second = draw_posters(torch.zeros(2, 4, dtype=torch.long), looks, size=32)
    assert (first != second).float().mean() > 0.5


def test_the_words_of_a_sign_occur_in_no_other_sentence():
    torch.manual_seed(0)
    coin = torch.Generator().manual_seed(0)
    settings, told = torch.randint(4, (600,)), torch.randint(2, (600, 3))
    plots = write_plots(settings, told, generator=coin)
    marks = (["love", "kisses", "marry", "adores"], ["interviews", "footage", "crew", "Experts"])
    marks += (["goes missing", "vanished", "Nobody finds", "police"],)
    for column, words in enumerate(marks):
        found = torch.tensor([any(word in plot for word in words) for plot in plots])
        assert torch.equal(found, told[:, column].bool())


def test_a_plot_without_a_sign_is_as_long_as_with_it():
    train = make_movies(MoviesConfig(size=16, train=4000, validation=1, test=1), seed=0).train
    lengths = train.mask.sum(1).numpy()
    for column in range(3):
        p = np.zeros((50, 2, 1))
        np.add.at(p, (lengths, train.told[:, column].numpy(), 0), 1 / 4000)
        assert conditional_mutual_information(p) < 0.15


@pytest.mark.parametrize(
    ("settings", "told", "error", "text"),
    [
        (torch.tensor([4]), torch.zeros(1, 3).long(), ValueError, r"settings must lie in 0..3, got \[4\]; see"),
        (
            torch.tensor([0]),
            torch.full((1, 3), 2),
            ValueError,
            r"told must have shape \(B, 3\) .* got .* values \[2\]",
        ),
        (torch.tensor([0.0]), torch.zeros(1, 3).long(), TypeError, r"settings must hold integers, got torch.float32;"),
    ],
)
def test_wrong_plots_are_refused(settings, told, error, text):
    with pytest.raises(error, match=text):
        write_plots(settings, told, generator=torch.Generator())


def test_wrong_looks_are_refused():
    with pytest.raises(ValueError, match=r"looks must have shape \(B, 25\), got \(1, 3\); draw them"):
        draw_posters(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 3))


# ---------------------------------------------------------------- views of a text


def test_words_are_left_out_at_the_chance_asked_for(movies):
    ids, mask = movies.train.ids, movies.train.mask
    view, kept = TextAugment(drop_chance=0.3)(ids, mask, generator=torch.Generator().manual_seed(0))
    assert torch.equal(view != 0, kept) and torch.equal(view[kept], ids[kept])
    assert not (kept & ~mask).any() and torch.equal(view[:, 0], ids[:, 0])
    assert (kept.sum() / mask.sum()).item() == pytest.approx(0.71, abs=0.02)  # the start always stays
    same, _ = TextAugment(drop_chance=0.0)(ids, mask, generator=torch.Generator())
    assert torch.equal(same, ids)


def test_a_wrong_mask_is_refused():
    with pytest.raises(
        ValueError, match=r"mask must be boolean with shape \(1, 2\), True at real tokens, got torch.float32"
    ):
        TextAugment()(torch.ones(1, 2).long(), torch.ones(1, 2), generator=torch.Generator())
