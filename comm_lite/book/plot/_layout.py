r"""What the layouts of Plotly figures share: a title that fits on a phone, the legend below it, a slider, a button."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import plotly.graph_objects as go

GREY = "#808080"  # stands out from a light page and from a dark one
LEGEND = {"orientation": "h", "traceorder": "normal", "x": 0, "y": 1.0, "yanchor": "bottom"}  # under the title
LEGEND |= {"font": {"size": 12}, "itemwidth": 30}
BAR = {"bordercolor": GREY, "bgcolor": "rgba(128,128,128,0.25)", "activebgcolor": "rgba(128,128,128,0.6)"}  # a slider
_AT_ONCE = {"mode": "immediate", "transition": {"duration": 0}}


def finding(text: str, width: int = 40) -> dict:
    r"""A title at the top of the figure, on as many lines as it takes on a phone."""
    lines = [line for part in text.split("<br>") for line in textwrap.wrap(part, width)]
    place = {"x": 0.01, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 14}}
    return {"text": "<br>".join(lines), "font": {"size": 16}, **place}


def above(text: str, entries: Iterable[str] = ()) -> int:
    r"""Pixels above the plot for a title and a legend with these entries, so that they do not meet on a phone."""
    widths = [8 * len(entry) + 50 for entry in entries]
    across = max(1, 330 // max(widths, default=330))  # all columns are as wide as the widest entry
    return 24 + 20 * (finding(text)["text"].count("<br>") + 1) + 19 * -(-len(widths) // across)


def look(title: str, alt: str, height: int, **margins: int) -> dict:
    r"""The layout of a figure: finding on top, figure in words, height and margins (l, r, t, b) in pixels, legend."""
    margin = {"l": 10, "r": 10, "t": 90, "b": 10} | margins
    return {"title": finding(title), "meta": {"alt": alt}, "height": height, "margin": margin, "legend": LEGEND}


def same_names(what: str, got: Iterable[str], wanted: Iterable[str]) -> None:
    r"""Raise unless both are the same names, in any order."""
    got, wanted = list(got), list(wanted)
    if set(got) != set(wanted):
        raise ValueError(f"{what} must hold {wanted}, got {got}; measure the same everywhere")


def with_slider(figure: go.Figure, first: str, *, name: str, unit: str, play: bool, below: int) -> go.Figure:
    r"""Put a slider over the figure's frames below it, standing at the first one to be shown, and a button to run."""
    names = [frame.name for frame in figure.frames]
    height, beside = 90 + below, 56 if play else 0  # pixels
    go_to = {**_AT_ONCE, "frame": {"duration": 0, "redraw": True}}
    steps = [{"label": step, "method": "animate", "args": [[step], go_to]} for step in names]
    now = {"prefix": f"{name}: ", "suffix": unit and f" {unit}"}
    place = {"pad": {"t": below, "l": beside}, "x": 0, "len": 1, "font": {"size": 12}, "tickcolor": GREY}
    return figure.update_layout(
        height=(figure.layout.height or 450) + height,
        margin_b=(figure.layout.margin.b or 0) + height,
        sliders=[{"steps": steps, "active": names.index(first), "currentvalue": now, **place, **BAR}],
        updatemenus=[*figure.layout.updatemenus, *([_button(below)] if play else [])],
    )


def _button(below: int) -> dict:
    run = {**_AT_ONCE, "fromcurrent": True, "frame": {"duration": 700, "redraw": True}}
    button = {"label": "▶", "method": "animate", "args": [None, run]}  # touching the slider stops it
    look = {"bordercolor": GREY, "font": {"color": GREY, "size": 16}}
    place = {"x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "pad": {"t": below + 24, "l": 0}}
    return {"type": "buttons", "showactive": False, "buttons": [button], **look, **place}
