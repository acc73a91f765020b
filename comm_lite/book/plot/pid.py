r"""Figures of partial information: stacked atoms, and the information over the rectangle of a 2 x 2 x 2 problem."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from numpy.typing import ArrayLike

from comm_lite import _check
from comm_lite.book.plot._layout import above, look
from comm_lite.book.plot.style import COLOURS

ATOMS: dict[str, str] = {"R": "R", "U1": "U<sub>1</sub>", "U2": "U<sub>2</sub>", "S": "S"}


def atom_bars(rows: Mapping[str, Mapping[str, float]], *, title: str, alt: str, upto: float | None = None) -> go.Figure:
    r"""Stack the four atoms of each row into one horizontal bar.

    Args:
        rows: atoms in bits by the name of the row, such as ``{"AND": broja(p).atoms}``, the first on top; a part below
            0 points to the left.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.
        upto: right end of the axis in bits; default: what the bars need.

    Returns:
        A Plotly figure with one trace an atom, in the order R, U1, U2, S.

    Raises:
        ValueError: if there are no rows, or a row lacks an atom.

    Example:
        >>> figure = atom_bars({"XOR": {"R": 0.0, "U1": 0.0, "U2": 0.0, "S": 1.0}}, title="Only S", alt="one bar")
        >>> [trace.x[0] for trace in figure.data]
        [0.0, 0.0, 0.0, 1.0]
    """
    _check.some("rows", rows)
    for name, atoms in rows.items():
        if atoms.keys() != ATOMS.keys():
            raise ValueError(f"rows[{name!r}] must hold {list(ATOMS)}, got {list(atoms)}; pass the atoms of a PID")
    figure = go.Figure()
    for atom, text in ATOMS.items():
        figure.add_bar(
            name=text, orientation="h", y=list(rows), x=[atoms[atom] for atoms in rows.values()],
            marker_color=COLOURS[atom], hovertemplate="%{y}: " + text + " = %{x:.3f} bits<extra></extra>",
        )  # fmt: skip
    return figure.update_layout(
        barmode="relative",
        **look(title, alt, 200 + 34 * len(rows), r=20, t=above(title, ATOMS), b=20),
        xaxis={"title": {"text": "information about the label (bits)"}, "range": upto and [0, upto]},
        yaxis={"autorange": "reversed", "showgrid": False, "automargin": True},
    )


def iq_contour(
    x: ArrayLike, y: ArrayLike, bits: ArrayLike, *, points: Mapping[str, tuple[float, float]], title: str, alt: str
) -> go.Figure:
    r"""Draw I_Q over the rectangle of all joints with the same two marginals; it needs sources and label of two values.

    Args:
        x: values of q(0, 0, y=0), (A,).
        y: values of q(0, 0, y=1), (B,).
        bits: I_Q(X1, X2; Y) in bits, (B, A).
        points: what to mark, by name: ``(x, y)``.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.

    Returns:
        A Plotly figure.

    Raises:
        ValueError: if ``bits`` is not a table over ``y`` and ``x``.

    Example:
        >>> figure = iq_contour([0.0, 0.1], [0.0, 0.2], [[1.0, 0.5], [0.5, 1.0]], points={}, title="t", alt="a")
        >>> figure.layout.xaxis.title.text
        'q(0, 0, y = 0)'
    """
    columns, rows = len(list(x)), len(list(y))
    if [len(list(row)) for row in bits] != [columns] * rows:
        raise ValueError(f"bits must have {rows} rows of {columns} numbers, one row a value of y; transpose it")
    figure = go.Figure(
        go.Contour(
            x=x, y=y, z=bits, ncontours=24, colorscale="Cividis", contours={"coloring": "heatmap"},
            line={"width": 0.5, "color": "rgba(255,255,255,0.6)"}, colorbar={"title": {"text": "bits"}},
            hovertemplate="q(0,0,0) = %{x:.3f}<br>q(0,0,1) = %{y:.3f}<br>%{z:.4f} bits<extra></extra>",
        )
    )  # fmt: skip
    for (name, (across, up)), symbol in zip(points.items(), ("star", "circle", "diamond", "square"), strict=False):
        marker = {"symbol": symbol, "size": 13, "color": "#ffffff", "line": {"width": 2, "color": "#000000"}}
        figure.add_scatter(name=name, x=[across], y=[up], mode="markers", marker=marker, hovertemplate=name)
    axes = {"xaxis": {"title": {"text": "q(0, 0, y = 0)"}}, "yaxis": {"title": {"text": "q(0, 0, y = 1)"}}}
    return figure.update_layout(**look(title, alt, 480, b=20), **axes)
