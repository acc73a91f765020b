r"""The pictures of Trifeatures: a shape, filled with a texture in a colour, somewhere on a grey canvas.

Shapes and textures are drawn once, by formula; an image is then two look-ups into these drawings.

Source: Hermann and Lampinen (2020), "What shapes feature representations?".
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check

SHAPES = ("triangle", "square", "plus", "circle", "tee", "rhombus", "pentagon", "star", "fivesquare", "trapezoid")
TEXTURES = ("solid", "stripes", "grid", "hexgrid", "dots", "noise", "triangles", "zigzags", "rain", "pluses")
COLOURS = {
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "pink": (1.0, 0.4, 1.0),
    "cyan": (0.0, 1.0, 1.0),
    "purple": (0.3, 0.0, 0.5),
    "ocean": (0.1, 0.4, 0.5),
    "orange": (1.0, 0.6, 0.0),
    "white": (1.0, 1.0, 1.0),
}
"""Colour names and their (red, green, blue), each in [0, 1]."""

GREY = 0.5
_BOX = 128 / 224  # the side of the box that a shape is drawn in, in canvas sides
_REACH = 1.18  # no shape reaches further from its centre, in half boxes; so none is ever cut by the border
_TURN = math.pi / 4  # shapes and textures are turned by up to 45 degrees either way


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


def _shape_masks(x: Tensor, y: Tensor) -> Tensor:
    r"""The ten shapes at points of the box [-1, 1] x [-1, 1] (y grows downward), as booleans (10, *x.shape)."""
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


def _texture_masks(u: Tensor, v: Tensor, generator: torch.Generator) -> Tensor:
    r"""The ten textures at points measured in texture periods, as floats (10, *u.shape)."""
    fu, fv = u % 1, v % 1
    cu, cv = fu - 0.5, fv - 0.5
    saw = 2 * cu.abs()  # 1 at the border of a period, 0 in its middle
    # hexagons: the distance to the nearest cell border, from the two interleaved lattices of cell centres
    s = math.sqrt(3)
    a = torch.stack([cu, ((v / s) % 1 - 0.5) * s])
    b = torch.stack([(u - 0.5) % 1 - 0.5, (((v - s / 2) / s) % 1 - 0.5) * s])
    near = torch.where((a.square().sum(0) < b.square().sum(0)), a, b).abs()
    hexagon = torch.maximum(near[0], 0.5 * near[0] + s / 2 * near[1])
    # noise: grains of a fifth of a period, on or off; rain: dashes that start at a random height in each column
    cells = int(max(u.abs().max(), v.abs().max())) + 2
    grains = torch.rand(2 * 5 * cells, 2 * 5 * cells, generator=generator) < 0.5
    noise = grains[(5 * (v + cells)).long(), (5 * (u + cells)).long()]
    start = 2 * torch.rand(4 * cells, generator=generator)[(2 * (u + cells)).long()]
    rain = ((2 * u) % 1 < 0.5) & ((v + start) % 2 < 1.1)
    return torch.stack(
        [
            torch.ones_like(u, dtype=torch.bool),
            fu < 0.5,
            (fu < 0.3) | (fv < 0.3),
            hexagon > 0.36,
            cu.square() + cv.square() < 0.32**2,
            noise,
            (saw < fv) & (fv < 0.9),
            (v + saw) % 1 < 0.5,
            rain,
            ((cu.abs() < 0.13) & (cv.abs() < 0.38)) | ((cv.abs() < 0.13) & (cu.abs() < 0.38)),
        ]
    )


def _points(size: int, extent: float, oversample: int) -> tuple[Tensor, Tensor]:
    r"""Centres of ``oversample`` squared points in each of ``size`` squared pixels over [-extent, extent]."""
    line = (torch.arange(size * oversample) + 0.5) / (size * oversample) * 2 * extent - extent
    y, x = torch.meshgrid(line, line, indexing="ij")
    return x, y


def _sheet(masks: Tensor, oversample: int) -> Tensor:
    r"""Average the points of each pixel and stack the ten pictures into one tall sheet (1, 1, 10 * side, side)."""
    return F.avg_pool2d(masks.float()[:, None], oversample).reshape(1, 1, -1, masks.shape[-1] // oversample)


def _look_up(sheet: Tensor, picture: Tensor, angle: Tensor, shift: Tensor, size: int, scale: float) -> Tensor:
    r"""Turn and shift picture ``picture[i]`` of ``sheet`` and return it as (B, 1, size, size).

    ``scale`` says how many half pictures half a canvas is long; ``shift`` is in half pictures. Points outside a
    picture take the value of its border.
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


