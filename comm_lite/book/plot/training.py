r"""Figures of an experiment: the images it uses, the losses it saw, and the scores it reached beside others'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import plotly.graph_objects as go
from matplotlib.figure import Figure
from torch import Tensor

from comm_lite import _check
from comm_lite.book.plot.style import COLOURS


def gallery(images: Tensor, *, columns: int, titles: Sequence[str] = (), title: str = "") -> Figure:
    r"""Show images side by side.

    Args:
        images: (N, 3, H, W) uint8 in 0..255, or floats in [0, 1].
        columns: images in a row, at least 1.
        titles: a line above each image; as many as images, or none.
        title: what the figure shows.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: if there are no images, or titles are neither none nor one an image.

    Example:
        >>> import torch
        >>> figure = gallery(torch.rand(4, 3, 8, 8), columns=2, title="noise looks like noise")
        >>> len(figure.axes)
        4
    """
    _check.shape("images", images, "N C H W")
    _check.whole("columns", columns)
    if len(images) == 0 or len(titles) not in (0, len(images)):
        raise ValueError(
            f"gallery needs at least one image and no titles or one for each, got {len(images)} images and "
            f"{len(titles)} titles; pass as many of both"
        )
    rows = -(-len(images) // columns)
    side = 7.0 / columns
    height = rows * (side + (0.32 if titles else 0.05)) + 0.45
    figure, axes = plt.subplots(rows, columns, figsize=(7.0, height), squeeze=False)
    for place, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if place < len(images):
            axis.imshow(images[place].permute(1, 2, 0).cpu().numpy())
            if titles:
                axis.set_title(titles[place], fontsize=8, fontweight="normal", loc="center")
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left", fontsize=11)
    plt.close(figure)  # a notebook shows the returned figure; left open it would be shown twice
    return figure


def loss_curves(losses: Mapping[str, Sequence[float]], *, title: str) -> Figure:
    r"""Draw the loss of each epoch, one panel a method, since losses of different methods cannot be compared.

    Args:
        losses: mean loss of each epoch in nats, by ``"method"`` or ``"method, run"``.
        title: what the figure shows.

    Returns:
        A matplotlib figure.

    Raises:
        ValueError: if there is nothing to draw.

    Example:
        >>> figure = loss_curves({"CoMM, biased": [3.0, 2.0], "CoMM, unbiased": [3.0, 2.5]}, title="CoMM learns")
        >>> len(figure.axes)
        1
    """
    _check.some("losses", losses)
    methods = list(dict.fromkeys(name.split(", ")[0] for name in losses))
    figure, axes = plt.subplots(1, len(methods), figsize=(7.0, 2.9), squeeze=False)
    for axis, method in zip(axes[0], methods, strict=True):
        own = {name: values for name, values in losses.items() if name.split(", ")[0] == method}
        for line, (name, values) in zip(("-", "--", ":", "-."), own.items(), strict=False):
            look = {"color": COLOURS.get(method), "label": name.partition(", ")[2] or method}
            axis.plot(range(1, len(values) + 1), values, line, marker=".", markersize=4, **look)
        axis.set_title(method, fontsize=10)
        axis.set_xlabel("epoch")
        axis.legend(fontsize=8)
    axes[0][0].set_ylabel("mean loss (nats)")
    figure.suptitle(title, fontweight="bold", x=0.01, ha="left", fontsize=11)
    plt.close(figure)
    return figure


def score_bars(
    scores: Mapping[str, Mapping[str, tuple[float, float, float]]], *, chance: Mapping[str, float],
    reference: Mapping[str, Mapping[str, float]], title: str, alt: str,
) -> go.Figure:  # fmt: skip
    r"""Draw what each method reached on each task, with intervals, beside what a paper reports.

    Args:
        scores: ``scores[method][task] = (value, low, high)``, in per cent.
        chance: chance level of each task, in per cent; it also fixes the order of the tasks.
        reference: the paper's ``reference[method][task]``, in per cent; a method or task may be missing.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.

    Returns:
        A Plotly figure; hovering shows the figures.

    Raises:
        ValueError: if there are no scores, or a method has a task without a chance level.

    Example:
        >>> figure = score_bars(
        ...     {"CoMM": {"R": (99.0, 98.0, 99.5)}}, chance={"R": 10.0}, reference={"CoMM": {"R": 99.9}},
        ...     title="CoMM keeps R", alt="one bar",
        ... )
        >>> len(figure.data)
        3
    """
    _check.some("scores", scores)
    for method, of in scores.items():
        _check.known_keys(f"scores[{method!r}]", of, chance)
    tasks, methods = list(chance), list(dict.fromkeys([*scores, *reference]))
    width = 0.8 / len(methods)
    shifts = {method: (place - (len(methods) - 1) / 2) * width for place, method in enumerate(methods)}
    figure = go.Figure()
    for method, shift in shifts.items():
        own = [task for task in tasks if task in scores.get(method, {})]
        if own:
            value, low, high = zip(*(scores[method][task] for task in own), strict=True)
            up = [h - v for h, v in zip(high, value, strict=True)]
            down = [v - lo for lo, v in zip(low, value, strict=True)]
            told = ", %{customdata[0]}: %{y:.1f} % [%{customdata[1]:.1f}, %{customdata[2]:.1f}]<extra></extra>"
            figure.add_bar(
                name=method, x=[tasks.index(task) + shift for task in own], y=value, width=width * 0.92,
                marker_color=COLOURS.get(method), customdata=list(zip(own, low, high, strict=True)),
                error_y={"type": "data", "array": up, "arrayminus": down, "color": "#888888"},
                hovertemplate=method + told,
            )  # fmt: skip
    marks = [
        (tasks.index(task) + shifts[method], value, f"{method}, {task}")
        for method, of in reference.items()
        for task, value in of.items()
    ]
    if marks:
        x, y, text = zip(*marks, strict=True)
        edge = {"width": 2, "color": COLOURS["paper"]}
        figure.add_scatter(
            name="the paper", x=x, y=y, text=text, mode="markers",
            marker={"symbol": "diamond", "size": 9, "color": "#ffffff", "line": edge},
            hovertemplate="the paper, %{text}: %{y:.1f} %<extra></extra>",
        )  # fmt: skip
    edges = [place for task in range(len(tasks)) for place in (task - 0.45, task + 0.45, None)]
    level = [value for task in tasks for value in (chance[task], chance[task], None)]
    figure.add_scatter(
        name="chance", x=edges, y=level, mode="lines", line={"color": "#888888", "dash": "dot"}, hoverinfo="skip"
    )
    return figure.update_layout(
        title={"text": title, "x": 0.01, "font": {"size": 16}},
        meta={"alt": alt},
        height=460,
        bargap=0,
        margin={"l": 60, "r": 10, "t": 60, "b": 60},
        xaxis={"tickvals": list(range(len(tasks))), "ticktext": tasks, "title": {"text": "task"}, "showgrid": False},
        yaxis={"title": {"text": "balanced accuracy of a linear probe (%)"}, "range": [0, 104]},
        legend={"orientation": "h", "y": -0.2},
    )
