r"""Binding: one anchor modality is aligned with each of the others, as in ImageBind."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import nt_xent


def binding_terms(
    embeddings: Mapping[str, Tensor], *, anchor: str, temperature: float | Tensor = 0.1
) -> dict[str, Tensor]:
    r"""One NT-Xent between the anchor and each other modality; their sum is :func:`binding_loss`.

    Args:
        embeddings: Two or more modalities by name, each of shape ``(N, D)``, ``N >= 2``; normalised inside.
        anchor: The modality that all others are aligned with, a key of ``embeddings``.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        Scalar in nats by the name of the other modality, :math:`M - 1` of them in the given order.

    Raises:
        TypeError: If ``embeddings`` is not a dictionary of floating-point tensors or the temperature is not a number.
        ValueError: If there is only one modality, the anchor is none of them, shapes differ, the batch holds one
            sample, a number is not finite, a row is all zero, or the temperature is not above zero.

    Example:
        >>> import torch
        >>> list(binding_terms({"image": torch.eye(2), "text": torch.eye(2), "audio": torch.eye(2)}, anchor="image"))
        ['text', 'audio']

    Source:
        Girdhar et al., "ImageBind: One Embedding Space To Bind Them All", 2023, Eq. 1.
    """
    _check.by_modality("embeddings", embeddings, least=2)
    _check.one_of("anchor", anchor, embeddings)
    _check.embeddings(**{f"embeddings[{name!r}]": z for name, z in embeddings.items()})
    _check.positive("temperature", temperature)
    return {
        name: nt_xent(embeddings[anchor], z, temperature=temperature)
        for name, z in embeddings.items()
        if name != anchor
    }


def binding_loss(embeddings: Mapping[str, Tensor], *, anchor: str, temperature: float | Tensor = 0.1) -> Tensor:
    r"""Sum of NT-Xent between the anchor and each other modality; see :eq:`eq-binding`.

    .. math::
        \mathcal{L}_{\mathrm{bind}} = \sum_{i \neq a} \mathcal{L}_{\mathrm{NT\text{-}Xent}}(z_a, z_i)

    Here :math:`z_i` is ``embeddings[i]`` and :math:`a` is ``anchor``. The others are never compared with each other:
    what they share with each other but not with the anchor earns nothing. With two modalities this is ``nt_xent`` of
    the two, whichever is the anchor. Guessing, or collapse to one point, costs :math:`(M - 1) \log(2N - 1)`. The order
    of the modalities does not matter.

    Args:
        embeddings: Two or more modalities by name, each of shape ``(N, D)``, ``N >= 2``; normalised inside.
        anchor: The modality that all others are aligned with, a key of ``embeddings``.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If ``embeddings`` is not a dictionary of floating-point tensors or the temperature is not a number.
        ValueError: If there is only one modality, the anchor is none of them, shapes differ, the batch holds one
            sample, a number is not finite, a row is all zero, or the temperature is not above zero.

    Example:
        >>> import torch
        >>> z = torch.ones(8, 4)
        >>> loss = binding_loss({"image": z, "text": z, "audio": z}, anchor="image")
        >>> round((loss / 2).exp().item(), 3)  # two terms, each with 2 * 8 - 1 candidates, all alike
        15.0

    Source:
        Girdhar et al., "ImageBind: One Embedding Space To Bind Them All", 2023, Eq. 1.
        Differs from it in two ways: a batch holds every modality, where ImageBind draws pairs of the anchor and one
        other at a time from data sets of their own; and the negatives of a row include other samples of its own
        modality, as in the losses that it is compared with here.
    """
    terms = binding_terms(embeddings, anchor=anchor, temperature=temperature)
    return sum(terms.values())  # (eq-binding)
