r"""Minimal pairs: two images and two captions that differ in one thing, and whether a model puts them together rightly.

Shapes: ``T`` tests, each with a 2 x 2 table of similarities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.evaluate.items import item_weights, number_items

CHANCE = {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6, "choice": 1 / 2}
r"""What similarities drawn at random, independently of each other, reach in each score."""


@dataclass(frozen=True)
class MinimalPairs:
    r"""What a model reached on minimal pairs; fractions, not per cent.

    Example:
        >>> table = torch.tensor([[0.9, 0.1], [0.2, 0.8]]).repeat(3, 1, 1)
        >>> print(minimal_pair_scores(table))
        text 1.000 (chance 0.250), image 1.000 (chance 0.250), group 1.000 (chance 0.167), choice 1.000 (chance 0.500)
    """

    text: float
    r"""Fraction of tests in which each image prefers its own caption; 1 perfect."""
    image: float
    r"""Fraction of tests in which each caption prefers its own image."""
    group: float
    r"""Fraction of tests with both."""
    choice: float
    r"""Fraction of images that prefer their own caption to the other one, one by one; a tie is half a hit."""
    intervals: dict[str, tuple[float, float]]
    r"""95 % bootstrap interval of each score, over tests."""
    tests: int
    r"""Number T of tests."""

    def __str__(self) -> str:
        return ", ".join(f"{name} {getattr(self, name):.3f} (chance {chance:.3f})" for name, chance in CHANCE.items())


def minimal_pair_scores(
    similarity: Tensor, *, margin: float = 1e-5, replicates: int = 1000, seed: int = 0
) -> MinimalPairs:
    r"""Winoground's text, image and group score, and the plain choice of a caption; see :eq:`eq-minimal-pairs`.

    .. math::
        \mathrm{text} &= \frac{1}{T} \sum_{t=1}^{T} \mathbb{1}[s_{00} > s_{01}] \, \mathbb{1}[s_{11} > s_{10}] \\
        \mathrm{image} &= \frac{1}{T} \sum_{t=1}^{T} \mathbb{1}[s_{00} > s_{10}] \, \mathbb{1}[s_{11} > s_{01}] \\
        \mathrm{group} &= \frac{1}{T} \sum_{t=1}^{T} \mathbb{1}[s_{00}, s_{11} > s_{01}, s_{10}]

    Here :math:`s_{ab}` is ``similarity[t, a, b]``, of image a to caption b; image a belongs to caption a. Similarities
    drawn independently reach :math:`1/4`, :math:`1/4` and :math:`1/6`. A model collapsed to one point, or any to which
    the two captions are one, gets 0: a tie counts against it. So does one whose two images coincide, which then prefer
    the same caption: below chance is where a model that sees no difference ends. 1 is perfect. ``choice`` has
    chance :math:`1/2` for all of these, since in it a tie is half a hit.

    Args:
        similarity: Shape ``(T, 2, 2)``, floating point, ``T >= 2``.
        margin: How much larger counts as larger, at least 0, in the unit of the similarities. It is for rounding: the
            cosines of one bag of words in two orders differ in the last digits, which is a tie.
        replicates: Number of bootstrap replicates over tests, at least 100.
        seed: Of the bootstrap.

    Returns:
        The scores, as fractions in [0, 1], with their intervals.

    Raises:
        TypeError: If ``similarity`` is not a floating-point tensor.
        ValueError: If its shape is not ``(T, 2, 2)``, a number is not finite, or a setting is out of range.

    Example:
        >>> favourite = torch.tensor([[0.9, 0.1], [0.8, 0.2]]).repeat(2, 1, 1)  # both images like the first caption
        >>> scores = minimal_pair_scores(favourite)
        >>> scores.text, scores.image, scores.choice
        (0.0, 1.0, 0.5)

    Source:
        Thrush et al., "Winoground: Probing Vision and Language Models for Visio-Linguistic Compositionality", 2022;
        the choice is the accuracy of Yuksekgonul et al., "When and why vision-language models behave like
        bags-of-words, and what to do about it?", 2023. Differs from both in ``margin``.
    """
    _check.shape("similarity", similarity, "T A B")
    if not similarity.is_floating_point():
        raise TypeError(f"similarity must hold floats, got {similarity.dtype}; pass the cosines themselves")
    if similarity.shape[1:] != (2, 2) or len(similarity) < 2:
        raise ValueError(
            f"similarity must have shape (T, 2, 2) with T >= 2, got {tuple(similarity.shape)}; "
            f"give each test its two images times its two captions"
        )
    _check.finite("similarity", similarity)
    _check.between("margin", margin, 0.0, float("inf"))
    _check.whole("replicates", replicates, least=100)
    _check.whole("seed", seed, least=0)
    s = similarity.detach().cpu().double()
    own = s.diagonal(dim1=1, dim2=2)  # (T, 2): of each image to its own caption
    by_image = own - s.flip(2).diagonal(dim1=1, dim2=2)  # how far image a prefers caption a
    by_text = own - s.flip(1).diagonal(dim1=1, dim2=2)  # how far caption a prefers image a
    text, image = ((lead > margin).all(dim=1) for lead in (by_image, by_text))  # (eq-minimal-pairs)
    choice = ((by_image > margin).double() + (by_image >= -margin).double()).mean(dim=1) / 2
    hits = torch.stack([text.double(), image.double(), (text & image).double(), choice], dim=1)  # (T, 4)
    generator = torch.Generator().manual_seed(seed)
    every = number_items("tests", None, rows=len(s))
    weights = torch.cat(list(item_weights(every, replicates=replicates, generator=generator))).double()
    ends = (weights @ hits / len(s)).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64), dim=0)
    intervals = {name: (low, high) for name, low, high in zip(CHANCE, *ends.tolist(), strict=True)}
    return MinimalPairs(**dict(zip(CHANCE, hits.mean(dim=0).tolist(), strict=True)), intervals=intervals, tests=len(s))
