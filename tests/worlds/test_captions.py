import collections
import dataclasses
import itertools

import pytest
import torch
from scipy import ndimage

from comm_lite.data.tokenizer import train_tokenizer
from comm_lite.worlds import COLOURS, SHAPES
from comm_lite.worlds.captions import CaptionsConfig, make_captions, minimal_pairs
from comm_lite.worlds.phrases import NEGATIVES, RELATIONS, WORDINGS, Phrase, hard_negative
from comm_lite.worlds.scenes import draw_scenes, lay_out

KINDS = list(WORDINGS)
SMALL = CaptionsConfig(size=48, train=400, validation=60, test=100)


@pytest.fixture(scope="module")
def data():
    return make_captions(SMALL, seed=0)


def parts(data):
    return {name: getattr(data, name) for name in ("train", "validation", "seen", "test")}


def words(text):
    return collections.Counter(word.replace("an", "a") if word == "an" else word for word in text.split())


# --- what is said

TWO = (("orange", "circle"), ("blue", "plus"))


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        (Phrase("one", TWO[:1]), "an orange circle"),
        (Phrase("one", TWO[1:], wording=3), "a plus in blue"),
        (Phrase("count", TWO[1:], 3), "three blue pluses"),
        (Phrase("count", TWO[:1], 4, wording=3), "four circles in orange"),
        (Phrase("pair", TWO, 2, "left of"), "an orange circle and a blue plus"),
        (Phrase("relation", TWO[::-1], 2, "above"), "a blue plus above an orange circle"),
        (Phrase("relation", TWO, 2, "right of", 1), "an orange circle to the right of a blue plus"),
    ],
)
def test_the_words_of_a_phrase(phrase, text):
    assert phrase.text == text


def test_every_wording_of_every_content_is_a_text_of_its_own():
    things = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    texts = [Phrase("one", (thing,), wording=w).text for thing in things for w in range(len(WORDINGS["one"]))]
    texts += [
        Phrase("relation", TWO, 2, relation, w).text for relation in RELATIONS for w in range(len(WORDINGS["relation"]))
    ]
    assert len(texts) == len(set(texts)) == 100 * 5 + 16
    assert not any("{" in text or "  " in text for text in texts)


@pytest.mark.parametrize("wording", range(4))
@pytest.mark.parametrize("kind", ["attribute", "order"])
def test_the_hardest_negatives_have_the_same_words_in_another_order(kind, wording):
    phrase = Phrase("relation", TWO, 2, "below", wording)
    other = hard_negative(phrase, kind)
    assert other.text != phrase.text and words(other.text) == words(phrase.text)
    assert hard_negative(other, kind) == phrase


def test_the_other_negatives_change_one_word():
    phrase = Phrase("relation", TWO, 2, "below")
    assert words(phrase.text) - words(hard_negative(phrase, "relation").text) == {"below": 1}
    assert hard_negative(hard_negative(phrase, "relation"), "relation") == phrase
    counts = [2]
    for _ in range(3):
        counts.append(hard_negative(Phrase("count", TWO[:1], counts[-1]), "count").count)
    assert counts == [2, 3, 4, 2]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "many"}, "kind must be one of .* got 'many'"),
        ({"count": 3}, r"count must be one of \[2\], got 3"),
        ({"relation": ""}, "relation must be one of .* got ''"),
        ({"wording": 4}, r"wording must be one of \[0, 1, 2, 3\], got 4"),
        ({"things": TWO[:1]}, "things must hold 2 for kind='pair', got"),
        ({"things": (("orange", "circle"), ("blue", "dog"))}, "shape must be one of .* got 'dog'"),
        ({"things": (("teal", "circle"), ("blue", "plus"))}, "colour must be one of .* got 'teal'"),
    ],
)
def test_a_wrong_phrase_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        dataclasses.replace(Phrase("pair", TWO, 2, "left of"), **change)


# --- what is drawn


def colours_in(image):
    """Positions in COLOURS of the plain colours of an image (3, H, W), and where each of them is."""
    found = {}
    for i, rgb in enumerate(COLOURS.values()):
        near = ((image / 255 - torch.tensor(rgb)[:, None, None]).abs() < 0.04).all(0)
        if near.sum() > 8:
            found[i] = near
    return found


