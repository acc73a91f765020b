r"""Figures, in one style. The only part of the package that loads matplotlib or Plotly.

Those that a reader moves, such as `contrastive_batch`, take one value or several: one is drawn, and several become the
frames of a figure with a slider, which needs no kernel. `explore` calls the same function with one value at a time.
"""

from comm_lite.book.plot.attention import attention_map
from comm_lite.book.plot.contrast import contrastive_batch
from comm_lite.book.plot.embeddings import embedding_map, search_results
from comm_lite.book.plot.explore import explore
from comm_lite.book.plot.frames import slider
from comm_lite.book.plot.gradient import infonce_gradient
from comm_lite.book.plot.measured import loss_terms, mi_bounds, mixture_probe
from comm_lite.book.plot.mixing import gate_mixer, sensor_angle
from comm_lite.book.plot.pid import ATOMS, atom_bars, iq_contour
from comm_lite.book.plot.style import COLOURS, use_style
from comm_lite.book.plot.training import gallery, loss_curves, score_bars

__all__ = [
    "ATOMS", "COLOURS", "atom_bars", "attention_map", "contrastive_batch", "embedding_map", "explore", "gallery",
    "gate_mixer", "infonce_gradient", "iq_contour", "loss_curves", "loss_terms", "mi_bounds", "mixture_probe",
    "score_bars", "search_results", "sensor_angle", "slider", "use_style",
]  # fmt: skip
