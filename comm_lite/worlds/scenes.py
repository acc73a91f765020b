r"""Scenes: a few plain shapes in plain colours, apart from each other on a grey canvas.

Lengths are in half canvases: the canvas reaches from -1 to 1 either way, y grows downward.
Letters: ``N`` scenes, ``M`` places for objects in each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.worlds._sheets import look_up, pixel_points, shape_masks, tall_sheet, turned
from comm_lite.worlds.render import COLOURS, GREY, REACH

LARGEST = 0.5 / REACH
"""Half box of the largest object of which four fit side by side, however they are turned."""


def lay_out(things: Tensor, count: Tensor, relation: Tensor, *, generator: torch.Generator) -> dict[str, Tensor]:
    r"""Give each object of each scene a place, a size and a turn of its own, so that no two overlap.

    What is drawn at random for a scene does not depend on what it holds: two calls with generators of one seed lay out
    two versions of a scene that differ in nothing else.

    Args:
        things: (N, 2, 2) shape and colour of the first and second kind of object, as numbers; the second is -1 where
            there is none.
        count: (N,) objects in each scene, 1 to 4; two if there are two kinds.
        relation: (N,) where the first object is, seen from the second: 0 left, 1 right, 2 above, 3 below; -1 where
            all objects are of one kind.
        generator: source of the draws, on the CPU.

    Returns:
        ``shape``, ``colour``, ``place``, ``box`` and ``angle`` for four objects a scene, as `draw_scenes` takes them.
        A lone object is anywhere, and up to twice as large; several of one kind are each in a quarter of their own; two
        kinds are in halves.

    Raises:
        TypeError: if a tensor does not hold integers.
        ValueError: if the shapes do not fit each other.

    Example:
        >>> things = torch.tensor([[[3, 0], [1, 2]]])  # a red circle, a blue square
        >>> scene = lay_out(things, torch.tensor([2]), torch.tensor([0]), generator=torch.Generator().manual_seed(0))
        >>> (scene["place"][0, 0, 0] < scene["place"][0, 1, 0]).item()
        True
    """
    _check.shape("things", things, "N K F")
    for name, value in (("things", things), ("count", count), ("relation", relation)):
        _check.integers(name, value)
        _check.rows(name, value, len(things))
    u = torch.rand(len(things), 4, 6, generator=generator)
    box = LARGEST * (0.65 + 0.25 * u[..., 0])
    box[:, 0] = torch.where(count == 1, LARGEST * (0.9 + 1.1 * u[:, 0, 0]), box[:, 0])  # a lone object has room
    angle = math.pi / 12 * (2 * u[..., 1] - 1)  # by up to 15 degrees, so that no square looks like a rhombus
    reach = box * REACH
    jitter = (2 * u[..., 2:4] - 1) * (0.5 - reach)[..., None]
    corners = torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    place = corners[u[..., 4].argsort(1)] + jitter
    place[:, 0] = torch.where(count[:, None] == 1, (2 * u[:, 0, 2:4] - 1) * (1 - reach[:, :1]), place[:, 0])
    side = torch.tensor([-0.5, 0.5, -0.5, 0.5])[relation]  # of the first of two kinds, along the line between them
    along, across = torch.stack([side, -side], dim=1), (u[:, :1, 5] - 0.5).expand(-1, 2)
    beside, stacked = torch.stack([along, across], dim=2), torch.stack([across, along], dim=2)
    two = torch.where((relation < 2)[:, None, None], beside, stacked) + jitter[:, :2]
    mixed = (relation >= 0)[:, None, None]
    place[:, :2] = torch.where(mixed, two, place[:, :2])
    kinds = torch.where(mixed, things, things[:, :1])[:, [0, 1, 0, 0]]
    kinds = torch.where(torch.arange(4)[:, None] < count[:, None, None], kinds, -1)
    return {"shape": kinds[..., 0], "colour": kinds[..., 1], "place": place, "box": box, "angle": angle}


def draw_scenes(shape: Tensor, colour: Tensor, *, place: Tensor, box: Tensor, angle: Tensor, size: int = 48) -> Tensor:
    r"""Draw one image a scene, with the ten shapes of Trifeatures, untextured.

    .. math::
        \text{pixel} = g + \sum_k m_k \, (c_k - g)

    with the grey :math:`g` of the canvas, the colour :math:`c_k` of object k and its mask :math:`m_k` in [0, 1].
    Nothing is random here. Objects must not overlap: colours would add up.

    Args:
        shape: (N, M) indices into `SHAPES`, or -1 where there is no object.
        colour: (N, M) indices into the names of `COLOURS`; ignored where there is no object.
        place: (N, M, 2) centres, x to the right and y downward, in [-1, 1].
        box: (N, M) half the side of the box that a shape is drawn in, above 0 and at most 1.
        angle: (N, M) by how much the shapes are turned, in radians.
        size: side of the square images in pixels, at least 16.

    Returns:
        (N, 3, size, size) images, uint8 in 0..255, on the device of ``shape``.

    Raises:
        TypeError: if ``shape`` or ``colour`` does not hold integers.
        ValueError: if a shape or a range is not as described.

    Example:
        >>> circle, red = torch.tensor([[3]]), torch.tensor([[0]])
        >>> image = draw_scenes(
        ...     circle, red, place=torch.zeros(1, 1, 2), box=torch.full((1, 1), 0.5), angle=torch.zeros(1, 1), size=16
        ... )
        >>> image[0, :, 8, 8].tolist(), image[0, :, 0, 0].tolist()  # in the circle, and in a corner
        ([255, 0, 0], [128, 128, 128])
    """
    for name, value in (("shape", shape), ("colour", colour)):
        _check.shape(name, value, "N M")
        _check.integers(name, value)
    _check.whole("size", size, least=16)
    for name, value in {"colour": colour, "place": place, "box": box, "angle": angle}.items():
        _check.is_tensor(name, value)
        wanted = (*shape.shape, 2) if name == "place" else shape.shape
        if value.shape != wanted:
            raise ValueError(
                f"{name} must have shape {tuple(wanted)}, got {tuple(value.shape)}; give each object of shape one"
            )
    there = shape >= 0
    for name, value, low, high in (("shape", shape, -1, 9), ("colour", colour[there], 0, 9), ("box", box[there], 0, 1)):
        if value.numel() and not low <= value.min() <= value.max() <= high:
            raise ValueError(
                f"{name} must lie in {low}..{high}, got {value.min().item()}..{value.max().item()}; "
                f"give objects that are not there shape -1"
            )
    device = shape.device
    side = round(LARGEST * size * REACH) + 2
    reach = REACH * side / (side - 2)  # the outermost pixels stay empty: what lies outside takes their value
    sheet = tall_sheet(shape_masks(*pixel_points(side, reach, 4)), 4).to(device)
    palette = torch.tensor(list(COLOURS.values()), device=device) - GREY
    images = torch.empty(len(shape), 3, size, size, dtype=torch.uint8, device=device)
    for start in range(0, len(shape), 64):  # 64 scenes at a time stay in the cache
        part = slice(start, start + 64)
        rows, slots = there[part].nonzero(as_tuple=True)
        which = (rows + start, slots)
        zoom = 1 / (box[which] * reach)
        shift = -turned(place[which] * zoom[:, None], angle[which])
        mask = look_up(sheet, shape[which], angle[which], shift, size, zoom)
        canvas = torch.full((len(there[part]), 3, size, size), GREY, device=device)
        canvas.index_add_(0, rows, mask * palette[colour[which]][:, :, None, None])
        images[part] = (255 * canvas + 0.5).clamp_(0, 255)
    return images
