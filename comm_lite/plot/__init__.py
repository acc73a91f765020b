r"""Figures: one style. The only part of the package that loads matplotlib or Plotly."""

from comm_lite.plot.style import COLOURS, MARKERS, use_style

__all__ = ["COLOURS", "MARKERS", "use_style"]
