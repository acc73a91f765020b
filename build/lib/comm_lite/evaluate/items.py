r"""Rows that share items, such as pairs made of few images: held-out parts and the bootstrap respect the items.

Shapes: ``N`` rows, ``k`` parts of a row, ``R`` replicates.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from comm_lite import _check


def number_items(name: str, items: Tensor | None, *, rows: int) -> Tensor:
    r"""Number the items of all columns from 0 on; equal numbers mean the same item, in whichever column.

    Args:
        name: What the caller calls them; for the error texts.
        items: Integers of shape ``(N,)`` or ``(N, k)``; None makes each row an item of its own.
        rows: ``N``, at least 2.

    Returns:
        Integers from 0 without gaps, shape ``(N, k)``, on the CPU.

    Raises:
        TypeError: If ``items`` is not an integer tensor.
        ValueError: If there is not one entry for each row, or there are fewer than two distinct items.

    Example:
        >>> number_items("items", torch.tensor([[7, 9], [9, 30]]), rows=2).tolist()
        [[0, 1], [1, 2]]
    """
    if items is None:
        items = torch.arange(rows)
    _check.rows(name, items, rows)
    _check.integers(name, items)
    if items.ndim > 2:
        raise ValueError(
            f"{name} must have shape (N,) or (N, k), got {tuple(items.shape)}; give one column to each part"
        )
    distinct, numbered = items.cpu().reshape(rows, -1).unique(return_inverse=True)
    if len(distinct) < 2:
        raise ValueError(f"{name} must hold at least two distinct items, got {len(distinct)}; nothing can be resampled")
    return numbered


def hold_out(labels: Tensor, items: Tensor | None, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    r"""Split rows into a held-out part and the rest, with no item on both sides.

    A row is held out if all its parts are, and kept if none is; a row with parts on both sides is in neither. A quarter
    of the items is held out for rows of one part, and a third for rows of more, of which fewer stay whole.

    Args:
        labels: Class of each row, shape ``(N,)``, integers; at least two rows of each class.
        items: Integers from 0 without gaps, shape ``(N, k)``, as ``number_items`` gives them. None draws a quarter of
            the rows of each class.
        generator: On the CPU.

    Returns:
        Held-out rows and kept rows, two boolean masks of shape ``(N,)``.

    Raises:
        TypeError: If labels or items are not integer tensors.
        ValueError: If a class has one row, or is missing on one side.

    Example:
        >>> labels = torch.arange(40) % 2
        >>> held, kept = hold_out(labels, None, generator=torch.Generator().manual_seed(0))
        >>> labels[held].bincount().tolist(), labels[kept].bincount().tolist()
        ([5, 5], [15, 15])
    """
    _check.shape("labels", labels, "N")
    _check.integers("labels", labels)
    classes, labels = labels.unique(return_inverse=True)
    counts = labels.bincount()
    if counts.min() < 2:
        raise ValueError(
            f"labels must hold at least two rows of each class, got one of {classes[counts < 2].tolist()}; "
            f"one part is held out to choose C, so add rows or pass a single value in Cs"
        )
    if items is None:
        held = torch.zeros(len(labels), dtype=torch.bool)
        for k, count in enumerate(counts.tolist()):
            rows = (labels == k).nonzero().squeeze(1)
            held[rows[torch.randperm(count, generator=generator)[: max(1, count // 4)]]] = True
        return held, ~held
    _check.shape("items", items, "N k")
    _check.rows("items", items, len(labels))
    _check.integers("items", items)
    n_items = int(items.max()) + 1
    share = 4 if items.shape[1] == 1 else 3
    drawn = torch.zeros(n_items, dtype=torch.bool)
    drawn[torch.randperm(n_items, generator=generator)[: n_items // share]] = True
    held, kept = drawn[items].all(dim=1), ~drawn[items].any(dim=1)
    for side, rows in (("held-out", held), ("kept", kept)):
        missing = classes[labels[rows].bincount(minlength=len(classes)) == 0].tolist()
        if missing:
            raise ValueError(
                f"items must leave every class on both sides of the split, got no {side} row of {missing}; "
                f"add items or pass a single value in Cs"
            )
    return held, kept


def item_weights(items: Tensor, *, replicates: int, generator: torch.Generator) -> Iterator[Tensor]:
    r"""How often each row counts in each bootstrap replicate, when items and not rows are resampled.

    .. math::
        w_{rn} = \prod_{c=1}^{k} m^{(c)}_{r, i_c(n)}, \qquad
        m^{(c)}_r \sim \mathrm{Multinomial}\left(I_c; \tfrac{1}{I_c}, \dots, \tfrac{1}{I_c}\right)

    Here :math:`i_c(n)` is the item in column :math:`c` of row :math:`n` and :math:`I_c` the number of distinct items of
    that column. With one column of distinct items this is the ordinary bootstrap; with several, the pigeonhole
    bootstrap, which is right, or a little too wide, where rows share items in both columns.

    Args:
        items: Integers, shape ``(N, k)``.
        replicates: Number ``R`` of replicates.
        generator: On the CPU.

    Yields:
        Weights of a part of the replicates, shape ``(at most R, N)``, whole numbers in float32; together ``R`` rows, at
        most 40 MB at a time.

    Raises:
        TypeError: If ``items`` is not an integer tensor.
        ValueError: If ``items`` does not have two axes, or ``replicates`` is below one.

    Example:
        >>> (weights,) = item_weights(torch.tensor([[0], [0], [1]]), replicates=500, generator=torch.Generator())
        >>> weights.shape, bool((weights[:, 0] == weights[:, 1]).all()), weights[:, ::2].sum(dim=1).unique().item()
        (torch.Size([500, 3]), True, 2.0)

    Source:
        Owen, "The pigeonhole bootstrap", Annals of Applied Statistics, 2007.
    """
    _check.shape("items", items, "N k")
    _check.integers("items", items)
    _check.whole("replicates", replicates)
    columns = [column.unique(return_inverse=True)[1] for column in items.T]
    chunk = max(1, 10_000_000 // len(items))
    for start in range(0, replicates, chunk):
        n = min(chunk, replicates - start)
        weights = torch.ones(n, len(items))
        for column in columns:
            n_items = int(column.max()) + 1
            drawn = torch.randint(n_items, (n, n_items), generator=generator)
            times = torch.zeros(n, n_items).scatter_add_(1, drawn, torch.ones(n, n_items))
            weights *= times.index_select(1, column)
        yield weights
