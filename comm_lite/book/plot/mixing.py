r"""Figures to move in partial information: a desk that mixes the four parts, and two sensors under an angle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from comm_lite import _check
from comm_lite.book.plot._layout import BAR, look, same_names
from comm_lite.book.plot.frames import slider
from comm_lite.book.plot.pid import ATOMS, atom_bars
from comm_lite.book.plot.style import COLOURS
from comm_lite.pid import broja, combine, gaussian_vector, mmi

_SEES = {"source 1": ("R", "U1"), "source 2": ("R", "U2"), "both": tuple(ATOMS)}
_PARTS = {"R": "redundancy", "U1": "unique1", "U2": "unique2", "S": "synergy"}


def gate_mixer(strengths: Mapping[str, float], *, positions: int | None = None) -> go.Figure:
    r"""Mix the four parts of information, and show what source 1, source 2 and both together tell.

    The table of `combine` with these strengths is solved by `broja`. Over independent components the measure adds up,
    so in a page each of four sliders moves its own trace, with no frame for each of their combinations.

    Args:
        strengths: bits in [0, 1] of ``"R"``, ``"U1"``, ``"U2"`` and ``"S"``.
        positions: steps of each of the four sliders, 2 or more, evenly from 0 to 1 bit; default: no sliders.

    Returns:
        A Plotly figure of three stacked bars, one trace an atom, in bits.

    Raises:
        TypeError: if a strength is not a number, or ``positions`` not an integer.
        ValueError: if a strength is missing, unknown or outside [0, 1], or ``positions`` is below 2.

    Example:
        >>> figure = gate_mixer({"R": 0.5, "U1": 0.0, "U2": 0.0, "S": 1.0})
        >>> [round(float(trace.x[2]), 6) + 0.0 for trace in figure.data]  # what both tell
        [0.5, 0.0, 0.0, 1.0]
    """
    same_names("strengths", strengths, ATOMS)
    atoms = broja(combine(**{_PARTS[atom]: bits for atom, bits in strengths.items()}).p).atoms
    bars = {who: {atom: atoms[atom] * (atom in sees) for atom in ATOMS} for who, sees in _SEES.items()}
    figure = atom_bars(
        bars,
        title="Each slider moves its own colour, and no other",
        alt="Three stacked bars, what source 1, source 2 and both tell, and a slider for each of the four parts. "
        "Source 1 tells R and U1, source 2 tells R and U2, both tell all four.",
        upto=4.0,
    )
    if positions is None:
        return figure
    _check.whole("positions", positions, least=2)
    places = np.linspace(0, 1, positions)
    sliders = []
    for trace, atom in enumerate(ATOMS):
        solved = [broja(combine(**{_PARTS[atom]: float(place)}).p).atoms[atom] for place in places]
        told = [[round(bits, 6) * (atom in sees) for sees in _SEES.values()] for bits in solved]
        steps = [
            {"label": f"{place:.2f}", "method": "restyle", "args": [{"x": [bits]}, [trace]]}
            for place, bits in zip(places, told, strict=True)
        ]
        now = {"prefix": f"{_PARTS[atom]} ", "suffix": " bits", "font": {"size": 13}}
        place = {"x": 0.54 * (trace % 2), "len": 0.46, "y": 0, "pad": {"t": 60 + 85 * (trace // 2)}}
        look_of = {"ticklen": 0, "minorticklen": 0, "font": {"size": 11, "color": COLOURS[atom]}, **BAR}
        active = int(np.abs(places - strengths[atom]).argmin())
        sliders.append({"steps": steps, "active": active, "currentvalue": now, **place, **look_of})
    return figure.update_layout(sliders=sliders, height=520, margin_b=240)


def sensor_angle(
    degrees: float | Sequence[float], *, gain1: float = 1.0, gain2: float = 1.0, start: float | None = None
) -> go.Figure:
    r"""Turn two noisy sensors of a plane against each other, and show the four parts of what they tell.

    The label is a standard normal vector :math:`Y` in the plane, and sensor :math:`i` shows
    :math:`X_i = g_i\, h_i^\top Y + \text{noise}`: gain :math:`g_i`, direction :math:`h_i` of length 1, standard normal
    noise. `gaussian_vector` decomposes it, and `mmi` does so by amounts alone, which the angle does not change.

    Args:
        degrees: angle between the two directions, 0 to 180; several make a slider.
        gain1: :math:`g_1`, above 0; gain 1 tells half a bit.
        gain2: :math:`g_2`, above 0.
        start: the angle that is shown first.

    Returns:
        A Plotly figure: the two sensors as arrows as long as their gains, and one stacked bar a measure, in bits.

    Raises:
        TypeError: if an angle or a gain is not a number.
        ValueError: if an angle lies outside 0 to 180, or a gain is not above 0.

    Example:
        >>> figure = sensor_angle([0, 60, 90], start=60)
        >>> figure.layout.title.text.split(",")[0]
        '60 degrees: 0.06 bits are redundant'

    Source: Venkatesh et al. (2023) for the two sensors.
    """
    gains = {"gain1": gain1, "gain2": gain2}
    for name, gain in gains.items():
        _check.positive(name, gain)
    most = 0.5 * math.log2((1 + gain1**2) * (1 + gain2**2))  # bits that perpendicular sensors tell

    def draw(angle: float) -> go.Figure:
        _check.between("degrees", angle, 0, 180)
        k = math.radians(angle)
        h = np.array([[gain1, 0.0], [gain2 * math.cos(k), gain2 * math.sin(k)]])
        found = gaussian_vector(np.block([[h @ h.T + np.eye(2), h], [h.T, np.eye(2)]]), (1, 1, 2))
        alone = [0.5 * math.log2(1 + gain**2) for gain in gains.values()]
        by = {"by PID": found.atoms, "by MMI": mmi(*alone, max(found.total, *alone)).atoms}
        figure = make_subplots(2, 1, row_heights=[0.62, 0.38], vertical_spacing=0.06)
        for place, (name, (x, y)) in enumerate(zip(("sensor 1", "sensor 2"), h.round(3).tolist(), strict=True)):
            figure.add_scatter(
                x=[0, x], y=[0, y], mode="lines+markers+text", text=["", name], name=name, showlegend=False,
                textposition=("bottom center", "top center")[place], hoverinfo="name", row=1, col=1,
                line={"color": (COLOURS["U1"], COLOURS["U2"])[place], "width": 4},
                marker={"symbol": "arrow", "angleref": "previous", "size": [0, 16]},
            )  # fmt: skip
        for atom, text in ATOMS.items():
            figure.add_bar(
                name=text, orientation="h", y=list(by), x=[round(of[atom], 4) for of in by.values()], row=2, col=1,
                marker_color=COLOURS[atom], hovertemplate="%{y}: " + text + " = %{x:.3f} bits<extra></extra>",
            )  # fmt: skip
        far = 1.25 * max(gain1, gain2)
        figure.update_xaxes(range=[-far, far], visible=False, row=1)
        figure.update_yaxes(range=[-0.25 * far, far], visible=False, scaleanchor="x", row=1)
        figure.update_xaxes(title="information about the plane (bits)", range=[0, 1.05 * most], row=2)
        figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True, row=2)
        pid, same = (of["R"] for of in by.values())
        title = f"{angle:g} degrees: {pid:.2f} bits are redundant, MMI says {same:.2f} at every angle"
        alt = (
            "Two arrows under an angle, two sensors of a plane, and two stacked bars of what they tell. As they part, "
            "redundancy turns into unique information; by MMI, which compares amounts, it stays."
        )
        return figure.update_layout(barmode="stack", **look(title, alt, 430, r=20))

    return slider(draw, degrees, name="angle", unit="degrees", start=start, play=True)
