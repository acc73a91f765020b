import re
from pathlib import Path

import numpy as np
import pytest
import torch

import make_emoji
from comm_lite.data import train_tokenizer
from comm_lite.data.emoji import SHA256, load_emoji
from comm_lite.data.emoji import __file__ as module

ARCHIVE = Path(module).with_name("emoji.npz")
LANGUAGES = ["en", "ar", "de", "es", "fr", "hi", "it", "ja", "ru", "zh"]


@pytest.fixture(scope="module")
def emoji():
    return load_emoji()


def test_counts(emoji):
    assert len(emoji) == len(emoji.images) == len(emoji.characters) == len(emoji.concept) == 1840
    assert emoji.images.shape[1:] == (3, 48, 48) and emoji.images.dtype == torch.uint8
    assert (len(emoji.groups), len(emoji.subgroups), len(emoji.concept.unique())) == (9, 99, 1471)
    assert (len(emoji.train), len(emoji.validation), len(emoji.test)) == (1372, 188, 280)


def test_drawings_are_on_white_and_distinct(emoji):
    flat = emoji.images.flatten(1)
    assert len(flat.unique(dim=0)) == 1840
    assert (flat < 200).float().mean(1).median() > 0.3
    assert flat.float().std(1).min() > 4  # the smallest white square is hard to see, and yet there
    corners = emoji.images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners > 250).all(1).float().mean() > 0.95


def test_drawings_look_like_what_they_are_called(emoji):
    def mean(name):
        image = emoji.images[emoji.names["en"].index(name)].float()
        return image[:, 16:32, 16:32].mean((1, 2))

    red, blue, black = mean("red square"), mean("blue circle"), mean("black circle")
    assert red[0] > 180 and red[1:].max() < 100
    assert blue[2] > 180 and blue[0] < 120
    assert black.max() < 100


def test_every_emoji_is_named_in_every_language(emoji):
    assert list(emoji.names) == list(emoji.keywords) == LANGUAGES
    assert len(set(emoji.characters)) == 1840
    for language in LANGUAGES:
        names, keywords = emoji.names[language], emoji.keywords[language]
        assert len(names) == len(set(names)) == len(keywords) == 1840
        assert all(name and name == name.strip() for name in names)
        assert all(words and all(word and word == word.strip() for word in words) for words in keywords)
    i = emoji.characters.index("🐙")
    assert [emoji.names[k][i] for k in ("en", "de", "fr", "ja")] == ["octopus", "Oktopus", "pieuvre", "タコ"]
    assert "calamaro" not in emoji.keywords["en"][i] and emoji.keywords["en"][i] == ["octopus"]
    assert emoji.subgroups[emoji.subgroup[i]] == "animal-marine" and emoji.groups[emoji.group[i]] == "Animals & Nature"


def test_no_skin_tones(emoji):
    assert not [c for c in emoji.characters if re.search("[\U0001f3fb-\U0001f3ff]", c)]


def test_parts_share_no_concept(emoji):
    parts = [emoji.train, emoji.validation, emoji.test]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(1840))
    concepts = [set(emoji.concept[part].tolist()) for part in parts]
    assert sum(map(len, concepts)) == len(set.union(*concepts)) == 1471
    for part, share in zip(parts, (0.75, 0.10, 0.15), strict=True):
        of_group = torch.bincount(emoji.group[part], minlength=9) / torch.bincount(emoji.group)
        assert (of_group - share).abs().max() < 0.03


@pytest.mark.parametrize(
    "variants",
    [
        ["astronaut", "man astronaut", "woman astronaut"],
        ["red heart", "blue heart", "black heart"],
        ["three o’clock", "ten-thirty"],
        ["left arrow", "up-right arrow"],
        ["flag: Chad", "flag: Romania"],
        ["prince", "princess", "person with crown"],
    ],
)
def test_variants_are_one_concept(emoji, variants):
    assert len({emoji.concept[emoji.names["en"].index(name)].item() for name in variants}) == 1


def test_different_things_are_not(emoji):
    names = ["astronaut", "teacher", "red heart", "flag: Germany", "flag: Japan", "teapot", "dog face"]
    assert len({emoji.concept[emoji.names["en"].index(name)].item() for name in names}) == len(names)


