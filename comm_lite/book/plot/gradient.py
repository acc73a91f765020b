r"""A figure to move: what pulls and what pushes each embedding under InfoNCE, on a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from comm_lite import _check
from comm_lite.book.plot._layout import GREY, look
from comm_lite.book.plot.frames import slider
from comm_lite.book.plot.style import COLOURS


def infonce_gradient(
    query: float, keys: Sequence[float], temperature: float | Sequence[float], *,
    negative: float | Sequence[float] | None = None, start: float | None = None,
) -> go.Figure:  # fmt: skip
    r"""Show on a circle where InfoNCE pulls and pushes a query and its keys, as the temperature or a negative moves.

    With unit arrows :math:`\hat q`, :math:`\hat k_j`, the own key 0 and the softmax :math:`p`, a step of descent moves
    the query along the first line and key :math:`j` along the second:

    .. math::
        \tau \left(-\partial \mathcal{L} / \partial \hat q\right) &= (I - \hat q \hat q^\top)
        \Big[(1 - p_0)\, \hat k_0 - \sum_{j > 0} p_j\, \hat k_j\Big] \\
        \tau \left(-\partial \mathcal{L} / \partial \hat k_j\right) &= (I - \hat k_j \hat k_j^\top)
        \left([j = 0] - p_j\right) \hat q

    Arrows are drawn times :math:`\tau`, so that temperatures can be compared; the circle has radius 1.

    Args:
        query: where the query is, in degrees.
        keys: where the keys are, in degrees, 2 or more; the first is the query's own.
        temperature: :math:`\tau`, above 0; several make a slider.
        negative: put the first negative, ``keys[1]``, there instead, in degrees; several make a slider.
        start: the step that is shown first.

    Returns:
        A Plotly figure; the title says which share of the pushing comes from the nearest negative.

    Raises:
        TypeError: if a place or a temperature is not a number.
        ValueError: if there are not two keys, a temperature is not above 0, or both it and ``negative`` are several.

    Example:
        >>> figure = infonce_gradient(90, [0, 180, 270], [0.1, 1.0], start=1.0)
        >>> figure.layout.title.text.split("<br>")[0]
        'τ = 1: the nearest negative does 73% of'
    """
    if len(keys) < 2:
        raise ValueError(f"keys must be 2 or more places, the own one first, got {list(keys)}; add a negative")
    if hasattr(temperature, "__len__") and hasattr(negative, "__len__"):
        raise ValueError(
            f"only one of temperature and negative can be moved, got {len(temperature)} and {len(negative)} values; "
            f"pass one number for the other"
        )
    for name, degrees in {"query": query, **{f"keys[{k}]": at for k, at in enumerate(keys)}}.items():
        _check.between(name, degrees, -360, 360)

    def draw(tau: float, at: float | None) -> go.Figure:
        _check.positive("temperature", tau)
        placed = list(keys)
        if at is not None:
            _check.between("negative", at, -360, 360)
            placed[1] = at
        return _circle(_arrow(query), np.stack([_arrow(degrees) for degrees in placed]), tau, moved=at)

    if hasattr(negative, "__len__"):
        return slider(
            lambda at: draw(temperature, at), negative, name="the negative stands at", unit="degrees", start=start,
            play=True, below=10,
        )  # fmt: skip
    return slider(lambda tau: draw(tau, negative), temperature, name="temperature", start=start, play=True, below=10)


def _arrow(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])


def _moves(q: np.ndarray, k: np.ndarray, tau: float) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    r"""The softmax (N,), what moves the query by name (2,), and what moves each key (N, 2), times the temperature."""
    scores = k @ q / tau
    p = np.exp(scores - scores.max())
    p /= p.sum()

    def along(at: np.ndarray, force: np.ndarray) -> np.ndarray:
        return force - at * (at @ force)  # what is perpendicular to the arrow

    pull, push = along(q, (1 - p[0]) * k[0]), along(q, -p[1:] @ k[1:])
    own = np.arange(len(k)) == 0
    of_keys = np.stack([along(key, (one - chance) * q) for key, one, chance in zip(k, own, p, strict=True)])
    return p, {"pull": pull, "push": push, "sum": pull + push}, of_keys


_TINTS = {"pull": COLOURS["R"], "push": COLOURS["Cross"], "sum": GREY, "keys' way": COLOURS["U2"]}
_SIDES = "middle left, bottom left, bottom center, bottom right, middle right, top right, top center, top left"
_INSIDE = _SIDES.split(", ")


def _circle(q: np.ndarray, k: np.ndarray, tau: float, moved: float | None) -> go.Figure:
    p, of_query, of_keys = _moves(q, k, tau)
    figure = go.Figure()
    ring = np.stack([_arrow(degrees) for degrees in range(0, 361, 4)]).round(3)
    figure.add_scatter(
        x=ring[:, 0].tolist(), y=ring[:, 1].tolist(), mode="lines", line={"color": "#bbbbbb", "width": 1},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for name, rows, colour in (("own key", slice(1), COLOURS["R"]), ("negatives", slice(1, None), GREY)):
        octants = (np.degrees(np.arctan2(k[rows, 1], k[rows, 0])) / 45).round().astype(int) % 8
        x, y = k[rows].round(3).T.tolist()
        figure.add_scatter(
            name=name, x=x, y=y, mode="markers+text", text=[f"{chance:.2f}" for chance in p[rows]],
            textposition=[_INSIDE[octant] for octant in octants],
            marker={"color": colour, "size": (10 + 22 * p[rows]).round(1).tolist()},
            hovertemplate="p = %{text}<extra>" + name + "</extra>",
        )  # fmt: skip
    feet = [q * (1.1 + 0.12 * place) for place in range(3)]  # side by side, outside
    arrows = {name: [(foot, force)] for foot, (name, force) in zip(feet, of_query.items(), strict=True)}
    arrows["keys' way"] = list(zip(k, of_keys, strict=True))
    for name, of in arrows.items():
        drawn = [(foot.round(3).tolist(), (foot + 0.8 * force).round(3).tolist()) for foot, force in of]
        x, y = zip(*[end for foot, tip in drawn for end in (foot, tip, (None, None))][:-1], strict=True)
        tip = {"symbol": "arrow", "angleref": "previous", "color": _TINTS[name], "size": ([0, 13, 0] * len(of))[:-1]}
        figure.add_scatter(
            name=name, x=x, y=y, mode="lines+markers", line={"color": _TINTS[name], "width": 3}, marker=tip,
            hoverinfo="name",
        )  # fmt: skip
    figure.add_scatter(
        name="query", x=[round(float(q[0]), 3)], y=[round(float(q[1]), 3)], mode="markers", hoverinfo="name",
        marker={"symbol": "star", "size": 15, "color": "#222222", "line": {"color": "#ffffff", "width": 1}},
    )  # fmt: skip
    share = p[1:][(k[1:] @ q).argmax()] / p[1:].sum()
    where = f"τ = {tau:g}" if moved is None else f"{moved:g}°"
    alt = (
        "A circle with a query, its own key and negatives. One arrow pulls the query to its key, one pushes it away "
        "from the negatives, a third is their sum; arrows at the keys show that the own key is pulled to the query and "
        "negatives are pushed off. Warm, all negatives push alike; cold, only the nearest."
    )
    return figure.update_layout(
        **look(f"{where}: the nearest negative does {share:.0%} of the pushing", alt, 520, t=120),
        xaxis={"range": [-1.35, 1.35], "visible": False},
        yaxis={"range": [-1.15, 1.45], "visible": False, "scaleanchor": "x"},
    )
