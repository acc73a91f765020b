r"""Cross+Self: alignment between two modalities, and between two augmented views within each."""

from __future__ import annotations

from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import nt_xent


def cross_self_terms(
    first: Tensor, second: Tensor, first_views: Tensor, second_views: Tensor, *, temperature: float | Tensor = 0.1
) -> dict[str, Tensor]:
    r"""The three terms of Cross+Self; their sum is :func:`cross_self_loss`.

    Args:
        first: Embeddings of the first modality, shape ``(N, D)``, ``N >= 2``; normalised inside.
        second: Embeddings of the second modality, shape ``(N, D)``.
        first_views: Embeddings of another augmented view of the first modality, shape ``(N, D)``.
        second_views: The same for the second modality, shape ``(N, D)``.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        ``cross`` (between the modalities), ``first`` and ``second`` (within each), scalars in nats.

    Raises:
        TypeError: If an argument is not a floating-point tensor or the temperature is not a number.
        ValueError: If shapes differ, the batch holds one sample, a number is not finite, a row is all zero, or the
            temperature is not above zero.

    Example:
        >>> import torch
        >>> list(cross_self_terms(torch.eye(2), torch.eye(2), torch.eye(2), torch.eye(2)))
        ['cross', 'first', 'second']

    Source:
        Mu, Kirillov, Wagner and Xie, "SLIP: Self-supervision meets Language-Image Pre-training", 2021, section 3.
    """
    _check.embeddings(first=first, second=second, first_views=first_views, second_views=second_views)
    _check.positive("temperature", temperature)
    return {
        "cross": nt_xent(first, second, temperature=temperature),
        "first": nt_xent(first, first_views, temperature=temperature),
        "second": nt_xent(second, second_views, temperature=temperature),
    }


def cross_self_loss(
    first: Tensor, second: Tensor, first_views: Tensor, second_views: Tensor, *, temperature: float | Tensor = 0.1
) -> Tensor:
    r"""Sum of one cross-modal and two self-supervised contrastive terms; see :eq:`eq-cross-self`.

    .. math::
        \mathcal{L}_{\mathrm{Cross+Self}} = \mathcal{L}_{\mathrm{NT\text{-}Xent}}(z_1', z_2')
        + \mathcal{L}_{\mathrm{NT\text{-}Xent}}(z_1', z_1'') + \mathcal{L}_{\mathrm{NT\text{-}Xent}}(z_2', z_2'')

    Here :math:`z_1'` is ``first``, :math:`z_2'` is ``second``, :math:`z_1''` is ``first_views`` and :math:`z_2''` is
    ``second_views``. The cross term rewards what the modalities share, each self term what its modality
    says by itself under augmentation; no term sees both modalities fused, so none asks for synergy. Guessing, or
    collapse to one point, costs :math:`3 \log(2N - 1)`. The two modalities may be exchanged together with their views;
    exchanging the two views of a modality changes the cross term, which uses the first view alone.

    Args:
        first: Embeddings of an augmented view of the first modality, shape ``(N, D)``, ``N >= 2``; normalised inside.
        second: Embeddings of an augmented view of the second modality, shape ``(N, D)``; row ``i`` is the same sample.
        first_views: Embeddings of another augmented view of the first modality, shape ``(N, D)``.
        second_views: Embeddings of another augmented view of the second modality, shape ``(N, D)``.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If an argument is not a floating-point tensor or the temperature is not a number.
        ValueError: If shapes differ, the batch holds one sample, a number is not finite, a row is all zero, or the
            temperature is not above zero.

    Example:
        >>> import torch
        >>> z = torch.ones(8, 4)
        >>> round((cross_self_loss(z, z, z, z) / 3).exp().item(), 3)  # 2 * 8 - 1 candidates, all alike
        15.0

    Source:
        Mu, Kirillov, Wagner and Xie, "SLIP: Self-supervision meets Language-Image Pre-training", 2021, section 3; the
        baseline "Cross+Self" of Liang et al., "Factorized Contrastive Learning", 2023, section 4.
        Differs from SLIP, where only images have a self-supervised term, on views apart from the one used across
        modalities, and where the cross term is CLIP's: here both modalities have one and all terms are ``nt_xent`` with
        one temperature, so that Cross, Cross+Self and CoMM differ in what is compared and in nothing else.
    """
    terms = cross_self_terms(first, second, first_views, second_views, temperature=temperature)
    return terms["cross"] + terms["first"] + terms["second"]  # (eq-cross-self)
