r"""The symmetric loss of CLIP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check
from comm_lite.losses.infonce import cosine


def clip_terms(image: Tensor, text: Tensor, *, logit_scale: float | Tensor) -> dict[str, Tensor]:
    r"""Both directions of the CLIP loss; their mean is :func:`clip_loss`.

    Args:
        image: Embeddings, shape ``(N, D)``, ``N >= 2``; normalised inside.
        text: Embeddings, shape ``(N, D)``; row ``i`` belongs to image ``i``.
        logit_scale: One over the temperature, above zero; a float or a scalar tensor.

    Returns:
        ``image_to_text`` (find the text of each image) and ``text_to_image``, scalars in nats.

    Raises:
        TypeError: If an argument is not a floating-point tensor or the scale is not a number.
        ValueError: If shapes differ, the batch holds one pair, a number is not finite, a row is all zero, or the
            scale is not above zero.

    Example:
        >>> terms = clip_terms(torch.ones(4, 2), torch.ones(4, 2), logit_scale=10.0)
        >>> {name: round(term.exp().item(), 3) for name, term in terms.items()}  # four candidates, all alike
        {'image_to_text': 4.0, 'text_to_image': 4.0}

    Source:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, Figure 3.
    """
    _check.embeddings(image=image, text=text)
    _check.positive("logit_scale", logit_scale)
    logits = logit_scale * cosine(image, text)  # (N, N), one matrix serves both directions
    own = torch.arange(len(image), device=image.device)
    return {"image_to_text": F.cross_entropy(logits, own), "text_to_image": F.cross_entropy(logits.T, own)}


def clip_loss(image: Tensor, text: Tensor, *, logit_scale: float | Tensor) -> Tensor:
    r"""Mean of InfoNCE from image to text and from text to image; see :eq:`eq-clip`.

    .. math::
        \mathcal{L}_{\mathrm{CLIP}} = -\frac{1}{2N} \sum_{i=1}^{N} \left[
        \log \frac{\exp(s \cos(u_i, v_i))}{\sum_{j=1}^{N} \exp(s \cos(u_i, v_j))} +
        \log \frac{\exp(s \cos(u_i, v_i))}{\sum_{j=1}^{N} \exp(s \cos(u_j, v_i))} \right]

    Here :math:`u` is ``image``, :math:`v` is ``text`` and :math:`s = 1 / \tau` is ``logit_scale``. Guessing, or
    collapse to one point, costs :math:`\log N`. The two modalities may be exchanged.

    Args:
        image: Embeddings, shape ``(N, D)``, ``N >= 2``; normalised inside.
        text: Embeddings, shape ``(N, D)``; row ``i`` belongs to image ``i``.
        logit_scale: One over the temperature, above zero. A float, or the scalar tensor ``log_scale.exp()`` of a learnt
            parameter; the gradient then reaches it. CLIP starts at 1 / 0.07 and keeps it at most 100, which is up to
            the caller.

    Returns:
        Scalar, in nats; computed in float32 for bfloat16 and float16 input.

    Raises:
        TypeError: If an argument is not a floating-point tensor or the scale is not a number.
        ValueError: If shapes differ, the batch holds one pair, a number is not finite, a row is all zero, or the
            scale is not above zero.

    Example:
        >>> log_scale = torch.zeros((), requires_grad=True)
        >>> loss = clip_loss(torch.eye(2), torch.eye(2), logit_scale=log_scale.exp())
        >>> loss.backward()
        >>> round(loss.item(), 4), round(log_scale.grad.item(), 4)  # log(1 + exp(-1)), and its slope
        (0.3133, -0.2689)

    Source:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, Figure 3.
    """
    terms = clip_terms(image, text, logit_scale=logit_scale)
    return (terms["image_to_text"] + terms["text_to_image"]) / 2  # (eq-clip)
