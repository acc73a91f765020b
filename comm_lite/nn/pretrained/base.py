r"""Loading and freezing, which image and text towers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from comm_lite import _check

_NOT_IN_TOKENS = ("pooler.", "post_layernorm.", "embeddings.mask_token")  # weights that no token depends on


class Tower(nn.Module):
    r"""What the towers share: frozen and in ``eval()`` whatever is around them, or tuned.

    Args:
        model: of one of the ``kinds``.
        tune: whether its weights are trained.

    Raises:
        ValueError: if the model is of another kind.
    """

    kinds: dict[str, str]

    def __init__(self, model: nn.Module, *, tune: bool) -> None:
        super().__init__()
        kind = getattr(getattr(model, "config", None), "model_type", type(model).__name__)
        if kind not in self.kinds or type(model).__name__ != self.kinds[kind]:
            raise ValueError(
                f"model must be one of {sorted(set(self.kinds.values()))}, got {type(model).__name__} of type {kind}; "
                f"load it with {type(self).__name__}.from_pretrained"
            )
        self.model, self.tune = model, tune
        self.dim: int = model.config.hidden_size
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(tune and not name.removeprefix("vision_model.").startswith(_NOT_IN_TOKENS))
        self.train()

    def train(self, mode: bool = True) -> Tower:
        r"""Follow the model around this one if tuned; else stay in ``eval()``."""
        return super().train(mode and self.tune)

    def group(self, lr: float) -> dict[str, Any]:
        r"""Return the tuned parameters as a group for an optimiser, with a learning rate of their own."""
        _check.positive("lr", lr)
        if not self.tune:
            raise ValueError("a frozen tower has nothing to train, got tune=False; build it with tune=True")
        return {"params": [p for p in self.parameters() if p.requires_grad], "lr": lr}

    def hidden(self, **inputs: Tensor) -> Tensor:
        r"""Return the last hidden states (B, L, D) of the model, without gradients if it is frozen."""
        with torch.set_grad_enabled(self.tune and torch.is_grad_enabled()):
            return self.model(**inputs).last_hidden_state


def load_tower(
    name: str | Path, kinds: dict[str, str], *, revision: str | None, download: bool
) -> tuple[nn.Module, dict[str, Any]]:
    r"""Load a tower, and say where from.

    Args:
        name: a folder, or a name on the hub.
        kinds: names of classes by type of model.
        revision: the commit on the hub.
        download: whether the hub may be asked.

    Returns:
        The model, and the options by which its processor or tokenizer is loaded from the same place.

    Raises:
        OSError: if the files are not to be had.
        ValueError: if the model is of another kind, a weight is missing, or no revision is given to download.

    Example:
        >>> try:
        ...     load_tower("a/b", {}, revision=None, download=True)
        ... except ValueError as error:
        ...     print(str(error)[:73])
        revision must be a commit of 40 hexadecimal digits to download, got None;
    """
    import transformers
    from transformers.utils import logging

    if download and (revision is None or len(revision) != 40):
        raise ValueError(
            f"revision must be a commit of 40 hexadecimal digits to download, got {revision!r}; take it from the "
            f"model's page, so that everybody loads the same weights"
        )
    options = {"revision": revision or "main", "local_files_only": not download}
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(str(name), **options)
        if config.model_type not in kinds:
            raise ValueError(
                f"name must be a model of type {sorted(kinds)}, got {str(name)!r}, a {config.model_type}; "
                f"choose another one"
            )
        made = getattr(transformers, kinds[config.model_type])
        model, report = made.from_pretrained(str(name), output_loading_info=True, dtype=torch.float32, **options)
    except OSError as error:
        raise OSError(
            f"name must be a model on this machine, got {str(name)!r} and found no complete one; pass a folder that "
            f"holds its files, or download=True where there is a network"
        ) from error
    finally:
        if bars:
            logging.enable_progress_bar()
    lost = [key for key in [*report["missing_keys"], *report["mismatched_keys"]] if "pooler" not in str(key)]
    if lost:
        raise ValueError(
            f"name must hold every weight, got {str(name)!r} without {sorted(map(str, lost))[:3]}; these would be "
            f"random numbers"
        )
    return model, options
