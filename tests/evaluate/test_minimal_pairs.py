r"""Text, image and group score, against loops and against models whose scores are known."""

import pytest
import torch

from comm_lite.evaluate import minimal_pair_scores
from comm_lite.evaluate.minimal_pairs import CHANCE


def noise(tests, seed=0):
    return torch.randn(tests, 2, 2, generator=torch.Generator().manual_seed(seed))


def by_loops(similarity, margin):
    hits = dict.fromkeys(CHANCE, 0.0)
    for (a, b), (c, d) in similarity.double().tolist():
        text = a > b + margin and d > c + margin
        image = a > c + margin and d > b + margin
        hits["text"] += text
        hits["image"] += image
        hits["group"] += text and image
        for mine, other in ((a, b), (d, c)):
            hits["choice"] += 0.25 if abs(mine - other) <= margin else 0.5 * (mine > other)
    return {name: value / len(similarity) for name, value in hits.items()}


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_the_scores_are_those_of_the_loops(margin):
    similarity = noise(300)
    scores = minimal_pair_scores(similarity, margin=margin)
    assert {name: getattr(scores, name) for name in CHANCE} == pytest.approx(by_loops(similarity, margin), abs=1e-12)
    assert scores.tests == 300


def test_independent_similarities_reach_the_stated_chance():
    scores = minimal_pair_scores(noise(40_000))
    assert {name: getattr(scores, name) for name in CHANCE} == pytest.approx(CHANCE, abs=0.01)


def test_a_perfect_and_a_reversed_model():
    perfect = minimal_pair_scores(torch.eye(2).repeat(5, 1, 1))
    worst = minimal_pair_scores(torch.eye(2).flip(0).repeat(5, 1, 1))
    for name in CHANCE:
        assert (getattr(perfect, name), getattr(worst, name)) == (1.0, 0.0)
        low, high = perfect.intervals[name]
        assert high == 1.0 and 0.46 < low < 0.48  # Wilson with the correction, 5 of 5: 0.4629 in Newcombe's tables


def test_a_tie_counts_against_the_model_and_is_half_a_choice():
    same_captions = torch.rand(50, 2, 1).expand(50, 2, 2)
    for table in (same_captions, same_captions.mT, torch.zeros(50, 2, 2)):
        scores = minimal_pair_scores(table)
        assert scores.text == scores.image == scores.group == 0.0
    assert minimal_pair_scores(same_captions).choice == 0.5


def test_images_that_coincide_choose_half_the_captions_and_never_score():
    scores = minimal_pair_scores(noise(60)[:, :1].expand(60, 2, 2))
    assert (scores.text, scores.image, scores.group, scores.choice) == (0.0, 0.0, 0.0, 0.5)


def test_images_and_captions_may_be_exchanged():
    similarity = noise(200)
    one, two = minimal_pair_scores(similarity), minimal_pair_scores(similarity.mT)
    assert (one.text, one.image, one.group) == (two.image, two.text, two.group)
    numbered_otherwise = minimal_pair_scores(similarity.flip(1, 2))
    assert (one.text, one.image, one.choice) == pytest.approx(
        (numbered_otherwise.text, numbered_otherwise.image, numbered_otherwise.choice)
    )


def test_rounding_is_a_tie_and_a_hair_more_is_not():
    table = torch.tensor([[0.5 + 2e-7, 0.5], [0.5, 0.5 + 2e-7]]).repeat(4, 1, 1)
    assert minimal_pair_scores(table).group == 0.0 and minimal_pair_scores(table).choice == 0.5
    assert minimal_pair_scores(table, margin=0.0).group == 1.0
    assert minimal_pair_scores(table * 1000).group == 1.0


def test_the_interval_is_that_of_a_share():
    hit, miss = torch.eye(2), torch.eye(2).flip(0)
    scores = minimal_pair_scores(torch.stack([hit if k % 4 else miss for k in range(400)]))
    low, high = scores.intervals["text"]
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert scores.text == 0.75 and (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.01)


def test_a_choice_by_halves_has_the_interval_of_its_choices():
    # Two independent choices a test are 800 coins; only the halves make 400 tests worth that many.
    half = 1.96 * (0.25 / 800) ** 0.5
    low, high = minimal_pair_scores(noise(400)).intervals["choice"]
    assert high - low == pytest.approx(2 * half, rel=0.15)


def test_low_precision_comes_as_it_is():
    assert minimal_pair_scores(torch.eye(2, dtype=torch.bfloat16).repeat(3, 1, 1)).group == 1.0


@pytest.mark.parametrize(
    ("table", "change", "error", "text"),
    [
        (torch.zeros(4, 2, 2, dtype=torch.long), {}, TypeError, "similarity must hold floats, got torch.int64; pass"),
        (torch.zeros(4, 4), {}, ValueError, r"similarity must have shape \(T, A, B\), got \(4, 4\); bring"),
        (torch.zeros(4, 2, 3), {}, ValueError, r"\(T, 2, 2\) with T >= 2, got \(4, 2, 3\); give each test"),
        (torch.zeros(1, 2, 2), {}, ValueError, r"\(T, 2, 2\) with T >= 2, got \(1, 2, 2\); give each test"),
        (torch.full((2, 2, 2), float("nan")), {}, ValueError, "similarity must be finite, got 8 NaN"),
        (torch.zeros(2, 2, 2), {"margin": -0.1}, ValueError, r"margin must lie in \[0.0, inf\], got -0.1; pass"),
    ],
)
def test_what_is_refused(table, change, error, text):
    with pytest.raises(error, match=text):
        minimal_pair_scores(table, **change)