def test_no_drawing_has_a_twin_in_another_part(emoji):
    dark = 255 - emoji.images.flatten(1).float()
    dark /= dark.norm(dim=1, keepdim=True)
    part = torch.zeros(1840).index_fill(0, emoji.validation, 1).index_fill(0, emoji.test, 2)
    alike = (dark @ dark.T).masked_fill(part[:, None] == part[None], 0)
    within = (dark @ dark.T).fill_diagonal_(0)
    assert 0.9 < alike.max() < 0.987 < within.max()


@pytest.mark.parametrize("language", ["en", "fr", "ja"])
def test_a_part_can_be_trained_on(emoji, language):
    tokenizer = train_tokenizer(emoji.texts("train", language=language), vocabulary=3000)
    part = emoji.captioned("test", tokenizer, language=language)
    x, y = part.batch(torch.arange(5))
    row = emoji.test[3]
    assert torch.equal(x["image"][3], emoji.images[row] / 255) and x["image"].shape == (5, 3, 48, 48)
    assert part.captions[3] == emoji.names[language][row]
    assert x["text"].shape == x["text_mask"].shape == (5, 16)
    assert y["group"][3] == emoji.group[row] and sorted(y) == ["concept", "group", "subgroup"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_fit_the_lengths_that_the_docstring_names(emoji, language):
    for keywords, length in ((False, 16), (True, 32)):
        tokenizer = train_tokenizer(emoji.texts("train", language=language, keywords=keywords), vocabulary=6000)
        for part in ("train", "validation", "test"):
            assert len(emoji.captioned(part, tokenizer, language=language, keywords=keywords, length=length)) > 100


def test_keywords_follow_the_name(emoji):
    texts = dict(zip(emoji.texts("train"), emoji.texts("train", keywords=True), strict=True))
    for name, text in texts.items():
        assert text == name or (text.startswith(f"{name}: ") and name not in text[len(name) + 2 :].split(", "))
    assert sum(name != text for name, text in texts.items()) > 1200


def test_a_damaged_archive_is_refused(tmp_path):
    content = bytearray(ARCHIVE.read_bytes())
    whole = tmp_path / "whole.npz"
    whole.write_bytes(content)
    assert len(load_emoji(whole)) == 1840
    content[1000] ^= 1
    (tmp_path / "damaged.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"damaged.npz must have sha256 {SHA256[:12]}…, got .*; the file is damaged"):
        load_emoji(tmp_path / "damaged.npz")
    with pytest.raises(FileNotFoundError, match="absent.npz"):
        load_emoji(tmp_path / "absent.npz")


def test_the_archive_is_small_and_its_licences_are_beside_it():
    assert ARCHIVE.stat().st_size < 3_000_000
    licence = ARCHIVE.with_name("emoji.LICENSE.txt").read_text(encoding="utf8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence and "1991-2022 Unicode, Inc." in licence


# --- the script that builds it


def test_the_same_content_gives_the_same_bytes(tmp_path):
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.zeros(4, np.uint8)}
    for name in ("one.npz", "two.npz"):
        make_emoji.write(tmp_path / name, arrays, {"text": "é"})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as archive:
        assert np.array_equal(archive["a"], arrays["a"]) and archive["texts.json"] == '{"text": "é"}'.encode()


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("woman firefighter", "firefighter"),
        ("family: man, boy", "family"),
        ("flag: Isle of Man", "flag: Isle of Man"),
        ("up-right arrow", "arrow"),
        ("twelve-thirty", "clock face"),
        ("Mrs. Claus", "santa claus"),
        ("old woman", "person-age"),
    ],
)
def test_what_variants_have_in_common(name, common):
    assert make_emoji.wording(name, "person-age") == common


def test_split_keeps_concepts_whole_and_large_ones_in_training():
    concept = ["big"] * 20 + [f"small {i // 2}" for i in range(80)]
    part = make_emoji.split(concept, ["group"] * 100)
    assert set(part[:20]) == {0} and np.array_equal(part[20::2], part[21::2])
    assert np.bincount(part).tolist() == [74, 10, 16]
