r"""Features of a frozen model, collected over batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from comm_lite import _check


def embed(
    model: Callable[[Any], Tensor],
    batches: Iterable[tuple[Any, dict[str, Tensor]]],
    *,
    function: Callable[[Any], Tensor] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    r"""Run a frozen model over batches and collect features and labels on the CPU.

    The model is put into ``eval()`` for the time of the call, so that dropout is off and batch statistics are neither
    used nor changed; every submodule has its own mode back afterwards, also after an error. No gradient is recorded.

    Args:
        model: An ``nn.Module``, or any callable from ``x`` to features.
        batches: Yields ``(x, y)``, ``x`` by modality name and ``y`` by task, as a ``DataLoader`` does; the tensors of
            ``x`` are moved to the device of the model. Evaluation transforms must be deterministic and the order fixed.
        function: What to compute from ``x``, for instance ``lambda x: model.fuse(model.encode(x), keep=("image",))``;
            by default ``model(x)``.

    Returns:
        Features ``(N, D)`` in float32 and labels ``{task: (N, ...)}``, both on the CPU.

    Raises:
        TypeError: If ``model`` cannot be called, or a batch is not a pair ``(x, y)`` with a dictionary ``y``.
        ValueError: If there is no batch, features are not finite or not ``(B, D)``, a label has another number of rows,
            or the tasks change between batches.

    Example:
        >>> batches = [({"image": torch.ones(2, 3)}, {"shape": torch.tensor([0, 1])})] * 2
        >>> z, y = embed(lambda x: x["image"] * 2, batches)
        >>> z.shape, y["shape"].tolist()
        (torch.Size([4, 3]), [0, 1, 0, 1])

    Source:
        Differs from the reference code, which leaves the model in training mode for evaluation.
    """
    if not callable(model):
        raise TypeError(f"model must be a module or a function of x, got {type(model).__name__}; pass the model itself")
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    weight = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    run, features, labels = function or model, [], []
    try:
        for module in modules:
            module.training = False
        with torch.no_grad():
            for batch in batches:
                if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and isinstance(batch[1], dict)):
                    raise TypeError(
                        f"batches must yield pairs (x, y) with a dictionary y from task to labels, "
                        f"got {type(batch).__name__}; wrap the labels as {{'task': labels}}"
                    )
                x, y = batch
                if weight is not None and isinstance(x, dict):
                    x = {name: value.to(weight.device) for name, value in x.items()}
                z = run(x)
                _check.shape("features", z, "B D")
                for task, label in y.items():
                    _check.rows(f"y[{task!r}]", label, len(z))
                if labels and y.keys() != labels[0].keys():
                    raise ValueError(
                        f"batches must carry the same tasks throughout, wanted {sorted(labels[0])}, got {sorted(y)}; "
                        f"check the data set"
                    )
                features.append(z.float().cpu())
                labels.append(y)
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
    if not features:
        raise ValueError("batches must yield at least one pair (x, y), got none; a used-up iterator must be made anew")
    z = torch.cat(features)
    _check.finite("features", z)
    return z, {task: torch.cat([y[task].cpu() for y in labels]) for task in labels[0]}
