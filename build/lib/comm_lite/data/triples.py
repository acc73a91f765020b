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
from comm_lite.data.trifeatures import Batches

TRIPLE_SOURCES: dict[str, tuple[tuple[str, ...], ...]] = {
    "shared": (("image",), ("sound",), ("text",)),
    "pair": (("sound",), ("text",)),
    "unique": (("image",),),
    "synergy": (("image", "text"),),
}
r"""For each task the smallest sets of modalities that tell it; whoever holds one of them knows the label."""
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
class Triples:
    r"""Three vectors a sample, with their labels; it can be trained on and iterated over in batches."""

    x: dict[str, Tensor]
    r"""(N, D) vectors by modality name; further modalities may be added, as tensors of N rows."""
    y: dict[str, Tensor]
    r"""(N,) labels 0 or 1 by task: ``shared``, ``pair``, ``unique``, ``synergy``."""
    coins: dict[str, Tensor] = field(default_factory=dict)
    r"""(N,) all coins, 0 or 1, by name; those of the synergy are ``first`` (image) and ``second`` (text)."""

    def __len__(self) -> int:
        return len(next(iter(self.y.values())))

    @property
    def index(self) -> Tensor:
        r"""(N,) numbers of the rows, which `Batches` shuffles."""
        return torch.arange(len(self))

    def batch(self, rows: Tensor | slice) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        r"""Return the samples in ``rows`` as ``(x, y)``: vectors by modality name, labels by task."""
        return {name: v[rows] for name, v in self.x.items()}, {task: label[rows] for task, label in self.y.items()}

    def batches(self, batch_size: int, *, generator: torch.Generator | None = None) -> Batches:
        r"""Cut the rows into batches: shuffled and full with a generator, else in order, the last one as it is."""
        return Batches(self, batch_size, generator)


@dataclass(frozen=True)
class TripleSplits:
    r"""All splits of one set of triples; they share the directions in which coins are shown."""

    pretrain: Triples
    r"""For training a model without labels; the coins of the synergy fall alike."""
    train: Triples
    r"""Ordinary triples for training probes."""
    validation: Triples
    r"""Ordinary triples for choosing settings."""
    test: Triples
    r"""Ordinary triples for scores."""


def make_triples(config: TriplesConfig, *, seed: int = 0) -> TripleSplits:
    r"""Toss the coins and write them into vectors.

    .. math::
        x_m = s \sum_k (2 c_k - 1) \, d_{mk} + n_m

    The sum runs over the coins :math:`c_k` that modality :math:`m` shows, :math:`s` is ``signal``, the directions
    :math:`d_{mk}` of a modality are orthonormal, and :math:`n_m` is standard normal noise with its part along them
    taken out: a coin can be read from its vector without error, by a linear map.

    Args:
        config: sizes and counts.
        seed: a whole number of at least 0. The directions have a generator of their own; each split has two more, for
            coins and for noise.

    Returns:
        The splits. A sample is ``x = {"image", "sound", "text"}`` and ``y = {"shared", "pair", "unique", "synergy"}``.

    Raises:
        TypeError: if ``seed`` is not a whole number.
        ValueError: if ``seed`` is negative.

    Example:
        >>> data = make_triples(TriplesConfig(width=16, pretrain=8, train=8, validation=2, test=2), seed=0)
        >>> x, y = data.train.batch(slice(4))
        >>> x["sound"].shape, list(y)
        (torch.Size([4, 16]), ['shared', 'pair', 'unique', 'synergy'])
    """
    _check.whole("seed", seed, least=0)

    def generator(stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(1_000 * seed + stream)

    draw = generator(0)
    directions = {  # (D, coins), orthonormal columns
        name: torch.linalg.qr(torch.randn(config.width, len(shown), generator=draw)).Q for name, shown in _SHOWS.items()
    }
    splits = {}
    for k, split in enumerate(("pretrain", "train", "validation", "test")):
        toss, noise, count = generator(10 * k + 1), generator(10 * k + 2), getattr(config, split)
        names = ("shared", "pair", "unique", "first", "second")
        coins = dict(zip(names, torch.randint(2, (5, count), generator=toss), strict=True))
        if split == "pretrain":
            coins["second"] = coins["first"]
        x = {}
        for name, d in directions.items():
            moved = torch.stack([2.0 * coins[coin] - 1 for coin in _SHOWS[name]], dim=1)  # (N, coins)
            rest = torch.randn(count, config.width, generator=noise)
            x[name] = config.signal * moved @ d.T + rest - rest @ d @ d.T  # what means nothing hides no coin
        y = {task: coins[task] for task in ("shared", "pair", "unique")}
        splits[split] = Triples(x, {**y, "synergy": (coins["first"] == coins["second"]).long()}, coins)
    return TripleSplits(**splits)