def test_pictures_show_what_the_labels_say():
    data = make_captions(dataclasses.replace(SMALL, size=96, train=100), seed=1)
    checked = collections.Counter()
    for part in (data.train, data.test):
        for i in range(100):
            label = {name: values[i].item() for name, values in part.y.items()}
            seen = colours_in(part.images[i])
            assert set(seen) == {label["colour"], label["colour2"]} - {-1}
            if label["relation"] >= 0:
                centre = [seen[label[name]].nonzero().float().mean(0) for name in ("colour", "colour2")]
                down, right = centre[0] - centre[1]
                wanted = [right < 0, right > 0, down < 0, down > 0][label["relation"]]
                straight = down.abs() < right.abs() if label["relation"] < 2 else right.abs() < down.abs()
                assert wanted and straight
            elif SHAPES[label["shape"]] != "fivesquare":  # its squares meet in points
                pieces, number = ndimage.label(seen[label["colour"]], structure=torch.ones(3, 3))
                large = [k for k in range(1, number + 1) if (pieces == k).sum() > 9]  # not the tip of a star
                assert len(large) == label["count"]
            checked[KINDS[label["kind"]]] += 1
    assert len(checked) == 4 and min(checked.values()) > 20


def test_captions_say_what_the_labels_say(data):
    for i, phrase in enumerate(data.test.phrases):
        label = {name: values[i].item() for name, values in data.test.y.items()}
        assert phrase.text == data.test.captions[i]
        assert (KINDS.index(phrase.kind), phrase.count) == (label["kind"], label["count"])
        named = [(list(COLOURS)[label["colour" + n]], SHAPES[label["shape" + n]]) for n in ("", "2")]
        assert phrase.things == tuple(named[: 2 if label["relation"] >= 0 else 1])
    assert set(data.test.y["relation"].tolist()) == {-1, 0, 1, 2, 3}


def test_nothing_is_cut_by_the_border(data):
    for part in parts(data).values():
        edge = torch.cat(
            [part.images[..., 0, :], part.images[..., -1, :], part.images[..., 0], part.images[..., -1]], -1
        )
        assert 0 < (edge.int() - 128).abs().max() < 32  # at most the soft last pixel of an edge


def test_objects_keep_apart():
    n = 500
    things = torch.tensor([[[0, 0], [1, 1]], [[7, 0], [-1, -1]]]).repeat_interleave(n, 0)
    count = torch.tensor([2, 4]).repeat_interleave(n)
    relation = torch.cat([torch.arange(n) % 4, torch.full((n,), -1)])
    scene = lay_out(things, count, relation, generator=torch.Generator().manual_seed(0))
    radius = 1.18 * scene["box"]
    for a, b in itertools.combinations(range(4), 2):
        both = (scene["shape"][:, a] >= 0) & (scene["shape"][:, b] >= 0)
        gap = (scene["place"][:, a] - scene["place"][:, b]).abs().amax(1) - radius[:, a] - radius[:, b]
        assert both.any() and gap[both].min() > -1e-6


def test_a_circle_is_the_points_within_its_radius():
    at = torch.tensor([[[0.2, -0.1]]])
    made = draw_scenes(
        torch.tensor([[3]]), torch.tensor([[9]]), place=at, box=torch.tensor([[0.4]]), angle=torch.ones(1, 1), size=64
    )[0, 0]
    line = (torch.arange(64) + 0.5) / 32 - 1
    distance = ((line[None] - 0.2) ** 2 + (line[:, None] + 0.1) ** 2).sqrt() - 0.92 * 0.4
    assert (made[distance < -0.06] == 255).all() and (made[distance > 0.06] == 128).all()
    assert (distance < -0.06).sum() > 200


def test_a_turned_square_turns_about_its_place():
    def square(angle):
        numbers = torch.tensor([[1]])
        place, box = torch.tensor([[[-0.25, 0.25]]]), torch.tensor([[0.3]])
        return draw_scenes(numbers, numbers, place=place, box=box, angle=torch.tensor([[angle]]), size=64).float()

    quarter = torch.pi / 2
    assert (square(0.0) - square(quarter)).abs().max() <= 1
    assert (square(0.0) - square(quarter / 2)).abs().max() > 100


@pytest.mark.parametrize("size", [16, 24, 32, 48])
def test_a_shape_leaves_no_trace_beyond_its_reach(size):
    shape, box = torch.arange(10)[:, None], torch.full((10, 1), 0.25)
    made = draw_scenes(shape, shape, place=torch.zeros(10, 1, 2), box=box, angle=box, size=size)
    line = ((torch.arange(size) + 0.5) / size * 2 - 1).abs()
    far = torch.maximum(line[:, None], line) > 1.18 * 0.25 + 4 / size  # two soft pixels
    assert far.any() and ((made[:, :, far].int() - 128).abs() <= 1).all()  # up to rounding


