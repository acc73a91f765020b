r"""One style for every figure of the book: a palette, a matplotlib style, and how Plotly is shown."""

from __future__ import annotations

import html
import itertools
import json
import sys
import uuid

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
    "paper": "#666666",
    "R": "#009E73",
    "U1": "#E69F00",
    "U2": "#56B4E9",
    "S": "#CC79A7",
}
# The same names by shape, for print in grey.
MARKERS: dict[str, str] = {"Cross": "o", "FactorCL": "D", "Cross+Self": "s", "CoMM": "^", "paper": "_"}
_CYCLE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]

_MATPLOTLIB = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": matplotlib.cycler(color=_CYCLE),
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

# Draws one figure with the one plotly.js of the site: loaded once a page, colours following light and dark.
_LOADER = """
(function () {
  var box = document.getElementById("%(id)s");
  var spec = JSON.parse(document.getElementById("%(id)s-data").textContent);
  var root = document.documentElement.dataset.content_root;  // Sphinx sets it on every page
  var library = window.commPlotly = window.commPlotly || new Promise(function (done, failed) {
    if (window.Plotly) return done(window.Plotly);
    if (root === undefined) return failed("outside the built book");
    var amd = window.define, script = document.createElement("script");
    window.define = undefined;  // else require.js would swallow it
    script.src = root + "_static/vendor/plotly.min.js";
    script.onload = function () { window.define = amd; done(window.Plotly); };
    script.onerror = function () { window.define = amd; failed(script.src); };
    document.head.appendChild(script);
  });
  function theme() {
    var dark = document.documentElement.dataset.theme === "dark", clear = "rgba(0,0,0,0)";
    var look = {paper_bgcolor: clear, plot_bgcolor: clear, "font.color": dark ? "#ced6dd" : "#222832",
                "modebar.bgcolor": clear, "modebar.color": dark ? "#9ca4af" : "#677384"};
    Object.keys(box.layout).forEach(function (axis) {
      if (!/^[xy]axis/.test(axis)) return;
      ["gridcolor", "linecolor", "zerolinecolor"].forEach(function (line) {
        look[axis + "." + line] = dark ? "#48566b" : "#d1d5da";
      });
    });
    return look;
  }
  library.then(function (Plotly) {
    box.textContent = "";
    var config = Object.assign({responsive: true, displaylogo: false}, spec.config || {});
    return Plotly.newPlot(box, spec.data, spec.layout, config)
      .then(function () { if (spec.frames) return Plotly.addFrames(box, spec.frames); })
      .then(function () {
        box.on("plotly_hover", function (event) {  // a point that names a frame shows it
          var name = event.points[0].customdata, frames = (spec.frames || []).map(function (f) { return f.name; });
          if (frames.indexOf(name) < 0) return;
          var at_once = {mode: "immediate", transition: {duration: 0}, frame: {duration: 0, redraw: true}};
          Plotly.animate(box, [name], at_once);
        });
        Plotly.relayout(box, theme());
        new MutationObserver(function () { Plotly.relayout(box, theme()); })
          .observe(document.documentElement, {attributes: true, attributeFilter: ["data-theme"]});
      });
  }).catch(function (reason) { box.textContent = box.getAttribute("aria-label") + " (not drawn: " + reason + ")"; });
})();
"""


class _BookRenderer(MimetypeRenderer):
    r"""Emit a figure twice: for JupyterLab by its mime type, for the built book as data and a small loader."""

    def __init__(self):
        self._count = itertools.count()

    def to_mimebundle(self, fig_dict: dict):
        spec = to_json(fig_dict, validate=False)
        # Counted, so that one figure shown twice has two ids; hashed from the content, so that two runs agree.
        name = f"figure-{uuid.uuid5(uuid.NAMESPACE_URL, spec).hex[:12]}-{next(self._count)}"
        layout = fig_dict.get("layout") or {}
        meta = layout.get("meta")
        alt = meta.get("alt") if isinstance(meta, dict) else None
        alt = html.escape(alt or (layout.get("title") or {}).get("text") or "Interactive figure")
        height = int(layout.get("height") or 420)
        page = (
            f'<div id="{name}" class="comm-plotly" role="figure" aria-label="{alt}" style="min-height:{height}px">'
            f"<noscript>{alt}</noscript></div>"
            f'<script type="application/json" id="{name}-data">{spec.replace("</", "<" + chr(92) + "/")}</script>'
            f"<script>{_LOADER % {'id': name}}</script>"
        )
        return {"application/vnd.plotly.v1+json": json.loads(spec), "text/html": page}


def use_style() -> None:
    r"""Give matplotlib and Plotly the book's look; call it once, at the top of a chapter.

    A Plotly figure says in ``fig.layout.meta["alt"]`` what it shows, for readers who listen to the page.

    Example:
        >>> from comm_lite.plot import COLOURS, use_style
        >>> use_style()
        >>> COLOURS["CoMM"]
        '#0072B2'
    """
    matplotlib.rcParams.update(_MATPLOTLIB)
    template = plotly.io.templates["plotly_white"]
    plotly.io.templates["comm_lite"] = template.update(layout={"colorway": _CYCLE, "font": {"size": 14}})
    plotly.io.templates.default = "comm_lite"
    plotly.io.renderers["comm_lite"] = _BookRenderer()
    plotly.io.renderers.default = "comm_lite"
    if "ipykernel" in sys.modules:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("png", bbox_inches=None)  # the size that was asked for, not a cropped one