def render(factors: Tensor, *, size: int = 64, texture_period: float = 10.0, generator: torch.Generator) -> Tensor:
    r"""Draw one image per row of ``factors``, each at a random place, with shape and texture turned at random.

    With m = shape x texture in [0, 1], a pixel is m * colour + (1 - m) * grey. The ten shapes and ten textures are
    drawn once, with 16 points a pixel; each image is then two look-ups into these sheets, so the cost of an image does
    not depend on how complicated its texture is.

    Args:
        factors: (B, 3) integers, the columns being indices into `SHAPES`, `TEXTURES` and `COLOURS`, each in 0..9.
        size: side of the square image in pixels, at least 16. The paper uses 224.
        texture_period: length after which a texture repeats, in pixels; below 4 the textures blur into grey.
        generator: source of places, angles and offsets. Its device is the device of the images.

    Returns:
        (B, 3, size, size) images as uint8 in 0..255, on the generator's device.

    Raises:
        TypeError: if ``factors`` is not an integer tensor or ``size`` is not an integer.
        ValueError: if a shape, range or period is not as described.

    Example:
        >>> star = torch.tensor([[SHAPES.index("star"), TEXTURES.index("dots"), 0]])
        >>> render(star, size=64, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([1, 3, 64, 64])

    Source: bimodal Trifeature of Dufumier et al. (ICLR 2025). Differs from the authors' code: angles are real numbers
    rather than whole degrees, and the shape keeps clear of the border.
    """
    _check.shape("factors", factors, "B 3")
    _check.integers("factors", factors)
    if factors.shape[1] != 3 or factors.numel() and not (0 <= int(factors.min()) and int(factors.max()) <= 9):
        raise ValueError(
            f"factors must have shape (B, 3) with values in 0..9, got shape {tuple(factors.shape)} and values up to "
            f"{factors.max().item() if factors.numel() else 'none'}; the columns are shape, texture and colour"
        )
    _check.whole("size", size, least=16)
    _check.positive("texture_period", texture_period)
    device = generator.device
    factors = factors.to(device)
    # a canvas of twice the side leaves room to turn by 45 degrees and to shift by 0.29 of a side
    canvas = [c * size / texture_period for c in _points(2 * size, 1.0, 4)]
    sheets_from = torch.Generator().manual_seed(int(torch.randint(2**31, (1,), generator=generator, device=device)))
    textures = _sheet(_texture_masks(*canvas, sheets_from), 4).to(device)
    # the sheet of shapes has the canvas's own resolution; its box reaches to where every shape has ended
    shapes = _sheet(_shape_masks(*_points(round(_BOX * size * _REACH) + 2, _REACH * 1.03, 4)), 4).to(device)
    palette = torch.tensor(list(COLOURS.values()), device=device)
    images = torch.empty(len(factors), 3, size, size, dtype=torch.uint8, device=device)
    for start in range(0, len(factors), 64):  # 64 images at a time stay in the cache
        rows = factors[start : start + 64]
        draw = torch.rand(len(rows), 6, generator=generator, device=device)
        angle = (2 * draw[:, :2] - 1) * _TURN
        place = (2 * draw[:, 2:4] - 1) * (1 - _BOX * _REACH)
        offset = (2 * draw[:, 4:] - 1) * (1 - math.sqrt(0.5))
        turned = torch.stack(  # the place seen from the turned shape
            [
                angle[:, 0].cos() * place[:, 0] - angle[:, 0].sin() * place[:, 1],
                angle[:, 0].sin() * place[:, 0] + angle[:, 0].cos() * place[:, 1],
            ],
            dim=1,
        )
        zoom = 1 / (_BOX * _REACH * 1.03)
        mask = _look_up(shapes, rows[:, 0], angle[:, 0], -turned * zoom, size, zoom)
        mask *= _look_up(textures, rows[:, 1], angle[:, 1], offset, size, 0.5)
        colour = (palette[rows[:, 2]] - GREY)[:, :, None, None]
        images[start : start + 64] = torch.addcmul(torch.tensor(255 * GREY + 0.5, device=device), mask, 255 * colour)
    return images


def combinations() -> Tensor:
    r"""List all 1 000 combinations of shape, texture and colour.

    Returns:
        (1000, 3) integers, as `render` takes them.

    Example:
        >>> combinations()[-1]
        tensor([9, 9, 9])
    """
    return torch.cartesian_prod(*[torch.arange(10)] * 3)
