r"""Movie posters, drawn by formula: the same movie can be drawn at any size.

A poster is painted in layers, from the sky to the title. Each layer is a mask in [0, 1], soft over one pixel, and a
colour; coordinates run from -1 to 1, y downward.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from comm_lite import _check

SETTINGS = ("sea", "mountains", "city", "forest")
SCENE = {"setting": SETTINGS, "token": ("none", "heart", "ring"), "hand": ("no", "yes"), "smile": ("no", "yes")}
r"""The columns of a scene, and the values of each."""
LOOKS = 25
r"""Numbers in [0, 1] that fix all that does not matter: light, places, hair, clothes, clouds, the title."""

_SKY = torch.tensor(
    [[0.98, 0.75, 0.55], [0.55, 0.78, 0.95], [0.62, 0.85, 0.85], [0.85, 0.62, 0.72], [0.36, 0.40, 0.62]]
)
_GROUND = torch.tensor([[0.10, 0.36, 0.62], [0.44, 0.40, 0.46], [0.25, 0.26, 0.33], [0.13, 0.40, 0.22]])
_ACCENT = torch.tensor([[0.45, 0.72, 0.88], [0.97, 0.97, 1.00], [1.00, 0.88, 0.45], [0.30, 0.58, 0.28]])
_HAIR = torch.tensor([[0.12, 0.08, 0.08], [0.45, 0.25, 0.10], [0.80, 0.55, 0.20], [0.70, 0.70, 0.72]])
_CLOTHES = torch.tensor([[0.20, 0.25, 0.55], [0.15, 0.45, 0.40], [0.55, 0.35, 0.55], [0.90, 0.88, 0.80]])


def _pick(table: Tensor, u: Tensor) -> Tensor:
    r"""A row of ``table`` for each number in [0, 1]."""
    return table[(u * len(table)).long().clamp(max=len(table) - 1)]


class _Canvas:
    r"""Pictures (B, 3, H, W) in the making, with the coordinates of their pixels."""

    def __init__(self, count: int, size: int) -> None:
        self.size = size
        line = (torch.arange(size) + 0.5) / size * 2 - 1
        self.x, self.y = line.view(1, 1, -1), line.view(1, -1, 1)
        self.pixels = torch.zeros(count, 3, size, size)

    def soft(self, distance: Tensor) -> Tensor:
        r"""From a signed distance, negative inside, to a mask whose edge is one pixel wide."""
        return (0.5 - distance * self.size / 2).clamp(0, 1)

    def paint(self, mask: Tensor, colour: Tensor, rows: Tensor | slice = slice(None)) -> None:
        r"""Lay ``colour`` (3,) or (B, 3) over ``rows`` where ``mask`` (B, H, W) says so."""
        colour = colour.reshape(-1, 3, 1, 1)
        self.pixels[rows] += mask[:, None] * (colour - self.pixels[rows])

    def disc(self, x: Tensor, y: Tensor, radius: Tensor | float, tall: float = 1.0) -> Tensor:
        return ((self.x - _at(x)).square() + ((self.y - _at(y)) / tall).square()).sqrt() - radius

    def capsule(self, x: Tensor, y: Tensor, dx: Tensor, dy: float, radius: float) -> Tensor:
        r"""Distance to the stroke of half width ``radius`` from (x, y) to (x + dx, y + dy)."""
        px, py, dx = self.x - _at(x), self.y - _at(y), _at(dx)
        along = ((px * dx + py * dy) / (dx.square() + dy * dy)).clamp(0, 1)
        return ((px - along * dx).square() + (py - along * dy).square()).sqrt() - radius


def _at(value: Tensor) -> Tensor:
    return value.view(-1, 1, 1)


def _ground(c: _Canvas, setting: int, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    r"""Masks of the ground and of what lies on it: foam, snow, lit windows, or the lighter trees in front."""
    phase, x, y = 7 * _at(u), c.x, c.y

    def saw(k: float, shift: Tensor) -> Tensor:
        return 2 * ((k * x + shift) % 1 - 0.5).abs()  # 1 at the ends of a period, 0 in its middle

    if setting == 0:
        ridge = 0.12 + 0.02 * torch.sin(14 * x + phase)
        return c.soft(ridge - y), c.soft(((5 * (y - ridge) + 0.3 * torch.sin(9 * x + phase)) % 1 - 0.5).abs() - 0.1)
    if setting == 1:
        ridge = -0.38 + 0.75 * saw(0.8, phase) * (0.75 + 0.25 * torch.sin(2 * x + phase))
        return c.soft(ridge - y), c.soft(y - ridge - 0.17 + 0.1 * saw(3.0, phase))
    if setting == 2:
        block = torch.floor(4.5 * x + phase)
        ridge = 0.02 + 0.3 * torch.sin(2.4 * block + 9 * _at(v))
        lit = torch.sin(91.7 * torch.floor(11 * x + 2.4 * phase) + 47.3 * torch.floor(11 * y)) > 0.2
        inner = ((11 * y) % 1 - 0.5).abs() < 0.3
        return c.soft(ridge - y), (lit & inner & (((11 * x + 2.4 * phase) % 1 - 0.5).abs() < 0.3)).float()
    behind, front = -0.25 + 0.55 * saw(2.6, phase), 0.15 + 0.6 * saw(2.0, 3 * phase)
    return c.soft(torch.minimum(behind, front) - y), c.soft(front - y)


def draw_posters(scenes: Tensor, looks: Tensor, *, size: int = 48) -> Tensor:
    r"""Paint one poster for each row of ``scenes``; the same rows give the same posters, at any size.

    Args:
        scenes: (B, 4) integers, one column for each entry of `SCENE`: the setting; a heart, a ring or neither in the
            sky; whether a black hand reaches up and blood runs down; whether the couple smiles.
        looks: (B, 25) floats in [0, 1] for everything that does not matter, see `LOOKS`.
        size: side of the square poster in pixels, at least 16.

    Returns:
        (B, 3, size, size) uint8 in 0..255.

    Raises:
        TypeError: if ``scenes`` does not hold integers.
        ValueError: if a shape or range is not as described.

    Example:
        >>> draw_posters(torch.tensor([[0, 1, 0, 1]]), torch.full((1, LOOKS), 0.5), size=32).shape
        torch.Size([1, 3, 32, 32])
    """
    _check.columns("scenes", scenes, map(len, SCENE.values()), ", ".join(SCENE))
    _check.shape("looks", looks, "B D")
    _check.rows("looks", looks, len(scenes))
    _check.whole("size", size, least=16)
    if looks.shape[1] != LOOKS:
        raise ValueError(f"looks must have shape (B, {LOOKS}), got {tuple(looks.shape)}; draw them with torch.rand")
    parts = [_draw(s, u, size) for s, u in zip(scenes.split(128), looks.split(128), strict=True)]
    return torch.cat(parts) if parts else torch.empty(0, 3, size, size, dtype=torch.uint8)


def _draw(scenes: Tensor, looks: Tensor, size: int) -> Tensor:
    setting, token, hand, smile = scenes.unbind(1)
    u = iter(looks.unbind(1))
    c = _Canvas(len(scenes), size)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * next(u)

    # sky, sun, cloud
    sky = _pick(_SKY, next(u))
    c.pixels += sky.view(-1, 3, 1, 1) * (0.9 + 0.2 * c.y.view(1, 1, -1, 1)).clamp(max=1.0)
    c.paint(c.soft(c.disc(between(-0.8, 0.8), between(-0.8, -0.3), 0.13)), torch.tensor([1.0, 0.97, 0.85]))
    x, y = between(-0.8, 0.8), between(-0.85, -0.5)
    cloud = torch.minimum(c.disc(x, y, 0.16, 0.55), c.disc(x + 0.17, y + 0.03, 0.12, 0.55))
    c.paint(0.8 * c.soft(cloud), torch.ones(3))
    # the setting
    phase, more = next(u), next(u)
    for k in range(len(SETTINGS)):
        rows = (setting == k).nonzero().squeeze(1)
        ground, accent = _ground(c, k, phase[rows], more[rows])
        c.paint(ground, _GROUND[k], rows)
        c.paint(ground * accent, _ACCENT[k], rows)
    # the token in the sky: a heart, or a ring
    x, y, big = between(-0.45, 0.45), between(-0.5, -0.3), between(0.3, 0.38)
    rows = (token == 1).nonzero().squeeze(1)
    hx, hy = (c.x - _at(x[rows])) / _at(big[rows]), (c.y - _at(y[rows])) / _at(big[rows])
    lobes = ((hx.abs() - 0.5).square() + (hy + 0.35).square()).sqrt() - 0.56
    wedge = torch.maximum((hx.abs() + hy) * math.sqrt(0.5) - 0.66, -0.4 - hy)
    heart = torch.minimum(lobes, torch.maximum(wedge, hx.abs() - 1))
    c.paint(c.soft((heart - 0.12) * _at(big[rows])), torch.ones(3), rows)
    c.paint(c.soft(heart * _at(big[rows])), torch.tensor([0.93, 0.16, 0.33]), rows)
    rows = (token == 2).nonzero().squeeze(1)
    c.paint(c.soft(c.disc(x[rows], y[rows] + 0.08, 0.24).abs() - 0.06), torch.tensor([0.95, 0.72, 0.10]), rows)
    gem = ((c.x - _at(x[rows])).abs() + (c.y - _at(y[rows]) + 0.24).abs()) - 0.17
    c.paint(c.soft(gem), torch.tensor([0.25, 0.95, 1.0]), rows)
    # the couple
    x, y, apart = between(-0.3, 0.3), between(0.28, 0.4), 0.25
    skin = torch.where(smile[:, None] == 1, torch.tensor([1.0, 0.80, 0.42]), torch.tensor([0.62, 0.78, 0.82]))
    mouth = torch.where(smile == 1, 1.0, -1.0)
    for side in (-1, 1):
        fx, fy, hair = x + side * apart, y - 0.05 * side * next(u), _pick(_HAIR, next(u))
        c.paint(c.soft(c.disc(fx, fy + 0.55, 0.3, 1.25)), _pick(_CLOTHES, next(u)))
        c.paint(c.soft(c.disc(fx, fy - 0.05, 0.255)), hair)
        c.paint(c.soft(c.disc(fx, fy + 0.03, 0.215)), skin)
        for eye in (-0.08, 0.08):
            c.paint(c.soft(c.disc(fx + eye, fy - 0.03, 0.032)), torch.zeros(3))
        px, py = c.x - _at(fx), c.y - _at(fy) - 0.12
        curve = py - _at(mouth) * (0.035 - 5 * px.square())
        c.paint(c.soft(torch.maximum(curve.abs() - 0.026, px.abs() - 0.11)), torch.tensor([0.45, 0.05, 0.08]))
    # horror: blood from above, a black hand from below
    rows = (hand == 1).nonzero().squeeze(1)
    v, x, left = next(u)[rows], between(0.6, 0.8)[rows], (next(u)[rows] < 0.5)
    drip = -0.86 + 0.22 * (torch.sin(13 * c.x + 9 * _at(v)) * torch.sin(5 * c.x + 5 * _at(v))).clamp(min=-0.2)
    c.pixels[rows] *= 0.72
    c.paint(c.soft(c.y - drip), torch.tensor([0.66, 0.0, 0.05]), rows)
    x = torch.where(left, -x, x)
    fingers = c.disc(x, torch.full_like(x, 0.72), 0.21)
    for lean, tip in ((-0.27, -0.36), (-0.1, -0.52), (0.08, -0.52), (0.24, -0.4)):
        fingers = torch.minimum(fingers, c.capsule(x + 0.6 * lean, x * 0 + 0.66, x * 0 + lean / 2, tip, 0.05))
    fingers = torch.minimum(fingers, c.capsule(x, x * 0 + 0.8, torch.where(left, 0.36, -0.36), -0.2, 0.055))
    fingers = torch.minimum(fingers, c.capsule(x, x * 0 + 0.8, x * 0.2, 0.5, 0.14))
    c.paint(c.soft(fingers), torch.tensor([0.03, 0.02, 0.04]), rows)
    # the title, and the light of the print
    width = _at(between(0.3, 0.7))
    title = torch.maximum((c.y - 0.88).abs() - 0.05, (c.x + _at(between(-0.2, 0.2))).abs() - width)
    gaps = ((6 * c.x + 7 * _at(next(u))) % 1 - 0.5).abs() < 0.4
    c.paint(c.soft(title) * gaps, torch.tensor([0.97, 0.95, 0.9]))
    light = between(0.85, 1.08).view(-1, 1, 1, 1)
    return (c.pixels * light * 255 + 0.5).clamp(0, 255).to(torch.uint8)
