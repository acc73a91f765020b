r"""Random views of a batch of images, on the device where the images are, each image with a draw of its own.

A view costs two passes over the batch. Crop, flip and rotation are one affine map of the plane, so one look-up does all
three. Brightness, contrast, saturation, hue and grayscale are each an affine map of colour, so one 3 x 3 matrix and one
offset an image do all five.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check

_LUMA = (0.299, 0.587, 0.114)


def _in_range(images: Tensor) -> None:
    r"""Raise unless these are images in [0, 1], where values may be looked at; clamping would lose the rest."""
    _check.images(images)
    if _check.values_of(images) and images.numel():
        low, high = (v.item() for v in images.aminmax())
        if not (low >= -1e-4 and high <= 1 + 1e-4):  # rounding of an interpolation may leave it; also False for NaN
            raise ValueError(
                f"images must lie in [0, 1], got [{low:.4g}, {high:.4g}]; normalise after the views, not before"
            )


def _per_image(name: str, value: Tensor, images: Tensor, *tail: int) -> None:
    _check.is_tensor(name, value)
    wanted = (len(images), *tail)
    if tuple(value.shape) != wanted:
        raise ValueError(
            f"{name} must have shape {wanted}, one entry an image, got {tuple(value.shape)}; make one draw an image"
        )


def _boolean(name: str, value: Tensor) -> None:
    if value.dtype != torch.bool:
        raise TypeError(
            f"{name} must be boolean, one choice an image, got {value.dtype}; compare or call .bool() first"
        )


def warp(
    images: Tensor,
    *,
    boxes: Tensor,
    flip: Tensor | None = None,
    angle: Tensor | None = None,
    size: int | None = None,
) -> Tensor:
    r"""Crop each image to its own box, scale the crop to full size, mirror it and turn it about its centre.

    Args:
        images: (B, 3, H, W) floats in [0, 1].
        boxes: (B, 4) left, top, width and height of each crop, as fractions of the image's sides.
        flip: (B,) booleans, True mirrors left and right; None mirrors none.
        angle: (B,) radians, counter-clockwise as seen; None turns none. What comes from outside the image takes the
            value of its border.
        size: side of the square that the crop is scaled to, in pixels, at least 1; None keeps the image's sides.

    Returns:
        (B, 3, H, W) floats in [0, 1], or (B, 3, size, size); interpolated bilinearly, without averaging over pixels,
        so a size below half of a crop's skips some of them.

    Raises:
        TypeError: if ``images`` are not floats or ``flip`` is not boolean.
        ValueError: if a shape is not as described.

    Example:
        >>> image = torch.rand(1, 3, 8, 8)
        >>> whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
        >>> torch.allclose(warp(image, boxes=whole), image, atol=1e-5)
        True
    """
    _check.images(images)
    _per_image("boxes", boxes, images, 4)
    # positions in half precision would be wrong by pixels
    source = images if images.dtype == torch.float64 else images.float()
    height, width = images.shape[-2:]
    left, top, wide, tall = boxes.to(source.dtype).unbind(1)
    mirror = torch.ones_like(left)
    if flip is not None:
        _per_image("flip", flip, images)
        _boolean("flip", flip)
        mirror = torch.where(flip, -mirror, mirror)
    cos, sin = torch.ones_like(left), torch.zeros_like(left)
    if angle is not None:
        _per_image("angle", angle, images)
        cos, sin = torch.cos(angle).to(left.dtype), torch.sin(angle).to(left.dtype)
    if size is not None:
        _check.whole("size", size)
    shape = [len(images), 3, size or height, size or width]
    if len(images) == 0:
        return images.new_empty(shape)
    ratio = height / width  # pixels are square: an angle is an angle in pixels, not in sides
    theta = torch.stack(
        [
            torch.stack([mirror * wide * cos, -mirror * wide * sin * ratio, 2 * left + wide - 1], dim=1),
            torch.stack([tall * sin / ratio, tall * cos, 2 * top + tall - 1], dim=1),
        ],
        dim=1,
    )  # (B, 2, 3)
    grid = F.affine_grid(theta, shape, align_corners=False)
    return F.grid_sample(source, grid, padding_mode="border", align_corners=False).to(images.dtype)


def recolour(
    images: Tensor,
    *,
    brightness: Tensor | None = None,
    contrast: Tensor | None = None,
    saturation: Tensor | None = None,
    hue: Tensor | None = None,
    gray: Tensor | None = None,
) -> Tensor:
    r"""Change the colours of each image by its own amounts, in the order of the arguments.

    Each step is an affine map of a pixel's colour, so all of them together are one: :math:`c \mapsto A c + b`.

    Args:
        images: (B, 3, H, W) floats in [0, 1].
        brightness: (B,) factors; 1 keeps, 0 gives black.
        contrast: (B,) factors about the image's mean luma; 1 keeps, 0 gives one gray.
        saturation: (B,) factors about each pixel's luma; 1 keeps, 0 gives a gray image.
        hue: (B,) turns about the gray axis, 1 being the whole circle; 0 keeps, 1/3 sends red to green.
        gray: (B,) booleans, True replaces the colours by their luma.

    Returns:
        (B, 3, H, W) floats, clamped to [0, 1] once, at the end.

    Raises:
        TypeError: if ``images`` are not floats or ``gray`` is not boolean.
        ValueError: if a shape is not as described, or images leave [0, 1].

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
        >>> recolour(red, hue=torch.tensor([1 / 3]))[0, :, 0, 0].round().tolist()
        [0.0, 1.0, 0.0]

    Source: the operations of SimCLR, Chen et al. (2020). Differs from torchvision: hue is a rotation of the colour cube
    instead of a shift in HSV (equal at thirds of a turn), the order is fixed, and values are clamped only at the end.
    """
    _in_range(images)
    amounts = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue, "gray": gray}
    for name, value in amounts.items():
        if value is not None:
            _per_image(name, value, images)
    exact = torch.promote_types(images.dtype, torch.float32)  # small matrices: half precision would save nothing
    count, like = len(images), {"dtype": exact, "device": images.device}
    luma = torch.cat([torch.full((3, 1), v, **like) for v in _LUMA], dim=1)  # every row gives the luma
    eye = torch.eye(3, **like)  # made on the device: a copy to it would wait
    matrix, offset = eye.expand(count, 3, 3), torch.zeros(count, 3, 1, **like)
    if brightness is not None:
        matrix = matrix * brightness.view(-1, 1, 1)
    if contrast is not None:
        mean = images.mean((2, 3)).to(exact)[:, :, None]  # the mean colour, (B, 3, 1)
        offset = (1 - contrast).view(-1, 1, 1) * (luma @ (matrix @ mean))
        matrix = matrix * contrast.view(-1, 1, 1)
    if saturation is not None:
        keep = saturation.view(-1, 1, 1)
        step = keep * eye + (1 - keep) * luma
        matrix, offset = step @ matrix, step @ offset
    if hue is not None:
        turn = (2 * math.pi * hue).view(-1, 1, 1)
        axis = (eye.roll(2, 1) - eye.roll(1, 1)) / math.sqrt(3)  # [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
        step = turn.cos() * eye + turn.sin() * axis + (1 - turn.cos()) / 3  # Rodrigues, about (1, 1, 1) / sqrt(3)
        matrix, offset = step @ matrix, step @ offset
    if gray is not None:
        _boolean("gray", gray)
        step = torch.where(gray.view(-1, 1, 1), luma, eye)
        matrix, offset = step @ matrix, step @ offset
    matrix, offset = matrix.to(images.dtype), offset.to(images.dtype)
    return torch.baddbmm(offset, matrix, images.flatten(2)).clamp_(0, 1).view(images.shape)


def blur(images: Tensor, *, sigma: Tensor, largest: float | None = None) -> Tensor:
    r"""Blur each image with a Gaussian of its own width.

    Args:
        images: (B, 3, H, W) floats in [0, 1].
        sigma: (B,) standard deviations in pixels, at least 0; 0 keeps the image. The Gaussian ends after three of them.
        largest: no width exceeds it; None looks at ``sigma``, and so waits for a device.

    Returns:
        (B, 3, H, W) floats in [0, 1]. The border is continued by its own value.

    Raises:
        TypeError: if ``images`` are not floats.
        ValueError: if a shape is not as described, images leave [0, 1], or a width is negative, not finite or above
            ``largest``.

    Example:
        >>> flat = torch.full((1, 3, 8, 8), 0.25)
        >>> torch.allclose(blur(flat, sigma=torch.tensor([2.0])), flat)
        True
    """
    _in_range(images)
    _per_image("sigma", sigma, images)
    if len(sigma) == 0:
        return images
    if largest is None or _check.values_of(sigma):
        _check.finite("sigma", sigma)
        low, high = (v.item() for v in sigma.aminmax())
        if low < 0:
            raise ValueError(f"sigma must be at least 0 pixels, got {low}; pass 0 to keep an image as it is")
        if largest is not None and high > largest:
            raise ValueError(
                f"sigma must be at most largest, {largest} pixels, got {high}; raise one or lower the other"
            )
        largest = high  # a kernel no longer than it must be
    exact = torch.float64 if images.dtype == torch.float64 else torch.float32
    reach = math.ceil(3 * largest)
    tap = torch.arange(-reach, reach + 1, device=images.device)
    weight = torch.exp(-0.5 * (tap / sigma.clamp(min=1e-3)[:, None]) ** 2)
    weight = weight * (tap.abs() <= (3 * sigma).ceil()[:, None])  # an image's own reach, whatever else is in the batch
    weight = (weight / weight.sum(1, keepdim=True)).to(exact).repeat_interleave(3, dim=0)[:, None, None]  # a channel
    count, _, height, width = images.shape
    planes = images.to(exact).reshape(1, 3 * count, height, width)  # one group a plane: each has a kernel of its own
    with torch.autocast(images.device.type, enabled=False):  # taps rounded to half precision would not sum to 1
        wide = F.pad(planes, (reach, reach, 0, 0), mode="replicate")
        rows = F.conv2d(wide, weight, groups=3 * count)
        tall = F.pad(rows, (0, 0, reach, reach), mode="replicate")
        made = F.conv2d(tall, weight.mT, groups=3 * count)
    return made.clamp_(0, 1).view(count, 3, height, width).to(images.dtype)


@dataclass(frozen=True)
class ImageAugment:
    r"""Random resized crop, flip, rotation, colour jitter, grayscale and blur: SimCLR's views, one draw an image.

    Calling it with images (B, 3, H, W) in [0, 1] and a generator on their device returns views of the same shape.
    A label that an operation destroys cannot be learnt from the views: turn that operation off.

    Example:
        >>> view = ImageAugment(blur_chance=0.0)
        >>> view(torch.rand(4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 32, 32])

    Source: Chen et al. (2020), with the amounts that Dufumier et al. (ICLR 2025) use.
    """

    crop_scale: tuple[float, float] = (0.08, 1.0)
    """Least and largest area of a crop, as a fraction of the image."""
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and largest width of a crop over its height, both as fractions of the image's sides; a large crop comes
    closer to 1, so that it fits."""
    size: int | None = None
    """Side of a view in pixels; None keeps the image's. With views smaller than the images that are evaluated, a crop
    is enlarged less, so that things are about as large in training as in evaluation, and training costs less."""
    flip_chance: float = 0.5
    """Chance to mirror left and right."""
    rotation: float = 0.0
    """Largest rotation either way, in degrees."""
    jitter_chance: float = 0.8
    """Chance to change brightness, contrast, saturation and hue."""
    brightness: float = 0.4
    """Factors are drawn from [1 - b, 1 + b]."""
    contrast: float = 0.4
    """As brightness."""
    saturation: float = 0.4
    """As brightness."""
    hue: float = 0.1
    """Largest turn either way, 0.5 reaching every hue."""
    gray_chance: float = 0.2
    """Chance to drop the colours."""
    blur_chance: float = 0.5
    """Chance to blur."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Least and largest width of the blur, in pixels."""

    def __post_init__(self) -> None:
        for name in (
            "flip_chance",
            "jitter_chance",
            "gray_chance",
            "blur_chance",
            "brightness",
            "contrast",
            "saturation",
        ):
            _check.between(name, getattr(self, name), 0.0, 1.0)
        _check.between("hue", self.hue, 0.0, 0.5)
        if self.size is not None:
            _check.whole("size", self.size)
        _check.between("rotation", self.rotation, 0.0, 180.0)
        for name, low, high in (("crop_scale", 1e-4, 1.0), ("crop_ratio", 1e-2, 1e2), ("blur_sigma", 0.0, 1e3)):
            pair = getattr(self, name)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(
                    f"{name} must be two numbers, least and largest, got {pair!r}; pass ({low}, {high}) or closer"
                )
            least, most = pair
            _check.between(f"{name}[0]", least, low, high)
            _check.between(f"{name}[1]", most, low, high)
            if least > most:
                raise ValueError(f"{name}[0] must not exceed {name}[1], got {(least, most)}; swap them")

    def __call__(self, images: Tensor, *, generator: torch.Generator) -> Tensor:
        r"""Return views of images (B, 3, H, W) in [0, 1], as large or of ``size``; the generator is on their device."""
        _in_range(images)
        with torch.autocast(images.device.type, enabled=False):  # positions in half precision are off by half a pixel
            return self._views(images, generator)

    def _views(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, device = len(images), images.device

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator, device=device)

        def chance(of: float) -> Tensor:
            return torch.rand(count, generator=generator, device=device) < of

        area = uniform(*self.crop_scale)
        ratio = torch.exp(uniform(*(math.log(r) for r in self.crop_ratio)))
        ratio = torch.maximum(area, torch.minimum(ratio, 1 / area))  # neither side may exceed the image's
        wide, tall = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)  # rounding may
        boxes = torch.stack([uniform(0, 1) * (1 - wide), uniform(0, 1) * (1 - tall), wide, tall], dim=1)
        turn = uniform(-1, 1) * math.radians(self.rotation) if self.rotation else None
        views = warp(images, boxes=boxes, flip=chance(self.flip_chance), angle=turn, size=self.size)
        jitter = chance(self.jitter_chance)

        def factor(reach: float) -> Tensor:
            return torch.where(jitter, uniform(1 - reach, 1 + reach), 1.0)

        views = recolour(
            views,
            brightness=factor(self.brightness),
            contrast=factor(self.contrast),
            saturation=factor(self.saturation),
            hue=torch.where(jitter, uniform(-self.hue, self.hue), 0.0),
            gray=chance(self.gray_chance),
        )
        if self.blur_chance:
            chosen, sigma = chance(self.blur_chance), uniform(*self.blur_sigma)
            if _check.values_of(views):  # fewer images to blur
                views[chosen] = blur(views[chosen], sigma=sigma[chosen])
            else:  # to pick some would wait for the device
                views = blur(views, sigma=torch.where(chosen, sigma, 0.0), largest=self.blur_sigma[1])
        return views
