r"""Bimodal Trifeatures: pairs of images whose shared, unique and synergistic labels are known by construction.

One image shows one of 10 shapes, filled with one of 10 textures in one of 10 colours, somewhere on a grey canvas.
A pair is two images of the same shape, so the tasks separate what there is to know about the pair:

====  =========================================================  ==================================
task  label                                                      where the information sits
====  =========================================================  ==================================
R     the shape                                                  in both images (redundant)
U1    the texture of image 1                                     in image 1 alone (unique)
U2    the texture of image 2                                     in image 2 alone (unique)
S     does (texture of image 1, colour of image 2) fit the map?  in neither alone (synergy)
====  =========================================================  ==================================

The map is a bijection of textures onto colours, drawn once and shared by every split. Biased pairs all fit it, which is
what lets a model learn the map without labels.

Source: Hermann and Lampinen (2020) for the images; Dufumier et al. (ICLR 2025), "What to align in multimodal
contrastive learning?", section 4, for the pairs and the tasks.

Differs from the authors' code: rendering, split, map and pairing each have a generator of their own; evaluation images
are never cropped at random; an image is not paired with itself unless asked for; a shape is never cut by the border.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.data.batches import Batch, Rows, stream
from comm_lite.worlds.render import combinations, render

_SPLIT, _MAP, _RENDER, _PAIR = range(100, 104)  # purposes of random numbers


@dataclass(frozen=True)
class TrifeaturesConfig:
    r"""Everything that fixes a bimodal Trifeatures data set, but for the seed."""

    size: int = 64
    r"""Side of an image in pixels, at least 16; the paper's is 224."""
    texture_period: float = 8.0
    r"""Length after which a texture repeats, in pixels; the paper's is 10 at 224 px."""
    train_renders: int = 12
    r"""Distinct images of each training combination; the paper's is 3."""
    test_renders: int = 10
    r"""Distinct images of each held-out combination; the paper's is 1."""
    validation_combinations: int = 0
    r"""Combinations taken out of the 800 training ones, to choose settings on; tests never see them."""
    train_pairs: int = 10_000
    r"""Pairs a model is pre-trained on, and pairs its probe is trained on."""
    test_pairs: int | None = 10_000
    r"""Pairs of held-out images that a probe is scored on; None takes every allowed pair, in the paper about 4 096."""
    self_pairs: bool = False
    r"""Whether an image may be paired with itself, as in the paper's data."""

    def __post_init__(self) -> None:
        _check.whole("size", self.size, least=16)
        _check.positive("texture_period", self.texture_period)
        for name in ("train_renders", "test_renders", "train_pairs", "test_pairs"):
            if name != "test_pairs" or self.test_pairs is not None:
                _check.whole(name, getattr(self, name))
        _check.whole("validation_combinations", self.validation_combinations, least=0)
        if self.validation_combinations > 700:
            raise ValueError(
                f"validation_combinations must leave 100 of the 800 training combinations, "
                f"got {self.validation_combinations}; ask for at most 700"
            )


@dataclass(frozen=True)
class Images:
    r"""Rendered images with what they show."""

    pixels: Tensor
    r"""(N, 3, H, W) uint8."""
    factors: Tensor
    r"""(N, 3) indices into `SHAPES`, `TEXTURES` and `COLOURS`."""


@dataclass(frozen=True)
class Pairs(Rows):
    r"""Pairs of images of the same shape, with their labels."""

    images: Images
    r"""The images that the pairs are made of."""
    index: Tensor
    r"""(N, 2) positions of the two images of each pair."""
    mapping: Tensor
    r"""(10,) the colour that belongs to each texture."""

    def __len__(self) -> int:
        return len(self.index)

    def labels(self, rows: Tensor | slice = slice(None)) -> dict[str, Tensor]:
        r"""Return the labels of the tasks R, U1, U2 and S for the pairs in ``rows``, each (len(rows),)."""
        first, second = self.images.factors[self.index[rows]].unbind(1)
        fits = self.mapping[first[:, 1]] == second[:, 2]
        return {"R": first[:, 0], "U1": first[:, 1], "U2": second[:, 1], "S": fits.long()}

    def combination(self) -> Tensor:
        r"""Return (N, 2) numbers of the two combinations of each pair: the items that an interval resamples."""
        weights = torch.tensor([100, 10, 1], device=self.index.device)
        return (self.images.factors * weights).sum(1)[self.index]

    def batch(self, rows: Tensor | slice) -> Batch:
        r"""Return one batch ``(x, y)``: images as float32 in [0, 1] under ``image1`` and ``image2``, and the labels."""
        first, second = self.index[rows].unbind(1)
        pixels = self.images.pixels
        return {"image1": pixels[first] / 255, "image2": pixels[second] / 255}, self.labels(rows)


