r"""One style for every figure of the book: a palette, a matplotlib style, and how Plotly is shown."""

from __future__ import annotations

import copy
import html
import json
import sys
import uuid
from collections import Counter

import matplotlib
import plotly.io
from plotly.io import to_json
from plotly.io._base_renderers import MimetypeRenderer

# Okabe and Ito's palette, which colour-blind readers can tell apart: the methods, and the four kinds of information.
COLOURS: dict[str, str] = {
    "Cross": "#D55E00",
    "FactorCL": "#CC79A7",
    "Cross+Self": "#009E73",
    "CoMM": "#0072B2",
    "SupCon": "#E69F00",
    "paper": "#666666",
    "R": "#009E73",
    "U1": "#E69F00",
    "U2": "#56B4E9",
    "S": "#CC79A7",
}
# The kinds of traces that the book's pages can draw: tools/vendor_assets.py leaves the others out of plotly.js.
TRACES = ("scatter", "bar", "heatmap", "contour")
CYCLE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]

_MATPLOTLIB = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.dpi": 144,
    "figure.facecolor": "white",  # a light card of its own, also where the page is dark
    "figure.figsize": (7.0, 4.0),
    "font.size": 11.0,
    "grid.color": "#DDDDDD",
    "image.cmap": "cividis",
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "savefig.dpi": 144,
    "savefig.facecolor": "white",
    "svg.hashsalt": "comm_lite",  # else the ids in an SVG differ from run to run
}


class _BookRenderer(MimetypeRenderer):
    r"""Emit a figure twice: for JupyterLab by its mime type, for a page as data that _static/figures.js draws."""

    def __init__(self):
        self._shown = Counter()  # how often each figure was shown

    def to_mimebundle(self, fig_dict: dict):
        drawn = [*fig_dict.get("data", ()), *(t for frame in fig_dict.get("frames", ()) for t in frame.get("data", ()))]
        if strange := {trace.get("type", "scatter") for trace in drawn} - {*TRACES}:
            raise ValueError(
                f"a figure of the book may have the traces {', '.join(TRACES)}, got {', '.join(sorted(strange))}; "
                "use one of them, or add to TRACES in comm_lite/book/plot/style.py"
            )
        spec = to_json(fig_dict, validate=False)
        # Hashed from the content, so that two runs agree; counted, so that one figure shown twice has two ids.
        digest = uuid.uuid5(uuid.NAMESPACE_URL, spec).hex[:12]
        name = f"figure-{digest}-{self._shown[digest]}"
        self._shown[digest] += 1
        layout = fig_dict.get("layout") or {}
        meta = layout.get("meta")
        alt = meta.get("alt") if isinstance(meta, dict) else None
        alt = html.escape(alt or (layout.get("title") or {}).get("text") or "Interactive figure")
        height = int(layout.get("height") or 420)
        page = (
            f'<div id="{name}" class="comm-plotly" role="figure" aria-label="{alt}" style="min-height:{height}px">'
            f"{alt}</div>"
            f'<script type="application/json" id="{name}-data">{spec.replace("</", "<" + chr(92) + "/")}</script>'
        )
        return {"application/vnd.plotly.v1+json": json.loads(spec), "text/html": page}


_RENDERER = _BookRenderer()  # one a process: a second call of use_style must not count from 0 again


def use_style() -> None:
    r"""Give matplotlib and Plotly the book's look, at the top of a chapter; a second call changes nothing.

    A Plotly figure says in ``fig.layout.meta["alt"]`` what it shows, for readers who listen to the page.

    Example:
        >>> from comm_lite.book.plot import COLOURS, use_style
        >>> use_style()
        >>> COLOURS["CoMM"]
        '#0072B2'
    """
    matplotlib.rcParams.update(_MATPLOTLIB)
    template = copy.deepcopy(plotly.io.templates["plotly_white"])  # the one of Plotly stays as it is
    plotly.io.templates["comm_lite"] = template.update(layout={"colorway": CYCLE, "font": {"size": 14}})
    plotly.io.templates.default = "comm_lite"
    plotly.io.renderers["comm_lite"] = _RENDERER
    plotly.io.renderers.default = "comm_lite"
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png", bbox_inches=None)  # the size that was asked for, not a cropped one
