r"""Image encoders: from pixels (B, 3, H, W) to a map of features (B, D, h, w)."""

from __future__ import annotations

from torch import Tensor, nn

from comm_lite import _check


def _centre(images: Tensor) -> Tensor:
    r"""From [0, 1] to about [-2, 2]; here, so that training and evaluation cannot differ in it."""
    _check.shape("images", images, "B 3 H W")
    if images.shape[1] != 3:
        raise ValueError(f"images must have 3 channels, got shape {tuple(images.shape)}; move the channels to axis 1")
    if not images.is_floating_point():
        raise TypeError(f"images must hold floats in [0, 1], got {images.dtype}; divide uint8 images by 255 first")
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
