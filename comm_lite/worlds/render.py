r"""The pictures of Trifeatures: a shape, filled with a texture in a colour, somewhere on a grey canvas.

Shapes and textures are drawn once, by formula; an image is then two look-ups into these drawings.

Source: Hermann and Lampinen (2020), "What shapes feature representations?".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.worlds._sheets import look_up, pixel_points, shape_masks, tall_sheet, turned

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
REACH = 1.18  # no shape reaches further from its centre, in half boxes; so none is ever cut by the border
_TURN = math.pi / 4  # shapes and textures are turned by up to 45 degrees either way


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
    _check.columns("factors", factors, (10, 10, 10), "shape, texture and colour")
    _check.whole("size", size, least=16)
    _check.positive("texture_period", texture_period)
    device = generator.device
    factors = factors.to(device)
    # a canvas of twice the side leaves room to turn by 45 degrees and to shift by 0.29 of a side
    canvas = [c * size / texture_period for c in pixel_points(2 * size, 1.0, 4)]
    sheets_from = torch.Generator().manual_seed(int(torch.randint(2**31, (1,), generator=generator, device=device)))
    textures = tall_sheet(_texture_masks(*canvas, sheets_from), 4).to(device)
    # the sheet of shapes has the canvas's own resolution; its box reaches to where every shape has ended
    shapes = tall_sheet(shape_masks(*pixel_points(round(_BOX * size * REACH) + 2, REACH * 1.03, 4)), 4).to(device)
    palette = torch.tensor(list(COLOURS.values()), device=device)
    images = torch.empty(len(factors), 3, size, size, dtype=torch.uint8, device=device)
    for start in range(0, len(factors), 64):  # 64 images at a time stay in the cache
        rows = factors[start : start + 64]
        draw = torch.rand(len(rows), 6, generator=generator, device=device)
        angle = (2 * draw[:, :2] - 1) * _TURN
        place = (2 * draw[:, 2:4] - 1) * (1 - _BOX * REACH)
        offset = (2 * draw[:, 4:] - 1) * (1 - math.sqrt(0.5))
        zoom = 1 / (_BOX * REACH * 1.03)
        mask = look_up(shapes, rows[:, 0], angle[:, 0], -turned(place, angle[:, 0]) * zoom, size, zoom)
        mask *= look_up(textures, rows[:, 1], angle[:, 1], offset, size, 0.5)
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
