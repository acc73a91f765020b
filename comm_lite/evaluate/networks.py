r"""Two small networks that read features: one hidden layer, and products of two parts.

Shapes: ``N`` rows, ``D`` width of a feature, ``K`` classes, ``W`` hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTH, STEPS, BATCH, RATE, DECAY = 256, 1000, 256, 3e-3, 0.01
EVERY, PATIENCE, NOTHING_LEFT = 25, 12, 1e-3
r"""Steps between two looks at the held-out rows; looks without progress, and nats of loss, at which a fit stops."""


def read_by_network(
    train: Tensor,
    labels: Tensor,
    held: Tensor,
    held_labels: Tensor,
    others: Sequence[Tensor],
    *,
    split: int | None,
    dropout: float,
    generator: torch.Generator,
) -> tuple[float, list[Tensor]]:
    r"""Fit a small network with weighted classes, stop it where the held-out rows like it best, and read other rows.

    .. math::
        f(z) = W_2 \max(W_1 z + b_1, 0) + b_2
        \qquad \text{or} \qquad
        f(z) = W_2 \left( (U z_1) \odot (V z_2) \right) + W_0 z + b

    AdamW lowers the cross-entropy in which every class weighs alike, in up to 1 000 steps of 256 rows at a rate that
    falls along a cosine. Every 25 steps the held-out cross-entropy is looked at, with the frequencies of the classes
    put back; after 300 steps without progress the fit ends.

    Args:
        train: Standardised features, shape ``(N, D)``.
        labels: Classes ``0..K-1``, each of which occurs, shape ``(N,)``.
        held: Rows to stop by, shape ``(M, D)``.
        held_labels: Their classes.
        others: Rows to read, each with ``D`` columns.
        split: None takes the hidden layer; a number takes the products of the first ``split`` columns with the others.
        dropout: Share of the inputs that is zeroed in each step.
        generator: On the CPU; draws initial weights, batches and zeros.

    Returns:
        The least held-out cross-entropy, in nats, and there the logits of ``others``, each ``(M, K)``, of labels whose
        classes are equally frequent.

    Example:
        >>> sign = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]).repeat(50, 1)
        >>> same, g = (sign.prod(dim=1) > 0).long(), torch.Generator().manual_seed(0)
        >>> loss, (found,) = read_by_network(sign, same, sign, same, [sign], split=None, dropout=0.0, generator=g)
        >>> bool((found.argmax(dim=1) == same).all())
        True
    """
    counts = labels.bincount()
    prior = (counts / len(labels)).log()
    parameters, logits = _network(train.shape[1], len(counts), split, generator)
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=DECAY, betas=(0.9, 0.99))
    best, found, since = float("inf"), [], 0
    for step in range(1, STEPS + 1):
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, step / 50) * (1 + cos(pi * step / STEPS)) / 2
        rows = torch.randint(len(train), (min(BATCH, len(train)),), generator=generator)
        z = train[rows]
        if dropout:
            z = z * (torch.rand(z.shape, generator=generator) >= dropout) / (1 - dropout)
        loss = F.cross_entropy(logits(z), labels[rows], weight=len(labels) / (len(counts) * counts))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % EVERY == 0:
            with torch.no_grad():
                now = F.cross_entropy(logits(held) + prior, held_labels).item()
                if now < best:
                    best, since, found = now, 0, [logits(z) for z in others]
                else:
                    since += 1
            if since == PATIENCE or best < NOTHING_LEFT:
                break
    return best, found


def _network(
    width: int, classes: int, split: int | None, generator: torch.Generator
) -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
    def weights(ins: int, outs: int, size: float) -> Tensor:
        return (size / sqrt(ins) * torch.randn(ins, outs, generator=generator)).requires_grad_()

    last, bias = weights(WIDTH, classes, 0.1), torch.zeros(classes, requires_grad=True)
    if split is None:
        first, shift = weights(width, WIDTH, sqrt(2)), torch.zeros(WIDTH, requires_grad=True)
        return [first, shift, last, bias], lambda z: F.relu(z @ first + shift) @ last + bias
    one, two, plain = weights(split, WIDTH, 1.0), weights(width - split, WIDTH, 1.0), weights(width, classes, 0.1)
    return [
        one,
        two,
        last,
        bias,
        plain,
    ], lambda z: (z[:, :split] @ one * (z[:, split:] @ two)) @ last + z @ plain + bias
