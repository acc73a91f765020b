r"""Contrastive multiview coding: every pair of modalities is aligned."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import nt_xent


def cmc_terms(embeddings: Mapping[str, Tensor], *, temperature: float | Tensor = 0.1) -> dict[tuple[str, str], Tensor]:
    r"""One NT-Xent per pair of modalities; their mean is :func:`cmc_loss`.

    Args:
        embeddings: Two or more modalities by name, each of shape ``(N, D)``, ``N >= 2``; normalised inside.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        ``(first, second)`` -> scalar in nats, one for each of the :math:`M (M - 1) / 2` pairs, in the given order.

    Raises:
        TypeError: If ``embeddings`` is not a dictionary of floating-point tensors or the temperature is not a number.
        ValueError: If there is only one modality, shapes differ, the batch holds one sample, a number is not finite,
            a row is all zero, or the temperature is not above zero.

    Example:
        >>> import torch
        >>> list(cmc_terms({"image": torch.eye(2), "text": torch.eye(2), "audio": torch.eye(2)}))
        [('image', 'text'), ('image', 'audio'), ('text', 'audio')]

    Source:
        Tian, Krishnan and Isola, "Contrastive Multiview Coding", 2020, section 3.2 ("full graph").
    """
    _check.by_modality("embeddings", embeddings, least=2)
    _check.embeddings(**{f"embeddings[{name!r}]": z for name, z in embeddings.items()})
    _check.positive("temperature", temperature)
    return {
        (a, b): nt_xent(embeddings[a], embeddings[b], temperature=temperature) for a, b in combinations(embeddings, 2)
    }


def cmc_loss(embeddings: Mapping[str, Tensor], *, temperature: float | Tensor = 0.1) -> Tensor:
    r"""Mean of NT-Xent over all pairs of modalities; see :eq:`eq-cmc`.

    .. math::
        \mathcal{L}_{\mathrm{CMC}} = \frac{2}{M (M - 1)} \sum_{1 \le a < b \le M}
        \mathcal{L}_{\mathrm{NT\text{-}Xent}}(z_a, z_b)

    Here :math:`z_a` is ``embeddings[a]`` and :math:`M` the number of modalities. With two modalities this is
    ``nt_xent`` of the two. Guessing, or collapse to one point, costs :math:`\log(2N - 1)`. The order of the modalities
    does not matter.

    Args:
        embeddings: Two or more modalities by name, each of shape ``(N, D)``, ``N >= 2``; normalised inside.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If ``embeddings`` is not a dictionary of floating-point tensors or the temperature is not a number.
        ValueError: If there is only one modality, shapes differ, the batch holds one sample, a number is not finite,
            a row is all zero, or the temperature is not above zero.

    Example:
        >>> import torch
        >>> z = torch.ones(8, 4)
        >>> round(cmc_loss({"image": z, "text": z, "audio": z}).exp().item(), 3)  # 2 * 8 - 1 candidates, all alike
        15.0

    Source:
        Tian, Krishnan and Isola, "Contrastive Multiview Coding", 2020, section 3.2 ("full graph").
        Differs from it in three ways: a mean over pairs where the paper sums, so that the value can be compared between
        numbers of modalities; negatives come from the batch, not from a memory bank; and the negatives of an anchor
        include other samples of its own modality, as in the loss that CoMM is compared with.
    """
    terms = cmc_terms(embeddings, temperature=temperature)
    return sum(terms.values()) / len(terms)  # (eq-cmc)
