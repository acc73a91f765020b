r"""Sheets of ten pictures that are drawn once, by formula; an image is then a look-up into them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def _polygon(x: Tensor, y: Tensor, corners: list[tuple[float, float]]) -> Tensor:
    r"""Even-odd rule: a point is inside when a ray to the right crosses the outline an odd number of times."""
    inside = torch.zeros_like(x, dtype=torch.bool)
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 != y2:
            inside ^= ((y < y1) != (y < y2)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def _ring(corners: int, *radii: float) -> list[tuple[float, float]]:
    r"""Corners on circles about the centre, the first on top, taking the radii in turn."""
    turn = [2 * math.pi * k / corners for k in range(corners)]
    return [(radii[k % len(radii)] * math.sin(t), -radii[k % len(radii)] * math.cos(t)) for k, t in enumerate(turn)]


def shape_masks(x: Tensor, y: Tensor) -> Tensor:
    r"""Whether points of the box [-1, 1], y downward, lie in each of `SHAPES`: booleans (10, *x.shape)."""
    ax, ay = x.abs(), y.abs()
    third = 0.82 / 3
    return torch.stack(
        [
            _polygon(x, y, _ring(3, 1.12)),
            (ax < 0.82) & (ay < 0.82),
            ((ax < 0.32) & (ay < 0.98)) | ((ay < 0.32) & (ax < 0.98)),
            x**2 + y**2 < 0.92**2,
            ((ay < 0.9) & (ax < 0.3)) | ((y > -0.9) & (y < -0.32) & (ax < 0.75)),
            ax / 0.72 + ay / 1.12 < 1,
            _polygon(x, y, _ring(5, 1.02)),
            _polygon(x, y, _ring(10, 1.12, 0.5)),
            (ax < 3 * third) & (ay < 3 * third) & ((ax < third) == (ay < third)),
            _polygon(x, y, [(-0.5, -0.65), (0.5, -0.65), (0.95, 0.65), (-0.95, 0.65)]),
        ]
    )


def pixel_points(size: int, extent: float, oversample: int) -> tuple[Tensor, Tensor]:
    r"""Coordinates x, y of ``oversample`` x ``oversample`` points a pixel, over [-extent, extent], y downward."""
    line = (torch.arange(size * oversample) + 0.5) / (size * oversample) * 2 * extent - extent
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y


def tall_sheet(masks: Tensor, oversample: int) -> Tensor:
    r"""Average the points of each pixel of ten pictures, stacked into one sheet (1, 1, 10 * side, side)."""
    return F.avg_pool2d(masks.float()[:, None], oversample).reshape(1, 1, -1, masks.shape[-1] // oversample)


def turned(points: Tensor, angle: Tensor) -> Tensor:
    r"""Points (N, 2), y downward, as they are seen from a shape that is turned by ``angle`` (N,)."""
    (x, y), cos, sin = points.unbind(1), angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=1)


def look_up(sheet: Tensor, picture: Tensor, angle: Tensor, shift: Tensor, size: int, scale: Tensor | float) -> Tensor:
    r"""Look pictures of a sheet up, each turned and shifted, as masks (B, 1, size, size) in [0, 1].

    ``angle`` is in radians, ``shift`` (B, 2) says where the middle of the canvas lies in the picture, in half pictures,
    and ``scale`` how many of these half a canvas is long. Points outside a picture take the value of its border.
    """
    side = sheet.shape[-1]
    count = sheet.shape[-2] // side
    cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
    line = (torch.arange(size, device=sheet.device) + 0.5) / size * 2 - 1
    inside = 1 - 1 / side  # the centre of the outermost pixel
    u = (cos[:, None] * line + shift[:, :1])[:, None, :] - (sin[:, None] * line)[:, :, None]
    v = (sin[:, None] * line + shift[:, 1:])[:, None, :] + (cos[:, None] * line)[:, :, None]
    v = v.clamp_(-inside, inside).add_((2 * picture + 1 - count).view(-1, 1, 1)).div_(count)
    grid = torch.stack([u.clamp_(-inside, inside), v], dim=-1)  # (B, size, size, 2)
    return F.grid_sample(sheet.expand(len(picture), -1, -1, -1), grid, align_corners=False)
