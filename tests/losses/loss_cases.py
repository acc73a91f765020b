"""Each loss once more, written differently: plain loops over scalars, exp before sum, as on paper.

A case tells how to call the package and the loops with the same list of ``(N, D)`` tensors, and what must hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations

import torch
from torch import Tensor

from comm_lite import losses


def loop_cosine(u: Tensor, v: Tensor) -> Tensor:
    dot = uu = vv = 0.0
    for d in range(len(u)):
        dot, uu, vv = dot + u[d] * v[d], uu + u[d] ** 2, vv + v[d] ** 2
    return dot / (uu**0.5 * vv**0.5)


def loop_info_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    total = 0.0
    for i in range(len(query)):
        below = 0.0
        for j in range(len(key)):
            below = below + torch.exp(loop_cosine(query[i], key[j]) / temperature)
        total = total - torch.log(torch.exp(loop_cosine(query[i], key[i]) / temperature) / below)
    return total / len(query)


def loop_nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    total, n = 0.0, len(z1)
    for view, other in ((z1, z2), (z2, z1)):
        for i in range(n):
            above = torch.exp(loop_cosine(view[i], other[i]) / temperature)
            below = above
            for j in range(n):
                if j != i:
                    below = below + torch.exp(loop_cosine(view[i], view[j]) / temperature)
                    below = below + torch.exp(loop_cosine(view[i], other[j]) / temperature)
            total = total - torch.log(above / below)
    return total / (2 * n)


def loop_clip(image: Tensor, text: Tensor, temperature: float) -> Tensor:
    return (loop_info_nce(image, text, temperature) + loop_info_nce(text, image, temperature)) / 2


def loop_cmc(*tensors: Tensor, temperature: float) -> Tensor:
    total, pairs = 0.0, 0
    for a in range(len(tensors)):
        for b in range(len(tensors)):
            if a != b:  # every pair twice: the mean is the same
                total, pairs = total + loop_nt_xent(tensors[a], tensors[b], temperature), pairs + 1
    return total / pairs


def loop_binding(anchor: Tensor, *others: Tensor, temperature: float) -> Tensor:
    total = 0.0
    for other in others:
        total = total + loop_nt_xent(other, anchor, temperature)
    return total


def loop_cross_self(first: Tensor, second: Tensor, first_views: Tensor, second_views: Tensor, t: float) -> Tensor:
    return loop_nt_xent(second, first, t) + loop_nt_xent(first_views, first, t) + loop_nt_xent(second_views, second, t)


def loop_comm(views: list[list[Tensor]], temperature: float) -> Tensor:
    """``views[v]`` holds the fused embeddings of view ``v``, then those of each modality alone."""
    total = loop_nt_xent(views[0][0], views[1][0], temperature)
    for modality in range(1, len(views[0])):
        for v in (0, 1):
            total = total + loop_nt_xent(views[v][modality], views[1 - v][0], temperature) / 2
    return total


@dataclass(frozen=True)
class LossCase:
    name: str
    tensors: int
    ours: Callable[[list[Tensor], float], Tensor]
    loops: Callable[[list[Tensor], float], Tensor]
    weight: int  # how many contrastive terms the loss sums
    candidates: Callable[[int], int]  # of one anchor, its positive included, by batch size
    same: list[tuple[int, ...]] = field(default_factory=list)  # orders of the tensors that change nothing
    other: list[tuple[int, ...]] = field(default_factory=list)  # orders that do change the value

    def guessing(self, n: int) -> float:
        return self.weight * math.log(self.candidates(n))

    def __str__(self) -> str:
        return self.name


def _comm_dicts(z: list[Tensor], names: str) -> tuple:
    m = len(names)
    return z[0], z[1], dict(zip(names, z[2 : 2 + m], strict=True)), dict(zip(names, z[2 + m :], strict=True))


def _comm(names: str) -> LossCase:
    m = len(names)
    one, two = tuple(range(2, 2 + m)), tuple(range(2 + m, 2 + 2 * m))
    return LossCase(
        f"comm_loss, {m} modalities",
        2 + 2 * m,
        lambda z, t: losses.comm_loss(*_comm_dicts(z, names), temperature=t),
        lambda z, t: loop_comm([[z[0], *z[2 : 2 + m]], [z[1], *z[2 + m :]]], t),
        weight=m + 1,
        candidates=lambda n: 2 * n - 1,
        # The views, and the modalities turned round in both views. Then: the views of the modalities alone.
        same=[(1, 0, *two, *one), (0, 1, *one[::-1], *two[::-1])],
        other=[(0, 1, *two, *one)],
    )


CASES = [
    LossCase(
        "info_nce",
        2,
        lambda z, t: losses.info_nce(*z, temperature=t),
        lambda z, t: loop_info_nce(*z, t),
        weight=1,
        candidates=lambda n: n,
        other=[(1, 0)],
    ),
    LossCase(
        "nt_xent",
        2,
        lambda z, t: losses.nt_xent(*z, temperature=t),
        lambda z, t: loop_nt_xent(*z, t),
        weight=1,
        candidates=lambda n: 2 * n - 1,
        same=[(1, 0)],
    ),
    LossCase(
        "clip_loss",
        2,
        lambda z, t: losses.clip_loss(*z, logit_scale=1 / t),
        lambda z, t: loop_clip(*z, t),
        weight=1,
        candidates=lambda n: n,
        same=[(1, 0)],
    ),
    *(
        LossCase(
            f"cmc_loss, {len(names)} modalities",
            len(names),
            lambda z, t, names=names: losses.cmc_loss(dict(zip(names, z, strict=True)), temperature=t),
            lambda z, t: loop_cmc(*z, temperature=t),
            weight=1,
            candidates=lambda n: 2 * n - 1,
            same=list(permutations(range(len(names)))),
        )
        for names in ("ab", "abc")
    ),
    LossCase(
        "binding_loss, 3 modalities",
        3,
        lambda z, t: losses.binding_loss(dict(zip("abc", z, strict=True)), anchor="a", temperature=t),
        lambda z, t: loop_binding(*z, temperature=t),
        weight=2,
        candidates=lambda n: 2 * n - 1,
        same=[(0, 2, 1)],
        other=[(1, 0, 2)],  # another anchor
    ),
    LossCase(
        "cross_self_loss",
        4,
        lambda z, t: losses.cross_self_loss(*z, temperature=t),
        lambda z, t: loop_cross_self(*z, t),
        weight=3,
        candidates=lambda n: 2 * n - 1,
        same=[(1, 0, 3, 2)],
        other=[(2, 1, 0, 3), (0, 1, 3, 2)],
    ),
    _comm("a"),
    _comm("ab"),
    _comm("abc"),
]


def draw(case: LossCase, n: int = 5, width: int = 4, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> list:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, width, generator=generator, dtype=torch.float64).to(dtype) for _ in range(case.tensors)]
