r"""Figures of a shared space: a map of embeddings, and the pictures that a text finds."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.image
import plotly.graph_objects as go
from torch import Tensor

from comm_lite import _check
from comm_lite.book.plot._layout import above, look, with_slider

_SYMBOLS = ("circle", "diamond", "square", "cross", "x", "star")
_EDGE = {"width": 0.5, "color": "#555555"}


def embedding_map(
    groups: Mapping[str, tuple[Tensor, Sequence[str]]], *, colours: Mapping[str, str], title: str, alt: str,
    pictures: Mapping[str, Tensor] | None = None,
) -> go.Figure:  # fmt: skip
    r"""Draw embeddings in the plane, one colour a group; a group can be switched off in the legend.

    With ``pictures``, pointing at a point shows its picture in the page; a slider does so too, also where nothing can
    be pointed at.

    Args:
        groups: ``groups[name] = (points, texts)``: points (N, 2), and N texts to show where the pointer is.
        colours: a colour for each group.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.
        pictures: ``pictures[name]`` (n, 3, H, W) uint8, those of the first n points of a group; default: none. Each
            adds about a kilobyte to the page.

    Returns:
        A Plotly figure with one trace a group; with pictures, one frame a picture, named by a running number that is
        the ``customdata`` of its point, and a last trace that marks the point.

    Raises:
        TypeError: if pictures do not hold integers.
        ValueError: if there are no groups, points are not (N, 2), a group lacks a colour or a text, or there are more
            pictures than points.

    Example:
        >>> import torch
        >>> figure = embedding_map({"red": (torch.eye(2), ["a", "b"])}, colours={"red": "#f00"}, title="t", alt="a")
        >>> figure.data[0].text
        ('a', 'b')
    """
    _check.known_keys("groups", groups, colours)
    figure = go.Figure()
    shown = []  # the point, text and picture of each frame
    for place, (name, (points, texts)) in enumerate(groups.items()):
        _check.shape(f"groups[{name!r}]", points, "N D")
        if points.shape[1] != 2:
            raise ValueError(f"groups[{name!r}] must be (N, 2), got shape {tuple(points.shape)}; project it to a plane")
        _check.rows(f"groups[{name!r}]", points, len(texts))
        marker = {"color": colours[name], "symbol": _SYMBOLS[place % len(_SYMBOLS)], "size": 7, "line": _EDGE}
        at = [[round(value, 4) for value in point] for point in points.tolist()]
        own = _pictures(name, pictures or {}, len(at))
        first = len(shown)
        shown += list(zip(at, texts, own, strict=False))
        figure.add_scatter(
            name=name, mode="markers", x=[x for x, _ in at], y=[y for _, y in at], text=list(texts),
            customdata=[str(first + k + 1) if k < len(own) else None for k in range(len(at))] if len(own) else None,
            hovertemplate="%{text}<extra></extra>", marker=marker,
        )  # fmt: skip
    figure.update_layout(
        **look(title, alt, 520, l=60, t=above(title, groups), b=60),
        xaxis={"title": {"text": "first principal axis"}, "zeroline": False},
        yaxis={"title": {"text": "second principal axis"}, "zeroline": False, "scaleanchor": "x"},
    )
    if pictures is not None:
        _check.known_keys("pictures", pictures, groups)
        _add_pictures(figure, shown)
    return figure


def _pictures(name: str, pictures: Mapping[str, Tensor], points: int) -> Tensor | list:
    if name not in pictures:
        return []
    own = pictures[name]
    _check.shape(f"pictures[{name!r}]", own, "N 3 H W")
    _check.integers(f"pictures[{name!r}]", own)
    if len(own) > points:
        raise ValueError(f"pictures[{name!r}] must be at most {points}, one a point, got {len(own)}; drop the others")
    return own


def _add_pictures(figure: go.Figure, shown: Sequence[tuple[list[float], str, Tensor]]) -> None:
    r"""One frame a picture: it stands to the right of the points, and a ring marks its point."""
    every = [value for trace in figure.data for value in trace.x]
    left, right = min(every), max(every)
    span = (right - left) or 1.0
    box = {"x": 1, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "top"}
    ring = {"symbol": "circle-open", "size": 17, "color": "#D55E00", "line": {"width": 3}}
    for number, ((x, y), text, picture) in enumerate(shown, start=1):
        image = {**box, "sizex": 0.26, "sizey": 0.26, "source": _uri(picture)}
        note = {**box, "y": 0.72, "text": _lines(text, 15), "showarrow": False, "align": "right", "font": {"size": 12}}
        frame = go.Frame(
            name=str(number), data=[{"type": "scatter", "x": [x], "y": [y]}], traces=[len(figure.data)],
            layout={"images": [image], "annotations": [note]},
        )  # fmt: skip
        figure.frames = [*figure.frames, frame]
    first = figure.frames[0]
    figure.add_scatter(
        x=first.data[0].x, y=first.data[0].y, mode="markers", marker=ring, hoverinfo="skip", showlegend=False
    )
    figure.update_layout(images=first.layout.images, annotations=first.layout.annotations)
    figure.update_xaxes(range=[left - 0.05 * span, right + 0.4 * span])
    with_slider(figure, "1", name="picture", unit="", play=True, below=45)
    figure.update_layout(margin_b=figure.layout.margin.b - 60)


def search_results(
    images: Tensor, found: Mapping[str, Sequence[int]], *, captions: Sequence[str], title: str, alt: str
) -> go.Figure:
    r"""Show the pictures that each query found, best first, with a menu of the queries; it needs no kernel.

    Args:
        images: (N, 3, H, W) uint8.
        found: for each query the rows of ``images`` that it found, the same number for all.
        captions: N texts, one below each picture.
        title: what the figure shows; the query is added.
        alt: the figure in words, for readers who listen to the page.

    Returns:
        A Plotly figure of two rows of pictures.

    Raises:
        ValueError: if there are no queries, they found different numbers of pictures or none, or images and captions
            do not fit.

    Example:
        >>> import torch
        >>> images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
        >>> figure = search_results(images, {"dark": [3, 1]}, captions=list("abcd"), title="Found", alt="two squares")
        >>> [note.text for note in figure.layout.annotations]
        ['d', 'b']
    """
    _check.shape("images", images, "N 3 H W")
    _check.rows("images", images, len(captions))
    _check.some("found", found)
    sizes = {len(rows) for rows in found.values()}
    if len(sizes) > 1 or 0 in sizes:
        raise ValueError(f"found must hold as many rows for each query, at least 1, got {sorted(sizes)}; cut to one k")
    across = -(-sizes.pop() // 2)
    views = {}
    for query, rows in found.items():
        pictures, notes = [], []
        for place, row in enumerate(rows):
            x, y = place % across, -1.45 * (place // across)
            box = {"x": x, "y": y, "sizex": 0.8, "sizey": 0.8, "xref": "x", "yref": "y"}
            pictures.append({"source": _uri(images[row]), "xanchor": "center", "yanchor": "middle", **box})
            note = {"x": x, "y": y - 0.45, "yanchor": "top", "showarrow": False, "font": {"size": 11}}
            notes.append({**note, "text": _lines(captions[row])})
        views[query] = {"images": pictures, "annotations": notes, "title.text": f"{title}: “{query}”"}
    first = next(iter(views.values()))
    buttons = [{"label": query, "method": "relayout", "args": [view]} for query, view in views.items()]
    hidden = {"visible": False, "fixedrange": True}
    figure = go.Figure(go.Scatter(x=[0], y=[0], mode="markers", marker_opacity=0, hoverinfo="skip"))
    figure.update_layout(
        title={"text": first["title.text"], "x": 0.01, "y": 0.97, "font": {"size": 16}},
        meta={"alt": alt},
        images=first["images"],
        annotations=first["annotations"],
        updatemenus=[{"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}],
        height=470,
        margin={"l": 10, "r": 10, "t": 100, "b": 10},
        xaxis={"range": [-0.5, across - 0.5], **hidden},
        yaxis={"range": [-2.45, 0.5], **hidden},
    )
    return figure


def _uri(image: Tensor) -> str:
    r"""One image (3, H, W) as text that a page shows as a PNG."""
    file = io.BytesIO()
    matplotlib.image.imsave(file, image.permute(1, 2, 0).cpu().numpy(), format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _lines(text: str, width: int = 17) -> str:
    r"""Break a caption into short lines between words."""
    return "<br>".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))
