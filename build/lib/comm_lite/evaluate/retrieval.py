r"""Retrieval: does a query find, among many candidates, the one that belongs to it?

Shapes: ``Q`` queries, ``N`` candidates, ``D`` width of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import cosine


@dataclass(frozen=True)
class Retrieval:
    r"""What retrieval found in one direction; fractions, not per cent.

    Example:
        >>> print(Retrieval({1: 0.5, 5: 0.75}, {1: 0.01, 5: 0.05}, median_rank=1.5, queries=40, candidates=100))
        R@1 0.500 (chance 0.010), R@5 0.750 (chance 0.050), median rank 1.5 of 100
    """

    recall: dict[int, float]
    r"""For each K, the fraction of queries with something of theirs among the first K: 0 under collapse, 1 perfect."""
    chance: dict[int, float]
    r"""What a random order would reach, for each K; it grows where several candidates belong to a query."""
    median_rank: float
    r"""Median over queries of the place of their first own candidate, 1 perfect; the last place under collapse."""
    queries: int
    r"""Number of queries Q."""
    candidates: int
    r"""Number of candidates N; figures from different N cannot be compared."""

    def __str__(self) -> str:
        parts = [f"R@{k} {self.recall[k]:.3f} (chance {self.chance[k]:.3f})" for k in self.recall]
        return f"{', '.join(parts)}, median rank {self.median_rank:g} of {self.candidates}"


def retrieval(
    queries: Tensor,
    keys: Tensor,
    *,
    query_items: Tensor | None = None,
    key_items: Tensor | None = None,
    ks: Sequence[int] = (1, 5, 10),
) -> Retrieval:
    r"""Recall at K and median rank of retrieval by cosine similarity, in one direction; see :eq:`eq-recall-at-k`.

    .. math::
        \mathrm{R@}K = \frac{1}{Q} \sum_{q=1}^{Q} \mathbb{1}[r_q \le K], \qquad
        r_q = 1 + \left| \left\{ n \notin P_q : \cos(u_q, v_n) \ge \max_{p \in P_q} \cos(u_q, v_p) \right\} \right|

    Here :math:`u` is ``queries``, :math:`v` is ``keys`` and :math:`P_q` are the keys that belong to query :math:`q`.
    A random order reaches ``chance``, :math:`K / N` where one key belongs to a query; 1 is perfect. A tie counts
    against the query, so a model collapsed to one point gets 0 and not 1. Exchange the arguments for the other
    direction: with five captions an image, image to text is the easier one, and has the higher chance.

    Args:
        queries: Embeddings, shape ``(Q, D)``, of any length above zero.
        keys: The candidates' embeddings, shape ``(N, D)``.
        query_items: What each query shows, integers of shape ``(Q,)``; equal numbers on both sides belong together.
            By default row i belongs to row i alone.
        key_items: The same for the candidates, shape ``(N,)``; given together with ``query_items`` or not at all.
        ks: Places K to look at, each at least 1.

    Returns:
        The scores, as fractions in [0, 1], with their chance levels.

    Raises:
        TypeError: If embeddings are not floating-point tensors, or items not integer tensors.
        ValueError: If widths differ, a number is not finite, a row is all zero, rows and items do not fit, or nothing
            belongs to a query.

    Example:
        >>> images, captions = torch.eye(3), torch.eye(3).repeat_interleave(2, dim=0)  # two captions an image
        >>> image, caption_of = torch.arange(3), torch.arange(3).repeat_interleave(2)
        >>> print(retrieval(images, captions, query_items=image, key_items=caption_of, ks=[1, 2]))
        R@1 1.000 (chance 0.333), R@2 1.000 (chance 0.600), median rank 1 of 6

    Source:
        Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", 2013. Differs from common code,
        which sorts and lets the order of equal candidates decide.
    """
    for k in ks:
        _check.whole("ks", k)
    ranks, owned = _ranks(queries, keys, query_items, key_items)
    n = len(keys)
    chances = {count: rows for count, rows in zip(*owned.unique(return_counts=True), strict=True)}
    return Retrieval(
        recall={k: (ranks <= k).double().mean().item() for k in ks},  # (eq-recall-at-k)
        chance={k: sum(int(rows) * _chance(n, int(own), k) for own, rows in chances.items()) / len(ranks) for k in ks},
        median_rank=ranks.double().quantile(0.5).item(),
        queries=len(ranks),
        candidates=n,
    )


def retrieval_ranks(
    queries: Tensor, keys: Tensor, *, query_items: Tensor | None = None, key_items: Tensor | None = None
) -> Tensor:
    r"""Place of the first own candidate of every query, which is what :func:`retrieval` counts.

    Args:
        queries: Embeddings, shape ``(Q, D)``.
        keys: The candidates' embeddings, shape ``(N, D)``.
        query_items: As in :func:`retrieval`.
        key_items: As in :func:`retrieval`.

    Returns:
        Ranks from 1, perfect, to ``N``, shape ``(Q,)``, on the CPU; around :math:`(N + 1) / 2` by chance. Every rank
        is the worst possible where all embeddings are one point.

    Raises:
        TypeError: As in :func:`retrieval`.
        ValueError: As in :func:`retrieval`.

    Example:
        >>> retrieval_ranks(torch.tensor([[1.0, 0.0], [1.0, 0.1]]), torch.eye(2)).tolist()
        [1, 2]
    """
    return _ranks(queries, keys, query_items, key_items)[0]


def _ranks(
    queries: Tensor, keys: Tensor, query_items: Tensor | None, key_items: Tensor | None
) -> tuple[Tensor, Tensor]:
    r"""Rank of every query, and the number of keys that belong to it; (Q,) each."""
    _check.embeddings(least=1, queries=queries)
    _check.embeddings(least=1, keys=keys)
    if queries.shape[1] != keys.shape[1]:
        raise ValueError(
            f"keys must have the width of queries, wanted {queries.shape[1]}, got {keys.shape[1]}; "
            f"take both from one shared space, after the projection"
        )
    if (query_items is None) != (key_items is None):
        raise ValueError("query_items and key_items must come together, got one of them; pass both or neither")
    if query_items is None:
        _check.rows("keys", keys, len(queries))
        query_items = key_items = torch.arange(len(queries))
    for name, items, rows in (("query_items", query_items, queries), ("key_items", key_items, keys)):
        _check.shape(name, items, "N")
        _check.integers(name, items)
        _check.rows(name, items, len(rows))
    queries, keys = queries.detach().cpu().double(), keys.detach().cpu().double()
    query_items, key_items = query_items.cpu(), key_items.cpu()
    ranks, owned = [], []
    for rows, items in zip(queries.split(1024), query_items.split(1024), strict=True):  # 10 000 candidates: 80 MB
        similarity = cosine(rows, keys)  # (at most 1024, N)
        own = items[:, None] == key_items
        best = similarity.masked_fill(~own, -2.0).amax(1, keepdim=True)
        # a hair below: equal embeddings may differ in the last of 16 digits, and would then not be a tie
        ahead = (similarity >= best - 1e-9) & ~own
        ranks.append(1 + ahead.sum(1))
        owned.append(own.sum(1))
    ranks, owned = torch.cat(ranks), torch.cat(owned)
    if not owned.all():
        lost = query_items[owned == 0]
        raise ValueError(
            f"key_items must hold the item of every query, got none for {len(lost)} queries, such as item "
            f"{int(lost[0])}; add these candidates or drop the queries"
        )
    return ranks, owned


def _chance(candidates: int, own: int, k: int) -> float:
    r"""Chance that a random order has one of ``own`` among its first ``k``."""
    return 1 - comb(candidates - own, k) / comb(candidates, k) if k < candidates else 1.0
