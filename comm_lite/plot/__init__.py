r"""Figures, in one style. The only part of the package that loads matplotlib or Plotly."""

from comm_lite.plot.style import COLOURS, MARKERS, use_style
from comm_lite.plot.training import gallery, loss_curves, score_bars

__all__ = ["COLOURS", "MARKERS", "gallery", "loss_curves", "score_bars", "use_style"]
