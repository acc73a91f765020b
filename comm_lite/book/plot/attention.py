r"""A figure to move: which token looks at which, and what is left out of the sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from torch import Tensor

from comm_lite import _check
from comm_lite.book.plot._layout import look
from comm_lite.book.plot.frames import slider


def attention_map(
    weights: Mapping[str, Tensor], parts: Mapping[str, Sequence[str]], *, title: str, alt: str, name: str = "keep",
    start: str | None = None,
) -> go.Figure:  # fmt: skip
    r"""Draw which token looks at which, in per cent of its attention; the slider chooses what is kept.

    Args:
        weights: for each step of the slider a table (L, L) of shares in [0, 1]: row i says where token i looks, and NaN
            stands where a token was left out of the sequence. One table makes no slider.
        parts: by name the tokens of each part of the sequence, in order, all L of them different texts.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.
        name: what the slider chooses.
        start: the step that is shown first.

    Returns:
        A Plotly figure of one heat map, with lines between the parts; left out is empty.

    Raises:
        TypeError: if a table is not a tensor.
        ValueError: if there is no table, one is not (L, L) or holds what is no share, or two tokens are alike.

    Example:
        >>> import torch
        >>> figure = attention_map({"all": torch.eye(2)}, {"CLS": ["CLS"], "plot": ["love"]}, title="t", alt="a")
        >>> figure.data[0].z[0]
        [100.0, 0.0]
    """
    _check.some("weights", weights)
    tokens = [token for of in parts.values() for token in of]
    if len(set(tokens)) < len(tokens):
        alike = sorted({token for token in tokens if tokens.count(token) > 1})
        raise ValueError(f"parts must hold tokens that differ, got {alike} more than once; number them")
    for step, table in weights.items():
        _check.shape(f"weights[{step!r}]", table, "L L")
        if tuple(table.shape) != (len(tokens),) * 2:
            raise ValueError(
                f"weights[{step!r}] must be a table of the {len(tokens)} tokens in parts, got shape "
                f"{tuple(table.shape)}; put NaN where a token is left out"
            )
        shares = table[~table.isnan()]
        if shares.numel() == 0 or shares.min() < 0 or shares.max() > 1 + 1e-5:
            raise ValueError(f"weights[{step!r}] must hold shares in [0, 1] or NaN; pass what the softmax returns")
    top = round(100 * max(float(table.nan_to_num().max()) for table in weights.values()), 1)
    edges, middles = [0], []
    for of in parts.values():
        edges.append(edges[-1] + len(of))
        middles.append((edges[-2] + edges[-1] - 1) / 2)

    def draw(step: str) -> go.Figure:
        cells = (100 * weights[step].detach().double().cpu()).tolist()
        figure = go.Figure(
            go.Heatmap(
                x=tokens, y=tokens, colorscale="Cividis", zmin=0, zmax=top, hoverongaps=False,
                z=[[None if share != share else round(share, 1) for share in row] for row in cells],  # NaN != NaN
                hovertemplate="%{y}<br>looks at %{x}<br>%{z:.1f} %<extra></extra>",
                colorbar={"title": {"text": "%"}, "thickness": 10, "xpad": 2},
            )
        )  # fmt: skip
        for edge in edges[1:-1]:
            figure.add_hline(y=edge - 0.5, line={"color": "#D55E00", "width": 1})
            figure.add_vline(x=edge - 0.5, line={"color": "#D55E00", "width": 1})
        ticks = {"tickvals": middles, "ticktext": list(parts), "showgrid": False, "type": "category"}
        return figure.update_layout(
            **look(title, alt, 480, l=60, t=80),
            xaxis={**ticks, "tickangle": -90, "title": {"text": "token that is looked at"}},
            yaxis={**ticks, "title": {"text": "token that looks"}, "range": [len(tokens) - 0.5, -0.5]},
        )

    return slider(draw, list(weights), name=name, start=start, below=100)
