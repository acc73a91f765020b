r"""Pictures with captions: a few shapes in colours, and one English sentence about them.

========  ==========================================  ====================================================
kind      picture                                     caption, in one of four to five wordings
========  ==========================================  ====================================================
one       one object, anywhere                        "a red circle"
count     two to four objects that differ in nothing  "three green stars"
pair      two objects of other shapes and colours     "a red circle and a blue square"
relation  the same                                    "a red circle left of a blue square"
========  ==========================================  ====================================================

Size, place and turn of the objects are never told. Some pairs of shape and colour occur in no training picture.

Source of the tests by minimal pairs: Thrush et al. (CVPR 2022), "Winoground"; Yuksekgonul et al. (ICLR 2023), "When and
why vision-language models behave like bags-of-words". Differs from both: all pictures are drawn, so that the two of a
pair differ in nothing but what the captions say.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.data.batches import Captioned, stream
from comm_lite.data.tokenizer import Tokenizer, train_tokenizer
from comm_lite.worlds.phrases import NEGATIVES, RELATIONS, WORDINGS, Phrase, hard_negative
from comm_lite.worlds.render import COLOURS, SHAPES
from comm_lite.worlds.scenes import draw_scenes, lay_out

_COLOURS = tuple(COLOURS)
_SPLIT, _CONTENT, _WORDING, _DRAWING, _PAIRS = range(300, 305)  # purposes of random numbers


@dataclass(frozen=True)
class Described(Captioned):
    r"""Drawn scenes with their captions and what these say.

    Labels, -1 where there is none: ``kind`` (position in `WORDINGS`), ``count``, ``shape`` and ``colour`` of the first
    thing named, ``shape2`` and ``colour2`` of the second, ``relation`` (position in `RELATIONS`, of the picture),
    ``content`` (equal for pictures of the same objects, wherever they are and in whatever order they are named).
    """

    phrases: list[Phrase]
    r"""N phrases, of which the captions are the texts."""

    def fits(self) -> Tensor:
        r"""Return (N, N) booleans: whether the whole of picture i is rightly told by caption j; i = j always is.

        Retrieval and zero-shot scores need it: many pictures show one red circle. The names may come in either order.
        """
        y = self.y
        turned = y["relation"] % 2 == 1  # say "left of" for "right of", with the names in the other order; as for below
        first = torch.where(turned, 10 * y["shape2"] + y["colour2"], 10 * y["shape"] + y["colour"])
        loose = y["content"][:, None] == y["content"]
        exact = loose & (first[:, None] == first) & (y["relation"][:, None] // 2 == y["relation"] // 2)
        return torch.where(y["kind"] == list(WORDINGS).index("relation"), exact, loose)


@dataclass(frozen=True)
class CaptionsConfig:
    r"""Everything that fixes a set of captioned scenes, but for the seed."""

    size: int = 48
    r"""Side of an image in pixels, at least 16."""
    length: int = 16
    r"""Tokens of a caption with its padding; the longest caption takes 14."""
    kinds: tuple[str, ...] = tuple(WORDINGS)
    r"""Kinds of caption, all equally likely."""
    held_out: int = 2
    r"""Colours that each shape has in test pictures only, 1 to 5; one more it has for validation only."""
    train: int = 8000
    r"""Scenes to train on."""
    validation: int = 1000
    r"""Scenes to choose settings on."""
    test: int = 2000
    r"""Scenes in each of the two test sets."""

    def __post_init__(self) -> None:
        for name, least in (("size", 16), ("length", 14), ("train", 1), ("validation", 1), ("test", 1)):
            _check.whole(name, getattr(self, name), least=least)
        _check.one_of("held_out", self.held_out, range(1, 6))
        _check.known_keys("kinds", self.kinds, WORDINGS)


@dataclass(frozen=True)
class CaptionSplits:
    r"""All splits of one set of captioned scenes; they share the vocabulary and no scene."""

    train: Described
    r"""For training, also of probes."""
    validation: Described
    r"""For choosing settings: pairs of shape and colour that are in no other part."""
    seen: Described
    r"""New scenes of the training pairs; beside ``test`` they show what a new pair costs."""
    test: Described
    r"""For scores: every object has a pair of shape and colour that is in no other part."""
    trained: Tensor
    r"""(10, 10) booleans, whether the training part shows this shape (row) in this colour (column)."""
    tokenizer: Tokenizer
    r"""Knows the words of the training captions."""
    config: CaptionsConfig
    r"""What the splits were made from."""


def _pairs(first: Tensor, *, swap: bool = False) -> Tensor:
    r"""(P, 2) all ordered pairs of the (shape, colour) numbers that ``first`` allows, differing in both.

    With ``swap``, what results from a swap of the colours must be allowed as well.
    """
    number = torch.arange(100)
    shape, colour = number // 10, number % 10
    ok = first.flatten()[:, None] & first.flatten()[None]
    ok &= (shape[:, None] != shape[None]) & (colour[:, None] != colour[None])
    if swap:
        crossed = first[shape[:, None], colour[None]]
        ok &= crossed & crossed.T
    return ok.nonzero()


def _phrases(
    kinds: tuple[str, ...], count: int, pairs: Tensor, content: torch.Generator, tell: torch.Generator
) -> list[Phrase]:
    r"""Draw what is in each scene from ``content``, and the wording from ``tell``."""
    kind = torch.randint(len(kinds), (count,), generator=content)
    pair = pairs[torch.randint(len(pairs), (count,), generator=content)]
    number = torch.randint(2, 5, (count,), generator=content)
    relation = torch.randint(4, (count,), generator=content)
    wording = torch.randint(60, (count,), generator=tell)  # 60 is a multiple of the number of wordings of each kind
    phrases = []
    for k, p, n, r, w in zip(*(v.tolist() for v in (kind, pair, number, relation, wording)), strict=True):
        name, things = kinds[k], tuple((_COLOURS[i % 10], SHAPES[i // 10]) for i in p)
        w %= len(WORDINGS[name])
        if name in ("pair", "relation"):
            phrases.append(Phrase(name, things, 2, RELATIONS[r], w))
        else:
            phrases.append(Phrase(name, things[:1], n if name == "count" else 1, "", w))
    return phrases


def _describe(
    phrases: list[Phrase], config: CaptionsConfig, tokenizer: Tokenizer, generator: torch.Generator
) -> Described:
    r"""Draw a scene that each phrase is true of; the draws of a row do not depend on what its phrase says."""
    n = len(phrases)
    things = torch.full((n, 2, 2), -1)
    for row, phrase in enumerate(phrases):
        for k, (colour, shape) in enumerate(phrase.things):
            things[row, k] = torch.tensor([SHAPES.index(shape), _COLOURS.index(colour)])
    kind = torch.tensor([list(WORDINGS).index(phrase.kind) for phrase in phrases])
    count = torch.tensor([phrase.count for phrase in phrases])
    relation = torch.tensor([RELATIONS.index(p.relation) if p.relation else -1 for p in phrases])
    scenes = lay_out(things, count, relation, generator=generator)
    images = draw_scenes(**scenes, size=config.size)
    captions = [phrase.text for phrase in phrases]
    ids, mask = tokenizer(captions, length=config.length)
    one, two = torch.where(things < 0, things[:, :1], things).mul(torch.tensor([10, 1])).sum(2).sort(1).values.unbind(1)
    content = 10_000 * count + 100 * one + two
    named = ("shape", "colour", "shape2", "colour2")
    y = {"kind": kind, "count": count, "relation": relation, "content": content}
    y |= dict(zip(named, things.flatten(1).T, strict=True))
    return Described(images=images, captions=captions, ids=ids, mask=mask, y=y, phrases=phrases)


def make_captions(config: CaptionsConfig, *, seed: int = 0) -> CaptionSplits:
    r"""Draw scenes and tell them.

    Args:
        config: sizes, counts, kinds.
        seed: a whole number of at least 0. The split has a generator of its own, and so have, in each part, what the
            scenes hold, how they are told, and how they are drawn.

    Returns:
        The splits. A sample is ``x = {"image", "text", "text_mask"}`` and ``y`` as `Described` lists it.

    Raises:
        TypeError: if ``seed`` is not a whole number.
        ValueError: if ``seed`` is negative.

    Example:
        >>> data = make_captions(CaptionsConfig(size=16, train=40, validation=2, test=2), seed=0)
        >>> x, y = data.train.batch(slice(4))
        >>> x["image"].shape, x["text"].shape
        (torch.Size([4, 3, 16, 16]), torch.Size([4, 16]))
        >>> sorted(y)
        ['colour', 'colour2', 'content', 'count', 'kind', 'relation', 'shape', 'shape2']
    """
    rows, columns = (torch.randperm(10, generator=stream(seed, _SPLIT, k)) for k in range(2))
    square = (rows[:, None] + columns) % 10  # a Latin square: each number stands once in each row and column
    test, trained = square < config.held_out, square > config.held_out
    allowed = {"train": trained, "validation": square == config.held_out, "seen": trained, "test": test}
    phrases = {}
    for k, (part, of) in enumerate(allowed.items()):
        count, content, tell = getattr(config, "test" if part == "seen" else part), _CONTENT, _WORDING
        phrases[part] = _phrases(config.kinds, count, _pairs(of), stream(seed, content, k), stream(seed, tell, k))
    tokenizer = train_tokenizer([phrase.text for phrase in phrases["train"]], vocabulary=100)
    parts = {
        part: _describe(phrases[part], config, tokenizer, stream(seed, _DRAWING, k)) for k, part in enumerate(allowed)
    }
    return CaptionSplits(**parts, trained=trained, tokenizer=tokenizer, config=config)


def minimal_pairs(data: CaptionSplits, kind: str, *, count: int = 400, seed: int = 0) -> Described:
    r"""Make a test in the style of Winoground: two pictures and two captions, each true of one picture alone.

    Args:
        data: where size, vocabulary and the pairs of shape and colour come from: only trained ones occur, so that an
            error is not one of an unknown pair.
        kind: what the two captions differ in, as `hard_negative` takes it.
        count: number of tests.
        seed: a whole number of at least 0.

    Returns:
        2 * ``count`` rows: rows 2i and 2i + 1 are the two of test i, whose objects have the same places, sizes and
        turns unless the captions differ in just that. With similarities s of picture a to caption b, the text score
        asks that s[0, 0] > s[0, 1] and s[1, 1] > s[1, 0], the image score that s[0, 0] > s[1, 0] and s[1, 1] > s[0, 1],
        and the group score both. By chance: 1/4, 1/4, 1/6.

    Raises:
        TypeError: if ``count`` or ``seed`` is not a whole number.
        ValueError: if ``kind`` is unknown, ``count`` or ``seed`` too small, or the vocabulary lacks the words that tell
            the two captions of a test apart.

    Example:
        >>> data = make_captions(CaptionsConfig(size=16, train=400, validation=2, test=2), seed=0)
        >>> first, second = minimal_pairs(data, "attribute", count=1).captions
        >>> sorted(first.split()) == sorted(second.split())
        True
    """
    _check.one_of("kind", kind, NEGATIVES)
    _check.whole("count", count)
    number = list(NEGATIVES).index(kind)
    content, tell = (stream(seed, _PAIRS, number, of) for of in (_CONTENT, _WORDING))
    pairs = _pairs(data.trained, swap=kind == "attribute")
    first = _phrases(NEGATIVES[kind][:1], count, pairs, content, tell)
    phrases = [first, [hard_negative(phrase, kind) for phrase in first]]
    both = [_describe(p, data.config, data.tokenizer, stream(seed, _PAIRS, number, _DRAWING)) for p in phrases]
    same = (both[0].ids == both[1].ids).all(dim=1)
    if same.any():
        lost = int(same.nonzero()[0])
        raise ValueError(
            f"data.tokenizer must tell both captions of a test apart, got the same ids for {int(same.sum())} of "
            f"{count}, such as {both[0].captions[lost]!r} and {both[1].captions[lost]!r}; "
            f"add the words in which they differ to the vocabulary"
        )

    def mix(one: Tensor, two: Tensor) -> Tensor:
        return torch.stack([one, two], dim=1).flatten(0, 1)

    return Described(
        images=mix(both[0].images, both[1].images),
        captions=[text for pair in zip(both[0].captions, both[1].captions, strict=True) for text in pair],
        ids=mix(both[0].ids, both[1].ids),
        mask=mix(both[0].mask, both[1].mask),
        y={name: mix(label, both[1].y[name]) for name, label in both[0].y.items()},
        phrases=[phrase for pair in zip(*phrases, strict=True) for phrase in pair],
    )
