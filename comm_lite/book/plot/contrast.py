r"""A figure to move: both softmaxes of a contrastive batch, and its temperature."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from comm_lite import _check
from comm_lite.book.plot._layout import look
from comm_lite.book.plot.frames import slider


def contrastive_batch(
    cosines: Tensor, temperature: float | Sequence[float], *, names: Sequence[str], start: float | None = None
) -> go.Figure:
    r"""Show both softmaxes of a batch, along its rows and along its columns, as the temperature moves.

    .. math::
        p_{ij} = \frac{\exp(c_{ij} / \tau)}{\sum_{k} \exp(c_{ik} / \tau)}, \qquad
        q_{ij} = \frac{\exp(c_{ij} / \tau)}{\sum_{k} \exp(c_{kj} / \tau)}

    Args:
        cosines: :math:`c`, (N, N), finite, ``N >= 2``: pictures are rows, texts columns, partners on the diagonal.
        temperature: :math:`\tau`, above 0; several make a slider, see `slider`.
        names: N different texts, one a pair.
        start: the temperature that is shown first.

    Returns:
        A Plotly figure of two heat maps; the title says how many rows and columns find their partner, and at what
        cost in nats, the mean of the rows' and of the columns' cross-entropy.

    Raises:
        TypeError: if ``cosines`` is not a tensor or a temperature not a number.
        ValueError: if ``cosines`` is not square or not finite, names do not fit, or a temperature is not above 0.

    Example:
        >>> import torch
        >>> figure = contrastive_batch(torch.eye(2), [0.5, 1.0], names=["cat", "dog"], start=1.0)
        >>> figure.data[0].z[0], [frame.name for frame in figure.frames]
        ([0.731, 0.269], ['0.5', '1'])
    """
    _check.shape("cosines", cosines, "N N")
    _check.rows("cosines", cosines, len(names))
    _check.finite("cosines", cosines)
    if cosines.shape[0] != cosines.shape[1] or len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            f"cosines must be a square table of two pairs or more with different names, got shape "
            f"{tuple(cosines.shape)} and names {list(names)}; take one name a pair"
        )
    given = cosines.detach().double().cpu()

    def draw(tau: float) -> go.Figure:
        _check.positive("temperature", tau)
        logs = [(given / tau).log_softmax(dim) for dim in (1, 0)]
        cost = -sum(log.diagonal().mean().item() for log in logs) / 2
        own = torch.arange(len(names))
        found = [int((log.argmax(dim) == own).sum()) for log, dim in zip(logs, (1, 0), strict=True)]
        figure = make_subplots(
            1, 2, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=("along rows", "along columns")
        )
        for place, log in enumerate(logs, start=1):
            figure.add_heatmap(
                x=list(names), y=list(names), z=log.exp().numpy().round(3).tolist(), row=1, col=place,
                customdata=given.numpy().round(2).tolist(), zmin=0, zmax=1, colorscale="Cividis",
                showscale=place == 2, colorbar={"title": {"text": "p"}, "thickness": 10, "xpad": 2},
                hovertemplate="picture: %{y}<br>text: %{x}<br>cosine %{customdata:.2f}, p = %{z:.3f}<extra></extra>",
            )  # fmt: skip
        figure.update_xaxes(tickangle=-90, title="text", tickfont={"size": 11})
        figure.update_yaxes(autorange="reversed", tickfont={"size": 11})
        figure.update_yaxes(title="picture", col=1)
        n = len(names)
        title = f"τ = {tau:g}: {found[0]} of {n} pictures, {found[1]} of {n} texts find their partner ({cost:.2f} nats)"
        alt = (
            f"Two tables of probabilities, {n} pictures by {n} texts: along rows which text each picture picks, along "
            "columns which picture each text picks. Warm, all cells are nearly equal; the colder, the more of a row or "
            "column gathers in its highest cosine, right or wrong."
        )
        return figure.update_layout(**look(title, alt, 430, t=100))

    return slider(draw, temperature, name="temperature", start=start, play=True, below=120)
