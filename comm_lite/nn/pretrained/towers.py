r"""Pretrained towers as encoders: images (B, 3, H, W) to patch tokens, ids of words (B, L) to word tokens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.pretrained.base import Tower, load_tower

# Kinds of model by what their configuration calls them, with the class that holds the tower alone.
_IMAGES = {
    "clip": "CLIPVisionModel",
    "clip_vision_model": "CLIPVisionModel",
    "dinov2": "Dinov2Model",
    "dinov2_with_registers": "Dinov2WithRegistersModel",
    "vit": "ViTModel",
}
_TEXTS = {
    "bert": "BertModel",
    "clip": "CLIPTextModel",
    "clip_text_model": "CLIPTextModel",
    "distilbert": "DistilBertModel",
    "mpnet": "MPNetModel",
    "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel",
}


class PretrainedImages(Tower):
    r"""Encode images by a pretrained CLIP, DINOv2 or ViT: one token a patch, without the model's own class token.

    The model's own preprocessing is done with tensors, on their device: resizing, cropping, normalising.

    Args:
        model: the image tower, such as a ``transformers.ViTModel``.
        processor: its image processor.
        tune: whether its weights are trained. If not, they are frozen, and the tower stays in ``eval()``.

    Returns (of a call):
        (B, L, ``dim``) tokens, row by row.

    Raises:
        ValueError: if the model is of another kind, or (when called) images are not (B, 3, H, W).
        TypeError: (when called) if the images are not floats.

    Example:
        >>> try:
        ...     PretrainedImages.from_pretrained("a-folder/that-is-not-there")
        ... except OSError as error:
        ...     print(str(error)[:62])
        name must be a model on this machine, got 'a-folder/that-is-no

    Source: Radford et al. (2021), Oquab et al. (2023), Dosovitskiy et al. (2021).
    """

    kinds = _IMAGES

    def __init__(self, model: nn.Module, processor: Any, *, tune: bool = False) -> None:
        super().__init__(model, tune=tune)
        self._first = 1 + getattr(model.config, "num_register_tokens", 0)  # the class token, and registers
        self.settings = settings = processor.to_dict()
        size = dict(settings["size"])
        self._short = size.get("shortest_edge")
        self._side = None if self._short else (size["height"], size["width"])
        crop = settings.get("crop_size") if settings.get("do_center_crop") else None
        self._crop = None if crop is None else (crop["height"], crop["width"])
        self._mode = {2: "bilinear", 3: "bicubic"}[int(settings["resample"])]
        mean, std = settings["image_mean"], settings["image_std"]
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, tune: bool = False, revision: str | None = None, download: bool = False
    ) -> PretrainedImages:
        r"""Load from a folder or the local cache; with ``download`` from the Hugging Face hub, at a pinned revision.

        Args:
            name: a folder that ``save_pretrained`` wrote, or a name on the hub.
            tune: see the class.
            revision: the commit on the hub, 40 hexadecimal digits; needed to download.
            download: fetch from the hub what the cache does not hold.

        Returns:
            The tower, on the CPU.

        Raises:
            OSError: if the files are not to be had.
            ValueError: if the model is of another kind, a weight is missing, or no revision is given to download.
        """
        from transformers import AutoImageProcessor

        model, options = load_tower(name, _IMAGES, revision=revision, download=download)
        return cls(model, AutoImageProcessor.from_pretrained(str(name), backend="pil", **options), tune=tune)

    def prepare(self, images: Tensor) -> Tensor:
        r"""Return pixels as the model wants them, of images (B, 3, H, W) in [0, 1]."""
        _check.images(images)
        height, width = images.shape[-2:]
        side = self._side
        if side is None:  # the shorter side becomes what the model wants, the other one follows
            long = int(self._short * max(height, width) / min(height, width))
            side = (self._short, long) if height <= width else (long, self._short)
        if side != (height, width):
            images = F.interpolate(images, side, mode=self._mode, antialias=True).clamp(0, 1)
        if self._crop is not None:
            top, left = ((have - want) // 2 for have, want in zip(side, self._crop, strict=True))
            images = images[..., top : top + self._crop[0], left : left + self._crop[1]]
        return (images - self.mean) / self.std

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""Return tokens (B, L, D) of images (B, 3, H, W) in [0, 1]; images have no padding, so no ``mask``."""
        if mask is not None:
            raise TypeError("images have no padding, got a mask; leave it out")
        return self.tokens(self.prepare(images))

    def tokens(self, pixels: Tensor) -> Tensor:
        r"""Return tokens (B, L, D) of pixels that `prepare` returned."""
        return self.hidden(pixel_values=pixels)[:, self._first :]