def test_a_lone_object_is_larger_than_any_of_several():
    things = torch.tensor([[[3, 0], [-1, -1]]]).repeat(200, 1, 1)
    count = torch.tensor([1, 3]).repeat(100)
    relation = torch.full((200,), -1)
    box = lay_out(things, count, relation, generator=torch.Generator().manual_seed(0))["box"]
    lone, several = box[::2, 0], box[1::2, :3]
    assert several.max() <= lone.min() + 1e-6 < 2 * several.max() < lone.max() + 0.1 and lone.max() * 1.18 <= 1 + 1e-6


def test_places_without_an_object_stay_grey():
    empty = torch.full((2, 3), -1)
    box, place = torch.ones(2, 3), torch.zeros(2, 3, 2)
    assert (draw_scenes(empty, empty, place=place, box=box, angle=box, size=16) == 128).all()


# --- splits


def shown(part):
    """All (shape, colour) of a part."""
    pairs = set(zip(part.y["shape"].tolist(), part.y["colour"].tolist(), strict=True))
    return (pairs | set(zip(part.y["shape2"].tolist(), part.y["colour2"].tolist(), strict=True))) - {(-1, -1)}


@pytest.mark.parametrize("held_out", [1, 2, 5])
def test_parts_share_no_pair_of_shape_and_colour(held_out):
    data = make_captions(dataclasses.replace(SMALL, size=16, held_out=held_out, train=800, test=400), seed=3)
    train, validation, test = shown(data.train), shown(data.validation), shown(data.test)
    assert not (train & validation or train & test or validation & test)
    assert train == shown(data.seen) | train == {tuple(pair) for pair in data.trained.nonzero().tolist()}
    assert (len(train), len(validation), len(test)) == (10 * (9 - held_out), 10, 10 * held_out)
    for pairs in (train, validation, test):  # so every shape and every colour is known, only not together
        assert {shape for shape, _ in pairs} == {colour for _, colour in pairs} == set(range(10))


def test_one_seed_one_data_set(data):
    again, other = make_captions(SMALL, seed=0), make_captions(SMALL, seed=1)
    for name, part in parts(data).items():
        assert part.captions == parts(again)[name].captions != parts(other)[name].captions
        assert torch.equal(part.images, parts(again)[name].images)
    assert not torch.equal(data.trained, other.trained)


def test_sizes_change_neither_split_nor_words(data):
    other = make_captions(dataclasses.replace(SMALL, size=32, test=7), seed=0)
    assert torch.equal(data.trained, other.trained)
    assert data.train.captions == other.train.captions
    assert other.train.images.shape == (400, 3, 32, 32) and len(other.test) == len(other.seen) == 7


def test_kinds_can_be_chosen():
    data = make_captions(dataclasses.replace(SMALL, size=16, kinds=("one",)), seed=0)
    assert set(data.train.y["kind"].tolist()) == {0}
    assert set(data.train.y["count"].tolist()) == {1}


def test_batches_are_as_training_wants_them(data):
    x, y = data.train.batch(torch.tensor([3, 1]))
    assert x["image"].dtype == torch.float32 and 0 <= x["image"].min() and x["image"].max() == 1
    assert x["text"].shape == x["text_mask"].shape == (2, 16) and x["text_mask"].dtype == torch.bool
    assert data.tokenizer.decode(x["text"]) == [data.train.captions[i] for i in (3, 1)]
    assert y["colour"].tolist() == data.train.y["colour"][[3, 1]].tolist()
    assert sum(len(y["kind"]) for _, y in data.test.batches(32)) == 100
    assert data.tokenizer.UNKNOWN not in data.test.ids


# --- which caption fits which picture


def facts(phrase):
    """Everything that a phrase claims about the whole picture, free of its wording."""
    if phrase.kind in ("one", "count"):
        return {(phrase.count, phrase.things)}
    claims = {frozenset(phrase.things)}
    if phrase.kind == "relation":
        turned = RELATIONS[RELATIONS.index(phrase.relation) ^ 1]
        claims |= {(*phrase.things, phrase.relation), (*phrase.things[::-1], turned)}
    return claims


def test_fits_is_logic_on_what_is_said(data):
    fits = data.seen.fits()
    truth = [facts(dataclasses.replace(p, kind="relation") if p.relation else p) for p in data.seen.phrases]
    claims = [facts(phrase) for phrase in data.seen.phrases]
    wanted = torch.tensor([[claim <= true for claim in claims] for true in truth])
    assert torch.equal(fits, wanted)
    assert fits.diagonal().all() and 0 < (fits.sum() - len(fits)) < 0.2 * fits.numel()


