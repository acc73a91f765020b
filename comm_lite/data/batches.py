r"""Rows that can be trained on, their batches, and a generator for each purpose.

A sample is ``(x, y)``: inputs by modality name and labels by task; a modality that is missing is an absent key.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from comm_lite import _check

Batch = tuple[dict[str, Tensor], dict[str, Tensor]]


def stream(seed: int, *purpose: int, device: torch.device | str = "cpu") -> torch.Generator:
    r"""Return the generator of one purpose, so that what it draws depends on no other purpose and on no other seed.

    Args:
        seed: a whole number of at least 0, of any size.
        purpose: whole numbers of at least 0 that name the purpose, such as a number for each split.
        device: where the generator draws.

    Returns:
        The generator, at its start.

    Raises:
        TypeError: if a number is not an integer.
        ValueError: if one is negative.

    Example:
        >>> stream(0, 1).initial_seed() == stream(1, 0).initial_seed()
        False

    Source: the spread of seeds is that of `numpy.random.SeedSequence`.
    """
    for name, number in (("seed", seed), *(("purpose", p) for p in purpose)):
        _check.whole(name, number, least=0)
    (key,) = np.random.SeedSequence(seed, spawn_key=purpose).generate_state(1)  # a CPU generator takes 32 bits
    return torch.Generator(device).manual_seed(int(key))


class Rows(ABC):
    r"""What can be cut into batches: it knows how many rows it has, and gives any of them as ``(x, y)``."""

    @abstractmethod
    def __len__(self) -> int:
        r"""Return the number of rows."""

    @abstractmethod
    def batch(self, rows: Tensor | slice) -> Batch:
        r"""Return the samples in ``rows`` as ``(x, y)``."""

    def batches(self, batch_size: int, *, generator: torch.Generator | None = None) -> Batches:
        r"""Cut the rows into batches.

        Args:
            batch_size: rows in a batch, at least 1.
            generator: with one, each pass shuffles anew and drops a last batch that is not full, as training wants;
                without, the order is fixed and every row comes once, as evaluation wants.

        Returns:
            An iterable of ``(x, y)`` that can be passed over as often as wanted.
        """
        return Batches(self, batch_size, generator)


@dataclass(frozen=True)
class Table(Rows):
    r"""Samples in memory, one row of each tensor a sample.

    Example:
        >>> data = Table({"x1": torch.eye(4)}, {"even": torch.tensor([1, 0, 1, 0])})
        >>> x, y = next(iter(data.batches(2)))
        >>> x["x1"].shape, y["even"]
        (torch.Size([2, 4]), tensor([1, 0]))
    """

    x: dict[str, Tensor]
    r"""(N, ...) inputs by modality name; a mask of tokens is named after its modality, ``text_mask``."""
    y: dict[str, Tensor]
    r"""(N,) labels by task."""

    def __post_init__(self) -> None:
        _check.by_modality("x", self.x)
        for kind, of in (("x", self.x), ("y", self.y)):
            for name, value in of.items():
                _check.rows(f"{kind}[{name!r}]", value, len(self))

    def __len__(self) -> int:
        return len(next(iter(self.x.values())))

    def batch(self, rows: Tensor | slice) -> Batch:
        r"""Return the samples in ``rows`` as ``(x, y)``: inputs by modality name, labels by task."""
        return {name: v[rows] for name, v in self.x.items()}, {task: label[rows] for task, label in self.y.items()}


@dataclass(frozen=True)
class Captioned(Rows):
    r"""Images, each with a text and labels."""

    images: Tensor
    r"""(N, 3, H, W) uint8."""
    captions: list[str]
    r"""N texts."""
    ids: Tensor
    r"""(N, L) the texts in tokens."""
    mask: Tensor
    r"""(N, L) booleans, True at real tokens."""
    y: dict[str, Tensor]
    r"""(N,) labels by name."""

    def __len__(self) -> int:
        return len(self.captions)

    def batch(self, rows: Tensor | slice) -> Batch:
        r"""Return one batch ``(x, y)``: ``image`` as float32 in [0, 1], ``text`` and ``text_mask``, and the labels."""
        x = {"image": self.images[rows] / 255, "text": self.ids[rows], "text_mask": self.mask[rows]}
        return x, {name: label[rows] for name, label in self.y.items()}


@dataclass(frozen=True)
class Batches:
    r"""Batches of rows; each pass over it is one epoch."""

    rows: Rows
    r"""What is cut into batches."""
    batch_size: int
    r"""Rows in a batch, at least 1."""
    generator: torch.Generator | None = None
    r"""Source of the order of each pass; None keeps the order and the last, smaller batch."""

    def __post_init__(self) -> None:
        _check.whole("batch_size", self.batch_size)
        if self.generator is not None and self.batch_size > len(self.rows):
            raise ValueError(
                f"batch_size must be at most the number of rows, {len(self.rows)}, got {self.batch_size}; "
                f"an epoch would have no full batch"
            )

    def __len__(self) -> int:
        full = len(self.rows) / self.batch_size
        return math.ceil(full) if self.generator is None else math.floor(full)

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is None:
            order = torch.arange(len(self.rows))
        else:
            order = torch.randperm(len(self.rows), generator=self.generator, device=self.generator.device).cpu()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield self.rows.batch(order[start : start + self.batch_size])