def pair_up(
    images: Images, count: int | None, *, mapping: Tensor, biased: bool = False, self_pairs: bool = False,
    generator: torch.Generator,
) -> Pairs:  # fmt: skip
    r"""Draw pairs of images that share their shape, without replacement and all equally likely.

    Args:
        images: what to pair.
        count: number of pairs; None takes every allowed pair.
        mapping: (10,) the colour that belongs to each texture, a permutation of 0..9.
        biased: whether to allow only pairs in which (texture of image 1, colour of image 2) fits ``mapping``.
        self_pairs: whether an image may be paired with itself, as in the paper's data.
        generator: source of the draw.

    Returns:
        The pairs, in random order.

    Raises:
        TypeError: if ``mapping`` is not an integer tensor or ``count`` is not an integer.
        ValueError: if ``mapping`` is not a permutation, or ``count`` is below 1 or above the number of allowed pairs.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> factors = combinations()[::37]
        >>> images = Images(render(factors, size=16, generator=g), factors)
        >>> len(pair_up(images, 30, mapping=torch.arange(10), generator=g))
        30
    """
    _check.shape("mapping", mapping, "K")
    _check.integers("mapping", mapping)
    if count is not None:
        _check.whole("count", count)
    if sorted(mapping.tolist()) != list(range(10)):
        raise ValueError(
            f"mapping must be a permutation of 0..9, got {mapping.tolist()}; draw one with torch.randperm(10)"
        )
    shape, texture, colour = images.factors.cpu().unbind(1)
    key, order = (10 * shape + colour).sort(stable=True)  # whoever may be second stands together in this order
    low = 10 * shape + (mapping.cpu()[texture] if biased else 0)
    start, stop = torch.searchsorted(key, low), torch.searchsorted(key, low + (1 if biased else 10))
    place = order.argsort()  # where an image stands itself
    own = (start <= place) & (place < stop) & (not self_pairs)
    until = (stop - start - own.long()).cumsum(0)  # pairs whose first image is this one or one before
    total = int(until[-1]) if len(until) else 0
    if count is not None and count > total:
        raise ValueError(
            f"count must be at most the number of allowed pairs, {total}, got {count}; "
            f"ask for fewer pairs or render more images"
        )
    number = _distinct(total, total if count is None else count, generator)
    first = torch.searchsorted(until, number, right=True)
    second = stop[first] - (until[first] - number)  # the last pair of a first image is with the last of its partners
    second -= (own[first] & (second <= place[first])).long()
    device = images.factors.device
    return Pairs(images, torch.stack([first, order[second]], dim=1).to(device), mapping.to(device))


def _distinct(total: int, count: int, generator: torch.Generator) -> Tensor:
    r"""Draw ``count`` different numbers below ``total``, at a cost that grows with ``count`` alone."""
    if 2 * count > total:
        return torch.randperm(total, generator=generator, device=generator.device).cpu()[:count]
    found = np.empty(0, dtype=np.int64)
    while len(found) < count:  # what comes again is dropped, which leaves all orders of distinct numbers equally likely
        more = torch.randint(total, (count,), generator=generator, device=generator.device).cpu().numpy()
        found = np.concatenate([found, more])
        found = found[np.sort(np.unique(found, return_index=True)[1])]
    return torch.from_numpy(found[:count])


@dataclass(frozen=True)
class Trifeatures:
    r"""All splits of one bimodal Trifeatures data set; the splits share one map and no combination."""

    train: Pairs
    r"""Unbiased pairs of training images: for pre-training on R, U1, U2, and for every probe."""
    train_biased: Pairs
    r"""Pairs of training images that all fit the map: for pre-training on S."""
    validation: Pairs | None
    r"""Unbiased pairs of combinations that are held out for choosing settings; None where none were asked for."""
    test: Pairs
    r"""Unbiased pairs of test combinations."""


def trifeatures(config: TrifeaturesConfig, *, seed: int = 0, device: str | torch.device = "cpu") -> Trifeatures:
    r"""Render and pair a complete bimodal Trifeatures data set.

    Args:
        config: sizes and counts.
        seed: a whole number of at least 0. It seeds four generators, one each for the split, the map, the rendering
            and the pairing, so that changing the number of images changes neither split nor map.
        device: where to render and keep the images.

    Returns:
        The splits: 800 training combinations less those for validation, and 200 test combinations. A test claim rests
        on 200 * ``test_renders`` distinct images: 2 000 by default, where the paper's rests on 200.

    Raises:
        ValueError: if there are fewer allowed pairs than asked for.

    Example:
        >>> small = TrifeaturesConfig(size=16, train_renders=1, test_renders=1, train_pairs=100, test_pairs=100)
        >>> data = trifeatures(small, seed=0)
        >>> x, y = data.test.batch(slice(4))
        >>> x["image1"].shape, sorted(y)
        (torch.Size([4, 3, 16, 16]), ['R', 'S', 'U1', 'U2'])
    """
    everything = combinations()
    order = torch.randperm(1000, generator=stream(seed, _SPLIT))
    mapping = torch.randperm(10, generator=stream(seed, _MAP))
    cuts = [800 - config.validation_combinations, config.validation_combinations, 200]
    parts = dict(zip(("train", "validation", "test"), order.split(cuts), strict=True))

    def images(part: str, renders: int) -> Images:
        factors = everything[parts[part].sort().values].repeat_interleave(renders, dim=0)
        draws = stream(seed, _RENDER, list(parts).index(part), device=device)
        drawn = render(factors, size=config.size, texture_period=config.texture_period, generator=draws)
        return Images(drawn, factors.to(device))

    def pairs(of: Images, count: int | None, part: int, *, biased: bool = False) -> Pairs:
        draws = stream(seed, _PAIR, part)
        return pair_up(of, count, mapping=mapping, biased=biased, self_pairs=config.self_pairs, generator=draws)

    train = images("train", config.train_renders)
    held_out = None
    if config.validation_combinations:
        held_out = pairs(images("validation", config.test_renders), config.test_pairs, 2)
    return Trifeatures(
        train=pairs(train, config.train_pairs, 0),
        train_biased=pairs(train, config.train_pairs, 1, biased=True),
        validation=held_out,
        test=pairs(images("test", config.test_renders), config.test_pairs, 3),
    )
