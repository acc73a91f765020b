r"""One drawing for each value, joined into a figure that a reader moves in the page, without a kernel."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from comm_lite.book.plot._layout import with_slider


def slider(
    draw: Callable[[Any], go.Figure],
    values: float | str | Sequence[float] | Sequence[str],
    *,
    name: str,
    start: float | str | None = None,
    unit: str = "",
    play: bool = False,
    below: int = 50,
) -> go.Figure:
    r"""Draw one value, or several as the frames of a figure with a slider, which moves in a page without a kernel.

    A frame holds only what differs between the drawings. The same ``draw`` serves a live notebook: `explore` calls it
    with the one value where its slider stands.

    Args:
        draw: ``draw(value)`` returns the figure for one value: for all values the same traces, of the same kinds.
        values: one number or text, or a list of one, which is simply drawn; or several that differ, a step each.
        name: what the slider sets; stands above it, before the value.
        start: the value that is shown first, one of ``values``; default: the one in the middle.
        unit: stands after the value.
        play: whether a button runs through the steps.
        below: pixels between the plot and the slider, for the labels of the axis.

    Returns:
        The drawing of a single value as it is; of several values that of ``start``, with one frame a value, named as
        the step: texts as they are, numbers as ``f"{value:g}"``.

    Raises:
        ValueError: if there is no value, two steps have the same name, ``start`` is not among them, or the drawings
            differ in their traces.

    Example:
        >>> figure = slider(lambda k: go.Figure(go.Bar(y=[1, k], name="bar")), [1, 2, 3], name="k", start=1)
        >>> [frame.data[0].y for frame in figure.frames], figure.frames[0].data[0].name
        ([(1, 1), (1, 2), (1, 3)], None)
    """
    if isinstance(values, str) or not hasattr(values, "__len__"):
        return draw(values)
    steps = [_name(value) for value in values]
    if not steps or len(set(steps)) < len(steps):
        raise ValueError(f"values must be one or more that differ, got {steps}; drop those that are there twice")
    if len(steps) == 1:
        return draw(*values)
    first = steps[len(steps) // 2] if start is None else _name(start)
    if first not in steps:
        raise ValueError(f"start must be one of the values {steps}, got {first}; choose one of these")
    drawn = {step: draw(value) for step, value in zip(steps, values, strict=True)}
    figure = go.Figure(drawn[first])
    figure.frames = _frames(drawn)
    return with_slider(figure, first, name=name, unit=unit, play=play, below=below)


def _name(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _frames(drawn: dict[str, go.Figure]) -> list[go.Frame]:
    r"""For each drawing what is not the same in all of them: properties of traces, and of the layout."""
    plain = {step: json.loads(figure.to_json()) for step, figure in drawn.items()}
    kinds = {step: [trace["type"] for trace in of["data"]] for step, of in plain.items()}
    first = next(iter(kinds))
    for step, kind in kinds.items():
        if kind != kinds[first]:
            raise ValueError(
                f"draw must return the same traces for all values, got {kinds[first]} for {first} and {kind} for "
                f"{step}; draw an empty trace where there is nothing to show"
            )
    moving = _differing("layout", {step: of["layout"] for step, of in plain.items()}) - {"meta"}
    rows = {f"trace {k}": {step: of["data"][k] for step, of in plain.items()} for k in range(len(kinds[first]))}
    traces = [_differing(name, row) for name, row in rows.items()]
    places = [k for k, keys in enumerate(traces) if keys]
    return [
        go.Frame(
            name=step, traces=places, layout={key: of["layout"][key] for key in sorted(moving)},
            data=[{"type": kinds[step][k]} | {key: of["data"][k][key] for key in sorted(traces[k])} for k in places],
        )
        for step, of in plain.items()
    ]  # fmt: skip


def _differing(what: str, drawings: dict[str, dict]) -> set[str]:
    r"""The properties that are not the same in all drawings; what a frame leaves out would stay as it was before."""
    every = set().union(*drawings.values())
    for step, of in drawings.items():
        if every - set(of):
            raise ValueError(
                f"draw must set the same properties for all values, got {what} without {sorted(every - set(of))} for "
                f"{step}; set it there too"
            )
    first = next(iter(drawings.values()))
    return {key for key in every if any(of[key] != first[key] for of in drawings.values())}
