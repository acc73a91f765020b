r"""Movies: a poster, a plot and four genres, whose information is planted, atom by atom.

===========  ======================================================  ==============================
genre        sign                                                    where its bit sits
===========  ======================================================  ==============================
Romance      a heart on the poster, and the plot tells of love       in both (redundant)
Horror       a black hand, and blood runs down                       on the poster alone (unique)
Documentary  the plot says how it was filmed                         in the plot alone (unique)
Thriller     the couple's faces do not fit the plot                  in neither alone (synergy)
===========  ======================================================  ==============================

Every sign is a fair coin of its own. The faces do not fit when the couple smiles although somebody is missing, or does
not smile although nobody is. Poster and plot also share the setting (sea, mountains, city, forest), which is no genre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.data.batches import Captioned, stream
from comm_lite.data.tokenizer import Tokenizer, train_tokenizer
from comm_lite.info import entropy
from comm_lite.pid.gates import slip
from comm_lite.worlds.plots import write_plots
from comm_lite.worlds.posters import LOOKS, SETTINGS, draw_posters

_SIGNS, _LOOKS, _PLOTS = range(200, 203)  # purposes of random numbers, a hundred for each world
GENRES = ("Romance", "Horror", "Documentary", "Thriller")


@dataclass(frozen=True)
class MoviesConfig:
    r"""Everything that fixes a set of movies, but for the seed."""

    size: int = 48
    r"""Side of a poster in pixels, at least 16."""
    length: int = 40
    r"""Tokens of a plot with its padding; the longest plot takes 38."""
    train: int = 2000
    r"""Movies a model and its probe are trained on."""
    validation: int = 500
    r"""Movies to choose settings on."""
    test: int = 1000
    r"""Movies that a probe is scored on."""
    romance: float = 1.0
    r"""Bits that the signs of Romance tell about its label, in [0, 1]: the label is the sign, flipped at times."""
    horror: float = 1.0
    r"""As ``romance``."""
    documentary: float = 1.0
    r"""As ``romance``."""
    thriller: float = 1.0
    r"""As ``romance``."""
    shared: float = 1.0
    r"""Share of the romances that show a heart and tell of love; the others show a ring and a plot that is silent."""
    biased: bool = False
    r"""Whether all movies are thrillers by their signs, so that faces and plot go together."""

    def __post_init__(self) -> None:
        for name, least in (("size", 16), ("length", 38), ("train", 1), ("validation", 1), ("test", 1)):
            _check.whole(name, getattr(self, name), least=least)
        for name in ("romance", "horror", "documentary", "thriller", "shared"):
            _check.between(name, getattr(self, name), 0.0, 1.0)


def latent_joint(config: MoviesConfig, genre: str) -> np.ndarray:
    r"""The joint distribution of a genre's sign on the poster, its sign in the plot, and its label.

    Args:
        config: strengths and the share of romances that both modalities show.
        genre: one of `GENRES`.

    Returns:
        p(poster sign, plot sign, label), float64: (3, 2, 2) for Romance, whose poster shows nothing, a heart or a
        ring; (2, 1, 2) and (1, 2, 2) for Horror and Documentary, which show in one modality; (2, 2, 2) for Thriller.

    Raises:
        ValueError: if the genre is unknown.

    Example:
        >>> latent_joint(MoviesConfig(), "Thriller")[:, :, 1].tolist()  # smile and missing, or neither
        [[0.25, 0.0], [0.0, 0.25]]
    """
    _check.one_of("genre", genre, GENRES)
    signs = {
        "Romance": {(0, 0, 0): 0.5, (1, 1, 1): config.shared / 2, (2, 0, 1): (1 - config.shared) / 2},
        "Horror": {(0, 0, 0): 0.5, (1, 0, 1): 0.5},
        "Documentary": {(0, 0, 0): 0.5, (0, 1, 1): 0.5},
        "Thriller": {(a, b, int(a == b)): 0.25 for a in (0, 1) for b in (0, 1)},
    }[genre]
    if config.biased and genre == "Thriller":
        signs = {(0, 0, 1): 0.5, (1, 1, 1): 0.5}
    flip = slip(getattr(config, genre.lower()))
    p = np.zeros([max(cell[axis] for cell in signs) + 1 for axis in range(3)])
    for (one, two, sign), chance in signs.items():
        p[one, two, sign] += chance * (1 - flip)
        p[one, two, 1 - sign] += chance * flip
    return p


def exact_atoms(config: MoviesConfig) -> dict[str, dict[str, float]]:
    r"""The four parts of what poster and plot tell about each genre, in closed form.

    .. math::
        R = 1 - \tfrac{s}{2} h_2(e) - \left(1 - \tfrac{s}{2}\right)
        h_2\!\left(\frac{1 - (1 - e) s}{2 - s}\right), \qquad U_1 = 1 - h_2(e) - R

    for Romance: :math:`s` is ``shared``, :math:`e` the chance of a flipped label, :math:`h_2` the entropy of a coin.
    The plot's sign is a function of the poster's, so nothing is unique to it and nothing is synergy. The other genres
    have one part each, their strength; where all movies are thrillers, nothing tells about that label.

    Args:
        config: strengths and the share of romances that both modalities show.

    Returns:
        For each genre its ``R``, ``U1`` (poster), ``U2`` (plot) and ``S``, in bits.

    Example:
        >>> exact_atoms(MoviesConfig(thriller=0.5))["Thriller"]
        {'R': 0.0, 'U1': 0.0, 'U2': 0.0, 'S': 0.5}
    """
    e, half = slip(config.romance), config.shared / 2
    other = (0.5 - (1 - e) * half) / (1 - half)
    shared = 1 - half * entropy([e, 1 - e]) - (1 - half) * entropy([other, 1 - other])
    parts = {
        "Romance": {"R": shared, "U1": max(0.0, config.romance - shared)},
        "Horror": {"U1": config.horror},
        "Documentary": {"U2": config.documentary},
        "Thriller": {"S": 0.0 if config.biased else config.thriller},
    }
    return {genre: {atom: float(of.get(atom, 0.0)) for atom in ("R", "U1", "U2", "S")} for genre, of in parts.items()}


@dataclass(frozen=True)
class Movies(Captioned):
    r"""Movies with their labels; they can be trained on and iterated over in batches, as `Captioned`."""

    scenes: Tensor
    r"""(N, 4) what each poster shows, as `draw_posters` takes it."""
    looks: Tensor
    r"""(N, 25) what does not matter of each poster."""
    told: Tensor
    r"""(N, 3) whether each plot tells of love, of how it was filmed, of somebody missing."""

    @property
    def plots(self) -> list[str]:
        r"""N texts, the ``captions``."""
        return self.captions


@dataclass(frozen=True)
class MovieSplits:
    r"""All splits of one set of movies; they share the vocabulary and no movie."""

    train: Movies
    r"""For training, also of probes."""
    validation: Movies
    r"""For choosing settings."""
    test: Movies
    r"""For scores."""
    tokenizer: Tokenizer
    r"""Knows the words of the training plots."""


def make_movies(config: MoviesConfig, *, seed: int = 0, tokenizer: Tokenizer | None = None) -> MovieSplits:
    r"""Draw posters and write plots.

    Args:
        config: sizes, counts, strengths.
        seed: a whole number of at least 0. Each split has three generators of its own, for signs and labels, for what
            a poster looks like, and for how a plot is told.
        tokenizer: of other movies, for a model that is to read both; None learns one from the training plots.

    Returns:
        The splits. A sample is ``x = {"image", "text", "text_mask"}`` and ``y = {"Romance", "Horror", "Documentary",
        "Thriller"}``.

    Raises:
        TypeError: if ``seed`` is not a whole number.
        ValueError: if ``seed`` is negative.

    Example:
        >>> movies = make_movies(MoviesConfig(size=16, train=8, validation=2, test=2), seed=0)
        >>> x, y = movies.train.batch(slice(4))
        >>> x["image"].shape, x["text"].shape, sorted(y)
        (torch.Size([4, 3, 16, 16]), torch.Size([4, 40]), ['Documentary', 'Horror', 'Romance', 'Thriller'])
    """
    drawn = {}
    for k, split in enumerate(("train", "validation", "test")):
        purposes = (stream(seed, of, k) for of in (_SIGNS, _LOOKS, _PLOTS))
        drawn[split] = _draw(config, getattr(config, split), *purposes)
    if tokenizer is None:
        tokenizer = train_tokenizer(drawn["train"]["captions"], vocabulary=400)
    splits = {}
    for split, of in drawn.items():
        ids, mask = tokenizer(of["captions"], length=config.length)
        posters = draw_posters(of["scenes"], of["looks"], size=config.size)
        splits[split] = Movies(images=posters, ids=ids, mask=mask, **of)
    return MovieSplits(**splits, tokenizer=tokenizer)


def _draw(config: MoviesConfig, n: int, signs: torch.Generator, look: torch.Generator, tell: torch.Generator) -> dict:
    setting = torch.randint(len(SETTINGS), (n,), generator=signs)
    romance, horror, documentary, smile, missing = torch.randint(2, (5, n), generator=signs)
    both = torch.rand(n, generator=signs) < config.shared
    if config.biased:
        missing = smile
    token = torch.where(both, romance, 2 * romance)
    told = torch.stack([romance * both, documentary, missing], dim=1)
    y = {}
    for genre, sign in zip(GENRES, (romance, horror, documentary, (smile == missing).long()), strict=True):
        flip = torch.rand(n, generator=signs) < slip(getattr(config, genre.lower()))
        y[genre] = torch.where(flip, 1 - sign, sign)
    return {
        "scenes": torch.stack([setting, token, horror, smile], dim=1),
        "looks": torch.rand(n, LOOKS, generator=look),
        "told": told,
        "y": y,
        "captions": write_plots(setting, told, generator=tell),
    }
