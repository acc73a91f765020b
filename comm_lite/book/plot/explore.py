r"""Sliders and text boxes for a reader at a live kernel; a page without one shows a figure with frames instead."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from comm_lite import _check


def explore(figure: Callable[..., Any], **sliders: tuple[float, float, float] | str) -> None:
    r"""Show one slider or text box an argument and redraw ``figure(**values)`` on every change, in a live notebook.

    Elsewhere it shows nothing: in a script, and where a chapter is executed without a reader (``COMM_LITE_STATIC`` is
    then set by tools/run_chapters.py and book/conftest.py), so that a built page carries no widget.

    Args:
        figure: takes the values by name and returns what is displayed, such as a Plotly figure; it keeps no state.
        sliders: ``name=(lowest, highest, start)`` for a slider of 20 steps, ``name="start"`` for a text box.

    Raises:
        ValueError: if a slider is not three numbers, its start inside its range.

    Example:
        >>> explore(lambda share: f"{share:.0%} of the pairs", share=(0.0, 1.0, 0.5))
    """
    for name, of in sliders.items():
        if isinstance(of, str):
            continue
        if len(of) != 3 or of[0] >= of[1]:
            raise ValueError(f"{name} must be (lowest, highest, start), got {of}; pass for instance (0.0, 1.0, 0.5)")
        _check.between(f"the start of {name}", of[2], of[0], of[1])
    if "ipykernel" in sys.modules and not os.environ.get("COMM_LITE_STATIC"):
        from IPython.display import display

        display(_shell(figure, sliders))


def _shell(figure: Callable[..., Any], sliders: dict[str, tuple[float, float, float] | str]):
    from ipywidgets import FloatSlider, Text, interactive

    look = {"style": {"description_width": "initial"}, "layout": {"width": "30em"}}  # else a long name is cut short

    def box(of: tuple[float, float, float] | str):
        if isinstance(of, str):
            return Text(value=of, continuous_update=False, **look)  # redrawn on Enter
        low, high, start = of
        return FloatSlider(value=start, min=low, max=high, step=(high - low) / 20, continuous_update=False, **look)

    made = {name: box(of) for name, of in sliders.items()}

    def redraw(**values: float | str):
        from IPython.display import display

        display(figure(**values))

    return interactive(redraw, **made)
