r"""Vectors with planted atoms: the smallest data on which an objective can show what it keeps.

====  ==============================================  ============================
task  sign                                            where its bit sits
====  ==============================================  ============================
R     one coin, shown by every vector                 in each of them (redundant)
U1    a coin that the first vector shows alone        in x1 alone (unique)
U2    a coin that the second vector shows alone       in x2 alone (unique)
S     a further coin in every vector; the label says  in all together (synergy)
      whether an even number of them shows heads
====  ==============================================  ============================

With n vectors there are U1 ... Un, and S needs all n: any n - 1 of them tell nothing. A small model learns from them in
seconds, where images take minutes.

Letters: ``N`` samples, ``D`` coordinates of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.data.batches import Table, stream

_DIRECTIONS, _COINS, _NOISE = range(400, 403)  # purposes of random numbers


@dataclass(frozen=True)
class PlantedConfig:
    r"""Everything that fixes a set of vectors, but for the seed."""

    modalities: int = 2
    r"""Vectors of a sample, at least 2; they are called ``x1``, ``x2``, ..."""
    width: int = 512
    r"""Coordinates D of a vector, at least 4: three directions show a coin, all others hold what means nothing."""
    signal: float = 3.0
    r"""How far a coin moves a vector along its direction, in deviations of what means nothing; above 0."""
    train: int = 2000
    r"""Samples a model and its probe are trained on."""
    validation: int = 500
    r"""Samples to choose settings on."""
    test: int = 2000
    r"""Samples that a probe is scored on."""
    biased: bool = False
    r"""Whether S holds for every sample, so that the coins behind it go together and can be learnt without a label."""

    def __post_init__(self) -> None:
        for name, least in (("modalities", 2), ("width", 4), ("train", 1), ("validation", 1), ("test", 1)):
            _check.whole(name, getattr(self, name), least=least)
        _check.positive("signal", self.signal)

    @property
    def names(self) -> tuple[str, ...]:
        r"""Names of the modalities, ``("x1", "x2", ...)``."""
        return tuple(f"x{i + 1}" for i in range(self.modalities))

    @property
    def atoms(self) -> dict[str, dict[str, float]]:
        r"""For each task its bits of ``R``, ``U1`` ... ``Un`` and ``S``, exact: one of them is 1.

        Where all samples are biased nothing tells about S, which is then always 1.
        """
        tasks = ["R", *(f"U{i + 1}" for i in range(self.modalities)), "S"]
        return {
            task: {atom: float(atom == task and not (task == "S" and self.biased)) for atom in tasks} for task in tasks
        }


@dataclass(frozen=True)
class Planted(Table):
    r"""Vectors ``x1``, ``x2``, ... (N, D) with the labels ``R``, ``U1``, ``U2``, ..., ``S`` (N,), each 0 or 1."""

    coins: dict[str, Tensor]
    r"""(N, 3) what each vector shows, 0 or 1: the shared coin, its own, and its part of S."""


@dataclass(frozen=True)
class PlantedSplits:
    r"""All splits of one set of vectors; they share the directions in which coins are shown."""

    train: Table
    r"""For training, also of probes."""
    validation: Table
    r"""For choosing settings."""
    test: Table
    r"""For scores."""
    pretrain: Table | None = None
    r"""For training a model without labels, where that has samples of its own: triples whose two coins fall alike."""


def planted_vectors(config: PlantedConfig, *, seed: int = 0) -> PlantedSplits:
    r"""Toss the coins and write them into vectors, as `write_coins` does, so that the atoms are exact.

    Args:
        config: sizes, counts, and whether S always holds.
        seed: a whole number of at least 0; biased and unbiased vectors of one seed show coins alike.

    Returns:
        `Planted` in three splits. A sample is ``x = {"x1", "x2", ...}`` and ``y = {"R", "U1", "U2", ..., "S"}``.

    Raises:
        TypeError: if ``seed`` is not a whole number.
        ValueError: if ``seed`` is negative.

    Example:
        >>> data = planted_vectors(PlantedConfig(train=8, validation=2, test=2), seed=0)
        >>> x, y = data.train.batch(slice(4))
        >>> x["x1"].shape, sorted(y)
        (torch.Size([4, 512]), ['R', 'S', 'U1', 'U2'])

    Source: the bimodal task of Dufumier et al. (ICLR 2025), section 4, made small. Differs from it: coins for its ten
    values, vectors for its images, any number of modalities.
    """
    splits = {}
    for k, split in enumerate(("train", "validation", "test")):
        toss, n = stream(seed, _COINS, k), getattr(config, split)
        shared = torch.randint(2, (n,), generator=toss)
        own, part = torch.randint(2, (2, config.modalities, n), generator=toss)
        if config.biased:
            part[-1] = part[:-1].sum(0) % 2
        coins = {name: torch.stack([shared, own[i], part[i]], dim=1) for i, name in enumerate(config.names)}
        y = {"R": shared, **{f"U{i + 1}": own[i] for i in range(config.modalities)}, "S": 1 - part.sum(0) % 2}
        splits[split] = Planted(write_coins(coins, config.width, config.signal, seed=seed, split=k), y, coins)
    return PlantedSplits(**splits)


def write_coins(coins: Mapping[str, Tensor], width: int, signal: float, *, seed: int, split: int) -> dict[str, Tensor]:
    r"""Write coins into vectors, from which a linear map reads them without error.

    .. math::
        x_m = s \sum_k (2 c_k - 1) \, d_{mk} + n_m

    The directions :math:`d_{mk}` of a modality are orthonormal, and :math:`n_m` is standard normal noise with its part
    along them taken out.

    Args:
        coins: (N, K) the coins :math:`c_k` that each modality shows, 0 or 1.
        width: coordinates D of a vector, at least K.
        signal: :math:`s`, how far a coin moves a vector.
        seed: of directions and noise, which have generators of their own.
        split: a number for each split; all of one seed share their directions and no noise.

    Returns:
        (N, D) vectors by modality.

    Example:
        >>> write_coins({"x1": torch.zeros(5, 3)}, 8, 2.0, seed=0, split=0)["x1"].shape
        torch.Size([5, 8])
    """
    draw, noise, x = stream(seed, _DIRECTIONS), stream(seed, _NOISE, split), {}
    for name, shown in coins.items():
        d = torch.linalg.qr(torch.randn(width, shown.shape[1], generator=draw)).Q  # (D, K), orthonormal columns
        rest = torch.randn(len(shown), width, generator=noise)
        x[name] = signal * (2.0 * shown - 1) @ d.T + rest - rest @ d @ d.T  # what means nothing hides no coin
    return x
