r"""The objective of CoMM: the fused views with each other, and each modality alone with the fused views."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import nt_xent


def comm_terms(
    fused1: Tensor,
    fused2: Tensor,
    unimodal1: Mapping[str, Tensor],
    unimodal2: Mapping[str, Tensor],
    *,
    temperature: float | Tensor = 0.1,
) -> dict[str, Tensor]:
    r"""The terms of the CoMM loss; their sum is :func:`comm_loss`.

    Args:
        fused1: Embeddings of the first augmented view, all modalities fused, shape ``(N, D)``, ``N >= 2``.
        fused2: Embeddings of the second augmented view, shape ``(N, D)``.
        unimodal1: By modality name, embeddings of the first view with that modality alone, each ``(N, D)``.
        unimodal2: The same for the second view; the same names.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        ``joint`` (:math:`\mathcal{L}`, carries redundancy, uniqueness and synergy) and one entry per modality
        (:math:`\mathcal{L}_i`, redundancy and the uniqueness of that modality), scalars in nats.

    Raises:
        TypeError: If an embedding is not a floating-point tensor, ``unimodal1`` or ``unimodal2`` is not a dictionary,
            or the temperature is not a number.
        ValueError: If the two dictionaries name different modalities or none, a modality is called "joint", shapes
            differ, the batch holds one sample, a number is not finite, a row is all zero, or the temperature is not
            above zero.

    Example:
        >>> import torch
        >>> z = torch.eye(2)
        >>> list(comm_terms(z, z, {"image": z, "text": z}, {"image": z, "text": z}))
        ['joint', 'image', 'text']

    Source:
        Dufumier, Castillo-Navarro, Tuia and Thiran, "What to align in multimodal contrastive learning?", 2025, Eq. 7.
    """
    _check.by_modality("unimodal1", unimodal1, reserved=("joint",))
    _check.by_modality("unimodal2", unimodal2, reserved=("joint",))
    _check.same_keys("unimodal2", unimodal2, "unimodal1", unimodal1)
    alone1 = {f"unimodal1[{name!r}]": z for name, z in unimodal1.items()}
    alone2 = {f"unimodal2[{name!r}]": z for name, z in unimodal2.items()}
    _check.embeddings(fused1=fused1, fused2=fused2, **alone1, **alone2)
    _check.positive("temperature", temperature)
    terms = {"joint": nt_xent(fused1, fused2, temperature=temperature)}
    for name in unimodal1:
        # Always against the fused embedding of the *other* view, so that no pair shares its augmentation.
        ahead = nt_xent(unimodal1[name], fused2, temperature=temperature)
        back = nt_xent(unimodal2[name], fused1, temperature=temperature)
        terms[name] = (ahead + back) / 2
    return terms


def comm_loss(
    fused1: Tensor,
    fused2: Tensor,
    unimodal1: Mapping[str, Tensor],
    unimodal2: Mapping[str, Tensor],
    *,
    temperature: float | Tensor = 0.1,
) -> Tensor:
    r"""Contrast of the fused views with each other, plus that of each modality alone; see :eq:`eq-comm`.

    .. math::
        \mathcal{L}_{\mathrm{CoMM}} = \underbrace{\ell(Z', Z'')}_{\mathcal{L}} + \sum_{i=1}^{M}
        \underbrace{\tfrac12 \left[ \ell(Z_i', Z'') + \ell(Z_i'', Z') \right]}_{\mathcal{L}_i},
        \qquad \ell = \mathcal{L}_{\mathrm{NT\text{-}Xent}}

    Here :math:`Z'` is ``fused1``, :math:`Z''` is ``fused2``, and :math:`Z_i'`, :math:`Z_i''` are
    ``unimodal1[i]``, ``unimodal2[i]``. Guessing, or collapse to one point, costs :math:`(M + 1) \log(2N - 1)`. The two
    views may be exchanged, and the order of the modalities does not matter.

    Args:
        fused1: Embeddings of the first augmented view, all modalities fused, shape ``(N, D)``, ``N >= 2``; normalised
            inside, as are all others.
        fused2: Embeddings of the second augmented view, shape ``(N, D)``; row ``i`` is the same sample.
        unimodal1: By modality name, embeddings of the first view with that modality alone, each ``(N, D)``.
        unimodal2: The same for the second view; the same names.
        temperature: Above zero; a float or a scalar tensor.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If an embedding is not a floating-point tensor, ``unimodal1`` or ``unimodal2`` is not a dictionary,
            or the temperature is not a number.
        ValueError: If the two dictionaries name different modalities or none, a modality is called "joint", shapes
            differ, the batch holds one sample, a number is not finite, a row is all zero, or the temperature is not
            above zero.

    Example:
        >>> import torch
        >>> z = torch.ones(8, 4)
        >>> alone = {"image": z, "text": z}
        >>> round((comm_loss(z, z, alone, alone) / 3).exp().item(), 3)  # 2 * 8 - 1 candidates, all alike
        15.0

    Source:
        Dufumier, Castillo-Navarro, Tuia and Thiran, "What to align in multimodal contrastive learning?", 2025, Eq. 7.
        Differs from the reference code, which divides by the number of terms: this is the paper's sum.
        Differs from the paper's text, where :math:`Z_i` comes from the sample without augmentation: as in the reference
        code, the unimodal embeddings come from the augmented views, each compared with the other view.
        Differs from the paper's formula, which leaves the negatives open: as in the reference code, the estimator is
        ``nt_xent`` with its :math:`2N - 1` candidates.
    """
    terms = comm_terms(fused1, fused2, unimodal1, unimodal2, temperature=temperature)
    return terms["joint"] + sum(terms[name] for name in unimodal1)  # (eq-comm)
