r"""Three modalities, an image, a sound and a text, with four tasks whose information is planted.

=======  ===========================================================  =====================================
task     label                                                        where it can be read
=======  ===========================================================  =====================================
shared   a coin that all three show                                   in each of them alone
pair     a coin that sound and text show                              in the sound or the text alone
unique   a coin that the image shows                                  in the image alone
synergy  whether two further coins, one in the image and one in the   in image and text together, in nobody
         text, fall alike                                             alone
=======  ===========================================================  =====================================

The three are vectors, as frozen encoders return them; the names only make tables easier to read. Each coin moves a
vector along a direction of its own, and all other directions hold what means nothing. In triples for pre-training the
two coins of the synergy always fall alike, since what goes together is what a model can learn without labels; in all
others they are independent.

Source: the idea of the biased pairs is that of Dufumier et al. (ICLR 2025), section 4. Differs from `planted_vectors`,
whose redundancy is shared by all modalities and whose synergy needs all of them: here both also exist for a pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.data.batches import Table, stream
from comm_lite.worlds.planted import PlantedSplits, write_coins

TRIPLE_SOURCES: dict[str, tuple[tuple[str, ...], ...]] = {
    "shared": (("image",), ("sound",), ("text",)),
    "pair": (("sound",), ("text",)),
    "unique": (("image",),),
    "synergy": (("image", "text"),),
}
r"""For each task the smallest sets of modalities that tell it; whoever holds one of them knows the label."""
_COINS = 500  # the purpose of random numbers
_SHOWS = {"image": ("shared", "unique", "first"), "sound": ("shared", "pair"), "text": ("shared", "pair", "second")}


@dataclass(frozen=True)
class TriplesConfig:
    r"""Everything that fixes a set of triples, but for the seed."""

    width: int = 512
    r"""Coordinates D of a vector, at least 4: one direction a coin, all others hold what means nothing."""
    signal: float = 3.0
    r"""How far a coin moves a vector along its direction, in deviations of what means nothing; above 0."""
    pretrain: int = 2000
    r"""Triples to train a model on, whose coins of the synergy fall alike."""
    train: int = 1000
    r"""Ordinary triples to train a probe on."""
    validation: int = 500
    r"""Ordinary triples to choose settings on."""
    test: int = 1000
    r"""Ordinary triples that a probe is scored on."""

    def __post_init__(self) -> None:
        for name, least in (("width", 4), ("pretrain", 1), ("train", 1), ("validation", 1), ("test", 1)):
            _check.whole(name, getattr(self, name), least=least)
        _check.positive("signal", self.signal)


def triple_bits(modalities: Iterable[str]) -> dict[str, float]:
    r"""What a set of modalities tells about each task of ordinary triples, in bits, exactly.

    .. math::
        I(X_A; Y) = \begin{cases} 1 & \text{if } A \supseteq B \text{ for one of the task's sources } B \\
        0 & \text{else} \end{cases}

    Here :math:`A` is ``modalities`` and the sources are those in `TRIPLE_SOURCES`; every label is a fair coin.

    Args:
        modalities: one or more of ``"image"``, ``"sound"`` and ``"text"``.

    Returns:
        Bits by task, each 0 or 1.

    Raises:
        TypeError: if ``modalities`` is one text.
        ValueError: if a modality is unknown, or there is none.

    Example:
        >>> triple_bits(["image"])
        {'shared': 1.0, 'pair': 0.0, 'unique': 1.0, 'synergy': 0.0}
        >>> triple_bits(["image", "text"])["synergy"]
        1.0
    """
    held = set(_check.texts("modalities", modalities))
    _check.known_keys("modalities", held, _SHOWS)
    return {task: float(any(held >= set(source) for source in sources)) for task, sources in TRIPLE_SOURCES.items()}


@dataclass(frozen=True)
class Triples(Table):
    r"""Vectors ``image``, ``sound`` and ``text`` (N, D), with the labels ``shared``, ``pair``, ``unique``, ``synergy``.

    Labels are 0 or 1. Further modalities may be added to ``x``, as tensors of N rows.
    """

    coins: dict[str, Tensor] = field(default_factory=dict)
    r"""(N,) all coins, 0 or 1, by name; those of the synergy are ``first`` (image) and ``second`` (text)."""


def make_triples(config: TriplesConfig, *, seed: int = 0) -> PlantedSplits:
    r"""Toss the coins and write them into vectors, as `write_coins` does.

    Args:
        config: sizes and counts.
        seed: a whole number of at least 0.

    Returns:
        `Triples` in four splits. A sample is ``x = {"image", "sound", "text"}`` and ``y = {"shared", "pair", "unique",
        "synergy"}``.

    Raises:
        TypeError: if ``seed`` is not a whole number.
        ValueError: if ``seed`` is negative.

    Example:
        >>> data = make_triples(TriplesConfig(width=16, pretrain=8, train=8, validation=2, test=2), seed=0)
        >>> x, y = data.train.batch(slice(4))
        >>> x["sound"].shape, list(y)
        (torch.Size([4, 16]), ['shared', 'pair', 'unique', 'synergy'])
    """
    splits = {}
    for k, split in enumerate(("pretrain", "train", "validation", "test")):
        names = ("shared", "pair", "unique", "first", "second")
        tossed = torch.randint(2, (5, getattr(config, split)), generator=stream(seed, _COINS, k))
        coins = dict(zip(names, tossed, strict=True))
        if split == "pretrain":
            coins["second"] = coins["first"]
        shown = {name: torch.stack([coins[coin] for coin in of], dim=1) for name, of in _SHOWS.items()}
        x = write_coins(shown, config.width, config.signal, seed=seed, split=k)
        y = {task: coins[task] for task in ("shared", "pair", "unique")}
        splits[split] = Triples(x, {**y, "synergy": (coins["first"] == coins["second"]).long()}, coins)
    return PlantedSplits(**splits)
