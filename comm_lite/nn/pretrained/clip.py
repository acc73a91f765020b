r"""A CLIP that somebody else trained, from the ``transformers`` library: frozen, with its own preprocessing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from comm_lite import _check


class PretrainedCLIP(nn.Module):
    r"""Embed images and texts with a pretrained CLIP, which stays frozen and in ``eval()`` whatever is around it.

    Args:
        model: A ``transformers.CLIPModel``.
        processor: Its image processor.
        tokenizer: Its tokenizer.

    Raises:
        TypeError: If ``model`` has no ``get_image_features`` and ``get_text_features``.

    Example:
        >>> try:
        ...     clip = PretrainedCLIP.from_pretrained("a-folder/that-is-not-there")
        ... except OSError as error:
        ...     print(str(error)[:69])
        name must be a CLIP on this machine, got 'a-folder/that-is-not-there'

    Source: Radford et al. (2021), "Learning Transferable Visual Models From Natural Language Supervision".
    """

    def __init__(self, model: nn.Module, processor: object, tokenizer: object) -> None:
        super().__init__()
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise TypeError(
                f"model must be a transformers.CLIPModel, got {type(model).__name__}; load one with from_pretrained"
            )
        self.model = model.requires_grad_(False).eval()
        self._processor, self._tokenizer = processor, tokenizer
        self.dim: int = model.config.projection_dim

    @classmethod
    def from_pretrained(cls, name: str | Path, *, download: bool = False) -> PretrainedCLIP:
        r"""Load a CLIP, by default only from this machine: without its weights at hand, one OSError says so at once.

        Args:
            name: A folder that ``save_pretrained`` wrote, or a name on the Hugging Face hub such as
                ``"openai/clip-vit-base-patch32"`` (about 600 MB), which is looked up in the local cache.
            download: Fetch from the hub what the cache does not hold.

        Returns:
            The model, on the CPU.

        Raises:
            OSError: If the weights are neither here nor, with ``download``, to be had; the text is one line.
            ValueError: If ``name`` is another kind of model, or its files do not hold every weight.
        """
        try:
            return cls(*_load(name, local=True))
        except OSError as error:
            if not download:
                raise OSError(
                    f"name must be a CLIP on this machine, got {str(name)!r} and found no complete one; pass a folder "
                    f"that holds its files, or download=True where there is a network"
                ) from error
        from huggingface_hub import HfApi

        try:  # asked once and briefly: the download itself would try for minutes
            HfApi().model_info(str(name), timeout=10)
            return cls(*_load(name, local=False))
        except ValueError:
            raise
        except Exception as error:  # the hub's client raises many kinds
            reason = str(error).strip().partition("\n")[0]
            raise OSError(
                f"name must be a CLIP on the Hugging Face hub, got {str(name)!r}, which could not be fetched "
                f"({reason}); check name and network, or pass a folder that holds its files"
            ) from error

    def train(self, mode: bool = True) -> PretrainedCLIP:
        r"""Stay in ``eval()``, also when a model around this one goes into training."""
        return super().train(False)

    @property
    def logit_scale(self) -> float:
        r"""One over the temperature it was trained to, about 100 for OpenAI's; what cosines are multiplied by."""
        return self.model.logit_scale.exp().item()

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Tensor:
        r"""Embed images after the model's own resizing, cropping and normalising.

        Args:
            images: (B, 3, H, W) floats in [0, 1], of any size; rounded to 256 levels as an image file would be.

        Returns:
            (B, ``dim``) embeddings on the model's device, not normalised, without gradient.

        Raises:
            TypeError: If ``images`` are not floats.
            ValueError: If there is none, they do not have 3 channels, or leave [0, 1].
        """
        _check.images(images)
        if not len(images):
            raise ValueError(f"images must hold at least one image, got shape {tuple(images.shape)}; pass one or more")
        if not 0 <= float(images.min()) <= float(images.max()) <= 1:
            raise ValueError(
                f"images must lie in [0, 1], got {float(images.min()):.3g}..{float(images.max()):.3g}; "
                f"the model normalises them itself, so pass them as they were before"
            )
        pixels = (images * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()  # (B, H, W, 3)
        ready = self._processor(images=list(pixels), input_data_format="channels_last", return_tensors="pt")
        return self.model.get_image_features(ready["pixel_values"].to(self.model.device)).pooler_output

    @torch.no_grad()
    def encode_text(self, texts: Iterable[str], *, truncate: bool = False) -> Tensor:
        r"""Embed texts with the model's own tokenizer.

        Args:
            texts: B texts, at least one; CLIP takes up to 77 tokens.
            truncate: Cut a text that is too long, in place of an error.

        Returns:
            (B, ``dim``) embeddings on the model's device, not normalised, without gradient.

        Raises:
            TypeError: If ``texts`` is not a list of texts.
            ValueError: If there is none, or one is too long and ``truncate`` is False.
        """
        texts = _check.texts("texts", texts)
        most = self.model.config.text_config.max_position_embeddings
        kwargs = {"truncation": truncate, "max_length": most if truncate else None, "verbose": False}
        ready = self._tokenizer(texts, padding=True, return_tensors="pt", **kwargs)
        ids, seen = (ready[key].to(self.model.device) for key in ("input_ids", "attention_mask"))
        if ids.shape[1] > most:
            long = texts[int(seen.sum(1).argmax())]
            raise ValueError(
                f"texts must have at most {most} tokens, got {ids.shape[1]} in {long[:40]!r}; shorten it or pass "
                f"truncate=True"
            )
        return self.model.get_text_features(ids, attention_mask=seen).pooler_output


def _load(name: str | Path, *, local: bool) -> tuple[nn.Module, object, object]:
    r"""Model, image processor and tokenizer; OSError where a file is not there."""
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPConfig, CLIPModel
    from transformers.utils import logging

    name = str(name)
    kind = CLIPConfig.get_config_dict(name, local_files_only=local)[0].get("model_type")
    if kind is None:
        raise OSError(f"{name} has no config.json")
    if kind != "clip":
        raise ValueError(f"name must be a CLIP, got {name!r}, a {kind}; choose a model of type clip")
    bars = logging.is_progress_bar_enabled()
    if local:  # a download of minutes shows its progress, loading a file does not
        logging.disable_progress_bar()
    try:
        model, report = CLIPModel.from_pretrained(
            name, local_files_only=local, output_loading_info=True, dtype=torch.float32
        )
    finally:
        if bars:
            logging.enable_progress_bar()
    lost = sorted([*report["missing_keys"], *report["mismatched_keys"]])
    if lost:
        raise ValueError(f"name must hold every weight, got {name!r} without {lost[:3]}; these would be random numbers")
    # the one that works without torchvision and on every machine alike
    processor = AutoImageProcessor.from_pretrained(name, local_files_only=local, backend="pil")
    tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
    if len(tokenizer) < model.config.text_config.vocab_size / 2:  # without its file the library makes up an empty one
        raise OSError(f"{name} has no tokenizer")
    return model, processor, tokenizer