def test_content_is_what_there_is(data):
    what = [(p.count, frozenset(p.things)) for p in data.train.phrases]
    content = data.train.y["content"].tolist()
    assert len(set(what)) == len(set(content)) == len(set(zip(what, content, strict=True))) > 200


@pytest.mark.parametrize("kind", NEGATIVES)
def test_minimal_pairs_are_two_by_two(data, kind):
    pairs = minimal_pairs(data, kind, count=40, seed=0)
    assert len(pairs) == len(pairs.images) == 80
    fits = pairs.fits().view(40, 2, 40, 2)[range(40), :, range(40)]
    assert torch.equal(fits, torch.eye(2, dtype=torch.bool).expand(40, 2, 2))
    assert shown(pairs) <= {tuple(pair) for pair in data.trained.nonzero().tolist()}
    for first, second in zip(pairs.phrases[::2], pairs.phrases[1::2], strict=True):
        assert hard_negative(first, kind) == second
    assert pairs.captions == minimal_pairs(data, kind, count=40, seed=0).captions
    assert pairs.captions != minimal_pairs(data, kind, count=40, seed=1).captions


def test_pictures_of_a_minimal_pair_differ_in_nothing_else(data):
    first, second = minimal_pairs(data, "attribute", count=30).images.unflatten(0, (30, 2)).unbind(1)
    covered = [((images.int() - 128).abs() > 4).any(1) for images in (first, second)]
    assert covered[0].flatten(1).sum(1).min() > 100
    assert (covered[0] ^ covered[1]).flatten(1).sum(1).max() < 8  # soft edges, of which a colour shows more or less
    assert (first != second).flatten(1).any(1).all()
    first, second = minimal_pairs(data, "count", count=30).images.unflatten(0, (30, 2)).unbind(1)
    covered = [((images.int() - 128).abs() > 4).any(1) for images in (first, second)]
    both = covered[0] & covered[1]
    inside = [(both == one).flatten(1).all(1) for one in covered]
    assert (inside[0] ^ inside[1]).all()  # one of the two holds all objects of the other, and more


# --- refusals


def test_minimal_pairs_need_the_words_in_which_they_differ(data):
    blind = dataclasses.replace(data, tokenizer=train_tokenizer(["a red circle left of a blue square"]))
    with pytest.raises(
        ValueError, match=r"same ids for 20 of 20, such as '.*' and '.*'; add the words in which they differ"
    ):
        minimal_pairs(blind, "count", count=20)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"size": 8}, ValueError, "size must be at least 16, got 8"),
        ({"length": 13}, ValueError, "length must be at least 14, got 13"),
        ({"held_out": 6}, ValueError, r"held_out must be one of \[1, 2, 3, 4, 5\], got 6"),
        ({"kinds": ("one", "none")}, ValueError, r"got unknown \['none'\]"),
        ({"train": 0.5}, TypeError, "train must be an integer, got float"),
    ],
)
def test_a_wrong_config_is_refused(change, error, text):
    with pytest.raises(error, match=text):
        dataclasses.replace(SMALL, **change)


def test_negatives_need_a_phrase_they_can_change(data):
    with pytest.raises(ValueError, match="kind='order' needs a phrase of kind relation, got 'pair'; choose"):
        hard_negative(Phrase("pair", TWO, 2, "left of"), "order")
    with pytest.raises(ValueError, match="kind must be one of .* got 'colour'"):
        minimal_pairs(data, "colour")


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"shape": torch.tensor([[10]])}, ValueError, r"shape must lie in -1..9, got 10..10"),
        ({"colour": torch.tensor([[-1]])}, ValueError, r"colour must lie in 0..9, got -1..-1"),
        ({"box": torch.tensor([[1.5]])}, ValueError, r"box must lie in 0..1, got 1.5..1.5"),
        ({"place": torch.zeros(1, 2)}, ValueError, r"place must have shape \(1, 1, 2\), got \(1, 2\); give"),
        ({"shape": torch.zeros(1, 1)}, TypeError, "shape must hold integers"),
    ],
)
def test_draw_scenes_refuses(change, error, text):
    one = torch.ones(1, 1)
    right = {"shape": one.long(), "colour": one.long(), "place": torch.zeros(1, 1, 2), "box": one, "angle": one}
    assert draw_scenes(**right).shape == (1, 3, 48, 48)
    with pytest.raises(error, match=text):
        draw_scenes(**(right | change))
