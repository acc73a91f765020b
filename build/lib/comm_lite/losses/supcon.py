r"""SupCon: the contrastive loss that is told the labels."""

from __future__ import annotations

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import cosine


def supcon_loss(z: Tensor, labels: Tensor, *, temperature: float | Tensor = 0.1) -> Tensor:
    r"""Cross-entropy of picking, among all other samples, those with the same label; see :eq:`eq-supcon`.

    .. math::
        \mathcal{L}_{\mathrm{SupCon}} = -\frac{1}{|A|} \sum_{i \in A} \frac{1}{|P(i)|} \sum_{p \in P(i)}
        \log \frac{\exp(\cos(z_i, z_p) / \tau)}{\sum_{j \neq i} \exp(\cos(z_i, z_j) / \tau)}

    Here :math:`P(i)` are the other rows with the label of row :math:`i`, and :math:`A` the rows that have one. With the
    number of the sample as its label, and two views stacked, this is ``nt_xent``. Guessing, or collapse to one point,
    costs :math:`\log(N - 1)`; the order of the rows does not matter.

    Args:
        z: Embeddings, all views stacked, shape ``(N, D)``, ``N >= 2``; normalised inside.
        labels: Integers, shape ``(N,)``.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If ``z`` is not a floating-point tensor, ``labels`` not an integer tensor, or the temperature is not
            a number.
        ValueError: If shapes do not fit, no label comes twice, a number is not finite, a row is all zero, or the
            temperature is not above zero.

    Example:
        >>> z = torch.ones(8, 4)
        >>> round(supcon_loss(z, torch.tensor([0, 1] * 4)).exp().item(), 3)  # 7 candidates, all alike
        7.0

    Source:
        Khosla et al., "Supervised Contrastive Learning", 2020, Eq. 2 (the form with the sum outside the logarithm).
        Differs from it where an anchor has no other row with its label: such a row is left out of the mean.
    """
    _check.embeddings(z=z)
    _check.shape("labels", labels, "N")
    _check.rows("labels", labels, len(z))
    _check.integers("labels", labels)
    _check.positive("temperature", temperature)
    myself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    alike = (labels[:, None] == labels[None, :]) & ~myself  # (N, N)
    positives = alike.sum(1)
    if not positives.any():
        raise ValueError(f"labels must hold one that comes twice, got {len(z)} different ones; use a larger batch")
    logits = (cosine(z, z) / temperature).masked_fill(myself, float("-inf"))
    log_p = logits.log_softmax(dim=1)
    chosen = log_p.masked_fill(~alike, 0.0).sum(1) / positives.clamp(min=1)
    return -chosen[positives > 0].mean()  # (eq-supcon)