class PretrainedTexts(Tower):
    r"""Encode texts by a pretrained model of the BERT kind, a sentence encoder or CLIP's text tower: one token a word.

    As with our own `TextTransformer`, what stands in the padding is not looked at, and the tokens there are zero.

    Args:
        model: the text tower, such as a ``transformers.BertModel``.
        tokenizer: its tokenizer.
        tune: whether its weights are trained. If not, they are frozen, and the tower stays in ``eval()``.

    Returns (of a call with ``ids`` and ``mask``):
        (B, L, ``dim``) tokens.

    Raises:
        ValueError: if the model is of another kind, or (when called) the mask does not fit.
        TypeError: (when called) if ids are not integers.

    Example:
        >>> try:
        ...     PretrainedTexts.from_pretrained("a-folder/that-is-not-there")
        ... except OSError as error:
        ...     print(str(error)[:62])
        name must be a model on this machine, got 'a-folder/that-is-no

    Source: Devlin et al. (2019), Reimers and Gurevych (2019), Radford et al. (2021).
    """

    kinds = _TEXTS

    def __init__(self, model: nn.Module, tokenizer: Any, *, tune: bool = False) -> None:
        super().__init__(model, tune=tune)
        self._tokenizer = tokenizer
        pad = 1 + (model.config.pad_token_id or 0)  # these kinds count their places from there, and never use the first
        offset = {"roberta": pad, "xlm-roberta": pad, "mpnet": 2}.get(model.config.model_type, 0)
        self.length: int = model.config.max_position_embeddings - offset

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, tune: bool = False, revision: str | None = None, download: bool = False
    ) -> PretrainedTexts:
        r"""Load from a folder or the local cache; with ``download`` from the Hugging Face hub, at a pinned revision.

        Args, result and errors are those of `PretrainedImages.from_pretrained`.
        """
        from transformers import AutoTokenizer

        model, options = load_tower(name, _TEXTS, revision=revision, download=download)
        return cls(model, AutoTokenizer.from_pretrained(str(name), **options), tune=tune)

    def tokenize(self, texts: Iterable[str], *, truncate: bool = False) -> tuple[Tensor, Tensor]:
        r"""Cut texts by the model's own tokenizer.

        Args:
            texts: B texts, at least one.
            truncate: cut a text that is too long, in place of an error.

        Returns:
            Ids (B, L) and the mask (B, L), True at real tokens; L is that of the longest text.

        Raises:
            TypeError: if ``texts`` is not a list of texts.
            ValueError: if there is none, or one is too long and ``truncate`` is False.
        """
        texts = _check.texts("texts", texts)
        ready = self._tokenizer(
            texts, padding=True, truncation=truncate, max_length=self.length if truncate else None, verbose=False,
            return_tensors="pt",
        )  # fmt: skip
        ids, mask = ready["input_ids"], ready["attention_mask"].bool()
        if ids.shape[1] > self.length:
            raise ValueError(
                f"texts must have at most {self.length} tokens, got {ids.shape[1]} in "
                f"{texts[int(mask.sum(1).argmax())][:40]!r}; shorten it or pass truncate=True"
            )
        return ids, mask

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""Return tokens (B, L, D) of ids (B, L); ``mask`` (B, L) is True at real tokens, None where all are real."""
        _check.shape("ids", ids, "B L")
        _check.integers("ids", ids)
        if mask is None:
            return self.hidden(input_ids=ids, attention_mask=torch.ones_like(ids))
        _check.mask("mask", mask, ids.shape)
        seen = mask | ~mask.any(1, keepdim=True)  # attention to nothing is undefined; such a row is zero below
        ids = ids.masked_fill(~mask, self.model.config.pad_token_id or 0)
        tokens = self.hidden(input_ids=ids, attention_mask=seen.to(ids.dtype))
        return tokens.masked_fill(~mask[:, :, None], 0.0)
