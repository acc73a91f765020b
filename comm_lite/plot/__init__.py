r"""Figures, in one style. The only part of the package that loads matplotlib or Plotly."""

from comm_lite.plot.embeddings import embedding_map, search_results
from comm_lite.plot.explore import explore
from comm_lite.plot.pid import ATOMS, atom_bars, iq_contour
from comm_lite.plot.style import COLOURS, MARKERS, use_style
from comm_lite.plot.training import gallery, loss_curves, score_bars

__all__ = [
    "ATOMS",
    "COLOURS",
    "MARKERS",
    "atom_bars",
    "embedding_map",
    "explore",
    "gallery",
    "iq_contour",
    "loss_curves",
    "score_bars",
    "search_results",
    "use_style",
]
