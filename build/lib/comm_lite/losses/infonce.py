r"""InfoNCE in its two common shapes: one direction, and two views of a batch with each other (NT-Xent).

Shapes: ``N`` pairs in the batch, ``D`` width of an embedding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check


def cosine(a: Tensor, b: Tensor) -> Tensor:
    r"""Cosine similarity of every row of ``a`` with every row of ``b``, in at least float32; see :eq:`eq-cosine`.

    .. math::
        \cos(a_i, b_j) = \frac{\sum_d a_{id}\, b_{jd}}{\sqrt{\sum_d a_{id}^2} \sqrt{\sum_d b_{jd}^2}}

    Mixed precision is switched off inside: bfloat16 keeps 8 bits, so at temperature 0.1 a logit near 10 would be off
    by up to 0.03. float64 stays float64.

    Args:
        a: Embeddings, shape ``(A, D)``, of any length above zero.
        b: Embeddings, shape ``(B, D)``.

    Returns:
        Similarities in [-1, 1], shape ``(A, B)``; 0 with a row of zeros.

    Raises:
        TypeError: If an argument is not a tensor.
        ValueError: If an argument does not have two axes.

    Example:
        >>> cosine(torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0], [-1.0, 0.0]]))
        tensor([[ 1.,  0., -1.]])
    """
    _check.shape("a", a, "A D")
    _check.shape("b", b, "B D")
    unit_a, unit_b = (F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1) for z in (a, b))
    with torch.autocast(a.device.type, enabled=False):
        return unit_a @ unit_b.T  # (eq-cosine)


def info_nce(query: Tensor, key: Tensor, *, temperature: float | Tensor) -> Tensor:
    r"""Mean cross-entropy of picking, for each query, its own key among all keys; see :eq:`eq-info-nce`.

    .. math::
        \mathcal{L}_{\mathrm{InfoNCE}} = -\frac{1}{N} \sum_{i=1}^{N}
        \log \frac{\exp(\cos(q_i, k_i) / \tau)}{\sum_{j=1}^{N} \exp(\cos(q_i, k_j) / \tau)}

    Here :math:`q` is ``query``, :math:`k` is ``key`` and :math:`\tau` is ``temperature``. Guessing costs
    :math:`\log N`, a perfect match costs 0, and :math:`\log N` minus the loss is a lower bound on the mutual
    information of the two. One direction only: exchanging the arguments changes the value.

    Args:
        query: Embeddings, shape ``(N, D)``, ``N >= 2``; normalised inside.
        key: Embeddings, shape ``(N, D)``; row ``i`` is the positive of query ``i``, all other rows are its negatives.
        temperature: Above zero; a float, or a scalar tensor when it is learnt.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If an argument is not a floating-point tensor or the temperature is not a number.
        ValueError: If shapes differ, the batch holds one pair, a number is not finite, a row is all zero, or the
            temperature is not above zero.

    Example:
        >>> z = torch.eye(4)
        >>> round(info_nce(z, z, temperature=0.1).item(), 6)  # log(1 + 3 exp(-10))
        0.000136

    Source:
        van den Oord, Li and Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018, Eq. 4.
        Differs from it in the score: cosine over temperature in place of a learnt bilinear form.
    """
    _check.embeddings(query=query, key=key)
    _check.positive("temperature", temperature)
    logits = cosine(query, key) / temperature  # (N, N)
    own = torch.arange(len(query), device=query.device)
    return F.cross_entropy(logits, own)  # (eq-info-nce)


def nt_xent(z1: Tensor, z2: Tensor, *, temperature: float | Tensor = 0.1) -> Tensor:
    r"""Normalised, temperature-scaled cross-entropy between two views; see :eq:`eq-nt-xent`.

    .. math::
        \mathcal{L}_{\mathrm{NT\text{-}Xent}}(z', z'') = -\frac{1}{2N} \sum_{i=1}^{2N}
        \log \frac{\exp(\cos(z_i, z_{p(i)}) / \tau)}{\sum_{j \neq i} \exp(\cos(z_i, z_j) / \tau)},
        \qquad z = [z'; z''], \quad p(i) = (i + N) \bmod 2N

    Here :math:`z'` is ``z1``, :math:`z''` is ``z2`` and :math:`\tau` is ``temperature``. Every row of both views is an
    anchor with :math:`2N - 1` candidates: its partner and, as negatives, the other samples in either view; the
    similarity with itself is left out. Guessing, or collapse to one point, costs :math:`\log(2N - 1)`. The two views
    may be exchanged.

    Args:
        z1: Embeddings of the first view, shape ``(N, D)``, ``N >= 2``; normalised inside.
        z2: Embeddings of the second view, shape ``(N, D)``; row ``i`` of both is the same sample.
        temperature: Above zero; a float, or a scalar tensor when it is learnt.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If a view is not a floating-point tensor or the temperature is not a number.
        ValueError: If shapes differ, the batch holds one pair, a number is not finite, a row is all zero, or the
            temperature is not above zero.

    Example:
        >>> z = torch.ones(8, 4)  # collapse: all candidates look alike
        >>> round(nt_xent(z, z).exp().item(), 3)
        15.0

    Source:
        Chen, Kornblith, Norouzi and Hinton, "A Simple Framework for Contrastive Learning of Visual Representations",
        2020, Eq. 1.
    """
    _check.embeddings(z1=z1, z2=z2)
    _check.positive("temperature", temperature)
    z = torch.cat([z1, z2])  # (2N, D)
    logits = cosine(z, z) / temperature  # (2N, 2N)
    logits = logits.fill_diagonal_(float("-inf"))  # nobody is their own candidate
    partner = torch.arange(len(z), device=z.device).roll(len(z1))
    return F.cross_entropy(logits, partner)  # (eq-nt-xent)
