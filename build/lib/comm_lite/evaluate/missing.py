r"""What is left when modalities are missing: every subset of them, read by one probe or by a probe of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.evaluate.features import embed
from comm_lite.evaluate.probe import Score, linear_probe


def subsets(modalities: Iterable[str]) -> list[tuple[str, ...]]:
    r"""List every subset of the modalities but the empty one, small ones first: :math:`2^M - 1` of them.

    Args:
        modalities: one or more names, all different.

    Returns:
        Tuples of names, each in the given order; the last one holds all.

    Raises:
        TypeError: if ``modalities`` is one text.
        ValueError: if there is no name, or one comes twice.

    Example:
        >>> subsets(["image", "text", "audio"])[2:5]
        [('audio',), ('image', 'text'), ('image', 'audio')]
    """
    names = _check.texts("modalities", modalities)
    if len(set(names)) < len(names):
        raise ValueError(f"modalities must differ, got {names}; name each of them once")
    return [kept for size in range(1, len(names) + 1) for kept in combinations(names, size)]


def present(x: Mapping[str, Tensor], keep: Iterable[str]) -> dict[str, Tensor]:
    r"""Return the inputs of the modalities in ``keep``, with their masks: all others are missing.

    Args:
        x: inputs by modality name, masks under ``<name>_mask``.
        keep: names of the modalities that are there.

    Returns:
        The part of ``x`` that is there; the tensors are the same.

    Raises:
        TypeError: if ``x`` is not a dictionary or ``keep`` is one text.
        ValueError: if ``keep`` names nothing, or something that ``x`` does not have.

    Example:
        >>> import torch
        >>> x = {"image": torch.zeros(2, 3), "text": torch.zeros(2, 4), "text_mask": torch.ones(2, 4).bool()}
        >>> list(present(x, ["text"]))
        ['text', 'text_mask']
    """
    _check.by_modality("x", x)
    keep = _check.texts("keep", keep)
    _check.known_keys("keep", keep, [name for name in x if not name.endswith("_mask")])
    return {name: value for name, value in x.items() if name.removesuffix("_mask") in keep}


def probe_subsets(
    model: nn.Module,
    train: Iterable[tuple[Any, dict[str, Tensor]]],
    test: Iterable[tuple[Any, dict[str, Tensor]]],
    *,
    modalities: Iterable[str],
    tasks: Iterable[str],
    refit: bool = True,
    **settings: Any,
) -> dict[str, dict[tuple[str, ...], Score]]:
    r"""Balanced accuracy of linear probes for every subset of the modalities at test time.

    The two ways to ask answer two questions. With ``refit``, a probe of its own is trained on the representation of
    each subset: *what can still be read from this subset?* Without, one probe is trained on the representation of all
    modalities and used as it is: *what becomes of a deployed reader when modalities drop out?* Where the width of the
    representation depends on the subset, as of towers side by side, the places of what is missing are then filled with
    the mean of the training rows.

    Args:
        model: `CoMM` or `TwoTower`; ``model(x)`` has shape ``(B, D)`` for any subset of the modalities in ``x``.
        train: Batches ``(x, y)`` for the probes, all modalities in each ``x``; passed over several times.
        test: Batches for the scores, likewise.
        modalities: Names of the modalities, in the model's order.
        tasks: Keys of ``y``.
        refit: Whether each subset gets a probe of its own.
        **settings: For `linear_probe`, such as ``Cs`` or ``items``.

    Returns:
        By task the score of each of the :math:`2^M - 1` subsets, as `subsets` lists them. ``chance`` is a
        representation that tells nothing, 1 is perfect.

    Raises:
        TypeError: If a batch is not a pair ``(x, y)``, or ``modalities`` or ``tasks`` is one text.
        ValueError: If a task or a modality is unknown, or there is none.

    Example:
        >>> from comm_lite.models import TwoTower
        >>> from comm_lite.nn import TokenConverter
        >>> y = torch.arange(80) % 2
        >>> x = {"image": torch.eye(2)[y], "text": torch.zeros(80, 2)}  # the image tells, the text does not
        >>> parts = [{name: make() for name in x} for make in (nn.Identity, lambda: TokenConverter(2, 4), nn.Identity)]
        >>> batches = [(x, {"sign": y})]
        >>> scores = probe_subsets(TwoTower(*parts), batches, batches, modalities=["image", "text"], tasks=["sign"])
        >>> {kept: score.balanced_accuracy for kept, score in scores["sign"].items()}
        {('image',): 1.0, ('text',): 0.5, ('image', 'text'): 1.0}

    Source:
        Differs from the papers on CoMM, which report the full set alone.
    """
    every, tasks = subsets(modalities), _check.texts("tasks", tasks)

    def features(batches: Iterable, keep: tuple[str, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        z, y = embed(model, batches, function=lambda x: model(present(x, keep)))
        _check.known_keys("tasks", tasks, y)
        return z, y

    full_z, full_y = features(train, every[-1])
    scores: dict[str, dict[tuple[str, ...], Score]] = {task: {} for task in tasks}
    for keep in every:
        z, y = features(train, keep) if refit and keep != every[-1] else (full_z, full_y)
        test_z, test_y = features(test, keep)
        if test_z.shape[1] != z.shape[1]:
            test_z = _fill(test_z, keep, full_z, model)
        for task in tasks:
            scores[task][keep] = linear_probe(z, y[task], test_z, test_y[task], **settings)
    return scores


def _fill(z: Tensor, keep: tuple[str, ...], full: Tensor, model: nn.Module) -> Tensor:
    r"""Towers side by side: what is missing takes the mean of the training rows, so that it favours no class."""
    widths = [model.converters[name].dim for name in model.modalities]
    own = iter(z.split([w for n, w in zip(model.modalities, widths, strict=True) if n in keep], dim=1))
    means = full.mean(0).split(widths)
    parts = [
        next(own) if name in keep else mean.expand(len(z), -1)
        for name, mean in zip(model.modalities, means, strict=True)
    ]
    return torch.cat(parts, dim=1)
