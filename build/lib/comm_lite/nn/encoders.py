r"""Encoders: from pixels (B, 3, H, W) to features (B, D, h, w), and from ids of words (B, L) to tokens (B, L, D)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.fusion import _Block


def _check_images(images: Tensor) -> None:
    _check.shape("images", images, "B 3 H W")
    if images.shape[1] != 3:
        raise ValueError(f"images must have 3 channels, got shape {tuple(images.shape)}; move the channels to axis 1")
    if not images.is_floating_point():
        raise TypeError(f"images must hold floats in [0, 1], got {images.dtype}; divide uint8 images by 255 first")


def _centre(images: Tensor) -> Tensor:
    r"""From [0, 1] to about [-2, 2]; here, so that training and evaluation cannot differ in it."""
    _check_images(images)
    return (images - 0.5) * 4


def _block(inward: int, outward: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outward),
        nn.ReLU(inplace=True),
    )


class SmallCNN(nn.Module):
    r"""Encode small images with five convolutions, one position for every 16 x 16 pixels.

    Args:
        width: channels of the stem; the features have four times as many.

    Returns (of a call):
        (B, ``dim``, H / 16, W / 16) features, rounded up.

    Example:
        >>> import torch
        >>> SmallCNN(width=8)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 32, 4, 4])
    """

    def __init__(self, *, width: int = 24) -> None:
        super().__init__()
        _check.whole("width", width)
        self.dim = 4 * width
        self.layers = nn.Sequential(
            _block(3, width, 5, 2),
            _block(width, 2 * width, 3, 2),
            _block(2 * width, 2 * width, 3, 1),
            nn.MaxPool2d(3, 2, 1),  # that a pattern is there matters more than where: textures come sooner
            _block(2 * width, 4 * width, 3, 1),
            _block(4 * width, 4 * width, 3, 1),
            nn.MaxPool2d(3, 2, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        r"""Return features (B, D, h, w) of images (B, 3, H, W) in [0, 1]."""
        return self.layers(_centre(images))


class AlexNetFeatures(nn.Module):
    r"""Encode images of 224 x 224 pixels with the five convolutions of AlexNet, as the paper does on Trifeatures.

    Returns (of a call):
        (B, 256, 6, 6) features for 224 x 224 pixels; at least 63 x 63 pixels are needed.

    Raises:
        ValueError: (when called) if the images are smaller.

    Example:
        >>> import torch
        >>> AlexNetFeatures()(torch.rand(2, 3, 224, 224)).shape
        torch.Size([2, 256, 6, 6])

    Source: Krizhevsky (2014), "One weird trick for parallelizing convolutional neural networks"; from scratch, no
    pretrained weights. Differs from the authors' code: the classifier, which nothing used, is not built.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dim = 256
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
        )  # fmt: skip

    def forward(self, images: Tensor) -> Tensor:
        r"""Return features (B, D, h, w) of images (B, 3, H, W) in [0, 1]."""
        images = _centre(images)
        if min(images.shape[-2:]) < 63:
            raise ValueError(
                f"images must be at least 63 x 63 pixels for AlexNet, got {tuple(images.shape[-2:])}; "
                f"render them larger or use SmallCNN"
            )
        return self.layers(images)


class TextTransformer(nn.Module):
    r"""Encode texts: embeddings of words and of their places, then pre-norm transformer layers that look both ways.

    What stands in the padding is not looked at, in training and evaluation alike: the tokens there are zero, and no
    value and no gradient of a real token depends on it. A row of padding alone, a missing text, is zero throughout.

    Args:
        vocabulary: number of ids, that of the tokenizer.
        width: width D of a token.
        layers: transformer layers.
        heads: attention heads; must divide ``width``.
        length: most tokens L in a row.

    Returns (of a call with ``ids`` and ``mask``):
        (B, L, ``dim``) tokens.

    Raises:
        TypeError: (when called) if ``ids`` are not integers.
        ValueError: if ``heads`` does not divide ``width``, or (when called) if a row is longer than ``length``, an id
            is not in the vocabulary, or the mask does not fit.

    Example:
        >>> import torch
        >>> ids = torch.tensor([[2, 7, 5, 3], [2, 6, 3, 0]])
        >>> TextTransformer(10, width=16)(ids, mask=ids != 0).shape
        torch.Size([2, 4, 16])

    Source: Vaswani et al. (2017), "Attention is all you need"; Radford et al. (2021) for text beside images. Differs
    from CLIP's text tower: every word looks both ways, and all tokens are returned instead of that of the last one.
    """

    def __init__(self, vocabulary: int, *, width: int = 64, layers: int = 2, heads: int = 4, length: int = 32) -> None:
        super().__init__()
        for name, value in (("width", width), ("layers", layers), ("heads", heads), ("length", length)):
            _check.whole(name, value)
        _check.whole("vocabulary", vocabulary, least=2)
        if width % heads:
            raise ValueError(f"heads must divide width, got heads={heads} and width={width}; change one of them")
        self.dim, self.length = width, length
        self.words = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.words.weight, std=width**-0.5)  # at 1 the layers' own part is lost in it: slower to learn
        self.places = nn.Parameter(torch.randn(length, width) * width**-0.5)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        r"""Return tokens (B, L, D) of ids (B, L); ``mask`` (B, L) is True at real tokens, None where all are real."""
        _check.shape("ids", ids, "B L")
        _check.integers("ids", ids)
        if ids.shape[1] > self.length:
            raise ValueError(
                f"ids must have at most length={self.length} columns, got shape {tuple(ids.shape)}; "
                f"shorten the texts or build the encoder with a larger length"
            )
        seen = None
        if mask is not None:
            _check.is_tensor("mask", mask)
            if mask.dtype != torch.bool or mask.shape != ids.shape:
                raise ValueError(
                    f"mask must be boolean with shape {tuple(ids.shape)}, True at real tokens, "
                    f"got {mask.dtype} with shape {tuple(mask.shape)}; take it from the tokenizer"
                )
            ids = ids.masked_fill(~mask, 0)
            seen = mask | ~mask.any(1, keepdim=True)  # attention to nothing is undefined; such a row is zero below
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < self.words.num_embeddings:
            raise ValueError(
                f"ids must lie in 0..{self.words.num_embeddings - 1}, got {int(ids.min())}..{int(ids.max())}; "
                f"build the encoder with the vocabulary of the tokenizer"
            )
        tokens = self.words(ids) + self.places[: ids.shape[1]]
        for block in self.blocks:
            tokens = block(tokens, seen, first_only=False)
        tokens = self.norm(tokens)
        return tokens if mask is None else tokens.masked_fill(~mask[:, :, None], 0.0)
