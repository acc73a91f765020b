r"""What is told about a scene: English phrases about shapes in colours, and changes that make them false.

Source of the changes: Thrush et al. (CVPR 2022), "Winoground"; Yuksekgonul et al. (ICLR 2023), "When and why
vision-language models behave like bags-of-words, and what to do about it?".
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from comm_lite import _check
from comm_lite.worlds.render import COLOURS, SHAPES

RELATIONS = ("left of", "right of", "above", "below")
WORDINGS = {
    "one": ("{a}", "there is {a}", "a picture of {a}", "a {shape} in {colour}", "we see {a}"),
    "count": ("{n} {many}", "there are {n} {many}", "a picture of {n} {many}", "{n} {shapes} in {colour}"),
    "pair": ("{a} and {b}", "there is {a} and {b}", "a picture of {a} and {b}", "{a} together with {b}"),
    "relation": ("{a} {is_at} {b}", "{a} {is_by} {b}", "there is {a} {is_by} {b}", "a picture of {a} {is_at} {b}"),
}
"""Sentence patterns by kind. {a} and {b} are the objects with their articles, {is_at} and {is_by} two ways to say
where the first one is."""
NEGATIVES = {"attribute": ("pair", "relation"), "order": ("relation",), "relation": ("relation",), "count": ("count",)}
"""What `hard_negative` can change, and the kinds of caption in which it can."""
_SYNONYMS = ("to the left of", "to the right of", "over", "under")
_NUMBERS = ("one", "two", "three", "four")


@dataclass(frozen=True)
class Phrase:
    r"""What a caption says, and how it says it."""

    kind: str
    r"""One of the keys of `WORDINGS`."""
    things: tuple[tuple[str, str], ...]
    r"""Colour and shape of each kind of object, in the order in which they are named: two for pair and relation."""
    count: int = 1
    r"""Number of objects in the picture: 2 to 4 for kind count, otherwise as many as ``things``."""
    relation: str = ""
    r"""Where the first thing is, seen from the second: one of `RELATIONS`, also where it is not told; else empty."""
    wording: int = 0
    r"""Which of the sentence patterns of its kind."""

    def __post_init__(self) -> None:
        _check.one_of("kind", self.kind, WORDINGS)
        two = self.kind in ("pair", "relation")
        _check.one_of("relation", self.relation, RELATIONS if two else ("",))
        _check.one_of("count", self.count, {"one": (1,), "count": (2, 3, 4)}.get(self.kind, (2,)))
        _check.one_of("wording", self.wording, range(len(WORDINGS[self.kind])))
        if len(self.things) != 1 + two:
            raise ValueError(f"things must hold {1 + two} for kind={self.kind!r}, got {self.things}; add or drop some")
        for colour, shape in self.things:
            _check.one_of("colour", colour, COLOURS)
            _check.one_of("shape", shape, SHAPES)

    @property
    def text(self) -> str:
        r"""The caption."""
        named = ["an " + " ".join(t) if t[0][0] in "aeiou" else "a " + " ".join(t) for t in self.things]
        colour, shape = self.things[0]
        shapes = shape + ("es" if shape.endswith("s") else "s")
        where = RELATIONS.index(self.relation) if self.relation else 0
        return WORDINGS[self.kind][self.wording].format(
            a=named[0], b=named[-1], n=_NUMBERS[self.count - 1], many=f"{colour} {shapes}", colour=colour, shape=shape,
            shapes=shapes, is_at=RELATIONS[where], is_by=_SYNONYMS[where],
        )  # fmt: skip


def hard_negative(phrase: Phrase, kind: str) -> Phrase:
    r"""Change one thing, so that the caption is false of the picture it was true of.

    Args:
        phrase: what to change; two objects differ in shape and colour.
        kind: ``"attribute"`` swaps the colours of two objects; ``"order"`` swaps the objects and keeps the relation;
            ``"relation"`` turns the relation round and keeps the objects; ``"count"`` takes the next of 2, 3, 4.

    Returns:
        The phrase in the same wording. After attribute and order it has the same words, in another order, so that a
        bag of words cannot tell the two apart; after the others one word is another one.

    Raises:
        ValueError: if there is no such change, or none for a phrase of this kind.

    Example:
        >>> phrase = Phrase("relation", (("red", "circle"), ("blue", "square")), count=2, relation="left of")
        >>> [hard_negative(phrase, kind).text for kind in ("attribute", "order")]
        ['a blue circle left of a red square', 'a blue square left of a red circle']
        >>> hard_negative(phrase, "relation").text
        'a red circle right of a blue square'
    """
    _check.one_of("kind", kind, NEGATIVES)
    if phrase.kind not in NEGATIVES[kind]:
        raise ValueError(
            f"kind={kind!r} needs a phrase of kind {' or '.join(NEGATIVES[kind])}, got {phrase.kind!r}; "
            f"choose another change or another phrase"
        )
    if kind == "attribute":
        (one, first), (two, second) = phrase.things
        return dataclasses.replace(phrase, things=((two, first), (one, second)))
    if kind == "order":
        return dataclasses.replace(phrase, things=phrase.things[::-1])
    if kind == "relation":
        return dataclasses.replace(phrase, relation=RELATIONS[RELATIONS.index(phrase.relation) ^ 1])
    return dataclasses.replace(phrase, count=(phrase.count - 1) % 3 + 2)
