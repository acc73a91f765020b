r"""Random views of a batch of vectors, such as the features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from comm_lite import _check


@dataclass(frozen=True)
class VectorAugment:
    r"""A random view of vectors: noise on every coordinate, then some coordinates set to 0.

    Example:
        >>> view = VectorAugment(noise=1.0, drop_chance=0.5)
        >>> x = {"x1": torch.ones(2, 1000)}
        >>> v = view(x, generator=torch.Generator().manual_seed(0))["x1"]
        >>> v.shape, round((v == 0).float().mean().item(), 1)
        (torch.Size([2, 1000]), 0.5)

    Source: the augmentations "noise" and "drop" of Dufumier et al. (ICLR 2025). Differs from their code: both always
    act, and coordinates rather than steps of a sequence are dropped.
    """

    noise: float = 2.0
    r"""Deviation of the noise, at least 0."""
    drop_chance: float = 0.2
    r"""Chance of a coordinate to be set to 0, in [0, 0.95]."""

    def __post_init__(self) -> None:
        _check.between("noise", self.noise, 0.0, float("inf"))
        _check.between("drop_chance", self.drop_chance, 0.0, 0.95)

    def __call__(self, x: Mapping[str, Tensor], *, generator: torch.Generator) -> dict[str, Tensor]:
        r"""Return a new view.

        Args:
            x: (B, D) vectors by modality name; each gets a draw of its own.
            generator: source of the draws, on the device of the vectors.

        Returns:
            Vectors of the same shapes and names.

        Raises:
            TypeError: if ``x`` is not a dictionary of tensors.
            ValueError: if it is empty, or a tensor does not have two axes.
        """
        _check.by_modality("x", x)
        views = {}
        for name, vector in x.items():
            _check.shape(f"x[{name!r}]", vector, "B D")
            noise = torch.randn(vector.shape, generator=generator, device=vector.device, dtype=vector.dtype)
            kept = torch.rand(vector.shape, generator=generator, device=vector.device) >= self.drop_chance
            views[name] = (vector + self.noise * noise) * kept
        return views
