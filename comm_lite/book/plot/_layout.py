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


def look(
    title: str, alt: str, height: int, *, left: int = 10, right: int = 10, top: int = 90, bottom: int = 10
) -> dict:
    r"""The layout of a figure: the finding on top, the figure in words, pixels of it and its margins, the legend."""
    margin = {"l": left, "r": right, "t": top, "b": bottom}
    return {"title": finding(title), "meta": {"alt": alt}, "height": height, "margin": margin, "legend": LEGEND}


def same_names(what: str, got: Iterable[str], wanted: Iterable[str]) -> None:
    r"""Raise unless both are the same names, in any order."""
    got, wanted = list(got), list(wanted)
    if set(got) != set(wanted):
        raise ValueError(f"{what} must hold {wanted}, got {got}; measure the same everywhere")


def with_slider(figure: go.Figure, first: str, *, name: str, unit: str, play: bool, below: int) -> go.Figure:
    r"""Put a slider over the figure's frames below it, standing at the first one to be shown, and a button to run."""
    steps = [frame.name for frame in figure.frames]
    height, beside = 90 + below, 56 if play else 0  # pixels
    bar = _bar(steps, steps.index(first), f"{name}: ", unit and f" {unit}", below, beside)
    return figure.update_layout(
        height=(figure.layout.height or 450) + height,
        margin_b=(figure.layout.margin.b or 0) + height,
        sliders=[bar],
        updatemenus=[*figure.layout.updatemenus, *([_button(below)] if play else [])],
    )


def _bar(steps: list[str], active: int, prefix: str, suffix: str, below: int, beside: int) -> dict:
    go_to = {**_AT_ONCE, "frame": {"duration": 0, "redraw": True}}
    return {
        "steps": [{"label": step, "method": "animate", "args": [[step], go_to]} for step in steps],
        "active": active,
        "currentvalue": {"prefix": prefix, "suffix": suffix},
        "pad": {"t": below, "l": beside},
        "x": 0,
        "len": 1,
        "font": {"size": 12},
        "tickcolor": GREY,
        **BAR,
    }


def _button(below: int) -> dict:
    run = {**_AT_ONCE, "fromcurrent": True, "frame": {"duration": 700, "redraw": True}}
    button = {"label": "▶", "method": "animate", "args": [None, run]}  # touching the slider stops it
    look = {"bordercolor": GREY, "font": {"color": GREY, "size": 16}}
    place = {"x": 0, "xanchor": "left", "y": 0, "yanchor": "top", "pad": {"t": below + 24, "l": 0}}
    return {"type": "buttons", "showactive": False, "buttons": [button], **look, **place}
