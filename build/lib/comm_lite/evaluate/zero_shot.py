r"""Zero-shot classification by prompts, and CLIPScore: what a shared space of images and texts does with no training.

Shapes: ``B`` images, ``K`` classes, ``D`` width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check
from comm_lite.evaluate.items import number_items
from comm_lite.evaluate.probe import _balanced, _interval
from comm_lite.losses.infonce import cosine


@dataclass(frozen=True)
class ZeroShot:
    r"""What a zero-shot classifier found; fractions, not per cent.

    Example:
        >>> print(ZeroShot(0.72, 0.5, low=0.69, high=0.75, classes=2, n_test=400, n_items=200))
        balanced accuracy 0.720 [0.690, 0.750] (chance 0.500; 400 test rows of 200 items)
    """

    balanced_accuracy: float
    r"""Mean over classes of the fraction recognised: ``chance`` knows nothing, 1 is perfect."""
    chance: float
    r"""One over the number of classes to choose from."""
    low: float
    r"""Lower end of the 95 % bootstrap interval over distinct items."""
    high: float
    r"""Upper end of the interval."""
    classes: int
    r"""Number K of classes to choose from."""
    n_test: int
    r"""Number of images."""
    n_items: int
    r"""Number of distinct items, which the interval resamples."""

    def __str__(self) -> str:
        rows = f"{self.n_test} test rows" + (f" of {self.n_items} items" if self.n_items != self.n_test else "")
        interval = f"[{self.low:.3f}, {self.high:.3f}]"
        return f"balanced accuracy {self.balanced_accuracy:.3f} {interval} (chance {self.chance:.3f}; {rows})"


def zero_shot_classifier(
    encode_text: Callable[[list[str]], Tensor], classes: Iterable[str], templates: Iterable[str]
) -> Tensor:
    r"""Embed each class as the mean of the normalised embeddings of its prompts, normalised again.

    Args:
        encode_text: From a list of texts to embeddings ``(B, D)``, for instance ``PretrainedCLIP.encode_text``.
        classes: K names, in the order of the labels.
        templates: Prompts with ``{}`` where the name goes, such as ``"a photo of a {}."``; several are an ensemble.

    Returns:
        Class embeddings of length 1, shape ``(K, D)``, without gradient.

    Raises:
        TypeError: If classes or templates are not lists of texts.
        ValueError: If there are fewer than two different classes, a template has no ``{}``, or embeddings are not
            ``(B, D)``, finite and different from zero.

    Example:
        >>> def encode_text(texts):  # counts two letters
        ...     return torch.tensor([[t.count("o"), t.count("e")] for t in texts]).float()
        >>> zero_shot_classifier(encode_text, ["dog", "bee"], ["{}", "a {}"]).tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    Source:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, section 3.1.4.
    """
    classes, templates = _check.texts("classes", classes), _check.texts("templates", templates)
    if len(set(classes)) < max(2, len(classes)):
        raise ValueError(f"classes must be two or more different names, got {classes}; there is nothing to choose else")
    bare = [template for template in templates if template.count("{}") != 1]
    if bare:
        raise ValueError(f"templates must have one {{}} for the name, got {bare[0]!r}; write 'a photo of a {{}}.'")
    rows = []
    with torch.no_grad():
        for name in classes:
            prompts = encode_text([template.replace("{}", name) for template in templates])
            _check.embeddings(least=1, prompts=prompts)
            _check.rows("prompts", prompts, len(templates))
            rows.append(F.normalize(prompts.float(), dim=1).mean(0))
    return F.normalize(torch.stack(rows), dim=1)


def zero_shot(
    image: Tensor,
    classes: Tensor,
    labels: Tensor,
    *,
    items: Tensor | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> ZeroShot:
    r"""Balanced accuracy of taking, for each image, the class whose text embedding is nearest; see :eq:`eq-zero-shot`.

    .. math::
        \hat y_i = \operatorname*{arg\,max}_{k} \cos(u_i, w_k)

    Here :math:`u` is ``image`` and :math:`w` is ``classes``. A value of :math:`1 / K` is chance, also for a model
    collapsed to one point, which calls everything the first class; 1 is perfect. Classes that no label names stay
    among the choices and are left out of the mean.

    Args:
        image: Embeddings, shape ``(B, D)``.
        classes: Class embeddings, shape ``(K, D)``, ``K >= 2``, as :func:`zero_shot_classifier` makes them.
        labels: The true class of each image, integers in ``0..K-1`` of shape ``(B,)``.
        items: Which distinct item each image shows, shape ``(B,)``, if some images show the same one; the interval
            resamples items. By default every image is an item.
        replicates: Number of bootstrap replicates, at least 100.
        seed: Of the bootstrap.

    Returns:
        The score, as fractions in [0, 1], with its 95 % interval.

    Raises:
        TypeError: If embeddings are not floating-point tensors, or labels not integers.
        ValueError: If shapes do not fit, a number is not finite, a row is all zero, there is one class, or a label is
            out of range.

    Example:
        >>> score = zero_shot(torch.eye(4).repeat(5, 1), torch.eye(4), torch.arange(20) % 4)
        >>> score.balanced_accuracy, score.chance
        (1.0, 0.25)

    Source:
        Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021. Differs in the
        score: balanced accuracy, so that chance is the same whatever the class frequencies.
    """
    _check.embeddings(least=1, image=image)
    _check.embeddings(least=1, classes=classes)
    if image.shape[1] != classes.shape[1]:
        raise ValueError(
            f"classes must have the width of image, wanted {image.shape[1]}, got {classes.shape[1]}; "
            f"take both from one shared space, after the projection"
        )
    _check.shape("labels", labels, "B")
    _check.integers("labels", labels)
    _check.rows("labels", labels, len(image))
    k = len(classes)
    if k < 2:
        raise ValueError("classes must hold at least two rows, got 1; there is nothing to choose")
    if not 0 <= int(labels.min()) <= int(labels.max()) < k:
        raise ValueError(
            f"labels must lie in 0..{k - 1}, got {int(labels.min())}..{int(labels.max())}; number them as classes"
        )
    _check.whole("replicates", replicates, least=100)
    _check.whole("seed", seed, least=0)
    items = number_items("items", items, rows=len(image))
    image, classes, labels = image.detach().cpu().double(), classes.detach().cpu().double(), labels.cpu()
    predicted = cosine(image, classes).argmax(dim=1)  # (eq-zero-shot)
    correct = predicted == labels
    low, high = _interval(correct, labels, k, items, replicates, torch.Generator().manual_seed(seed))
    return ZeroShot(
        balanced_accuracy=_balanced(correct, labels, k),
        chance=1 / k,
        low=low,
        high=high,
        classes=k,
        n_test=len(image),
        n_items=len(items.unique()),
    )


def clip_score(image: Tensor, text: Tensor, *, weight: float = 2.5) -> Tensor:
    r"""CLIPScore of each caption for its image: their cosine, cut at zero and stretched; see :eq:`eq-clip-score`.

    .. math::
        \mathrm{CLIPScore}(u_i, v_i) = w \max(\cos(u_i, v_i), 0)

    Here :math:`u` is ``image``, :math:`v` is ``text`` and :math:`w` is ``weight``. The largest value is :math:`w`, for
    embeddings of one direction; a model collapsed to one point gives it to every caption. Right angles and worse
    give 0. There is no fixed chance level, since a CLIP's cosines gather in a narrow band: score shuffled captions
    beside the true ones.

    Args:
        image: Embeddings, shape ``(B, D)``; normalised inside.
        text: Embeddings, shape ``(B, D)``; row i captions image i.
        weight: Factor above zero; 2.5 stretches OpenAI's cosines, seldom above 0.4, to about [0, 1].

    Returns:
        Scores in [0, ``weight``], shape ``(B,)``, differentiable; of at least float32.

    Raises:
        TypeError: If an argument is not a floating-point tensor, or ``weight`` not a number.
        ValueError: If shapes differ, a number is not finite, a row is all zero, or ``weight`` is not above zero.

    Example:
        >>> clip_score(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[3.0, 4.0], [-1.0, 0.0]]))
        tensor([1.5000, 0.0000])

    Source:
        Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image Captioning", 2021.
    """
    _check.embeddings(least=1, image=image, text=text)
    _check.positive("weight", weight)
    u, v = (F.normalize(z.to(torch.promote_types(z.dtype, torch.float32)), dim=1) for z in (image, text))
    return weight * (u * v).sum(dim=1).clamp(min=0)  # (eq-clip-score)
