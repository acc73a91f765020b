r"""Figures to move over measurements: estimators of information, a space that is probed, the terms of a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from comm_lite import _check
from comm_lite.book.plot._layout import GREY, above, look, same_names
from comm_lite.book.plot.frames import slider
from comm_lite.book.plot.pid import ATOMS
from comm_lite.book.plot.style import COLOURS, CYCLE

_SYMBOLS = ("circle", "diamond", "square", "x", "triangle-up", "cross")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def mi_bounds(
    estimates: Mapping[int, Mapping[str, tuple[Sequence[float], Sequence[float]]]], truths: Sequence[float], *,
    title: str, alt: str, ceilings: Mapping[int, Mapping[str, float]] | None = None, start: int | None = None,
) -> go.Figure:  # fmt: skip
    r"""Draw estimates of mutual information against the true one; the slider sets the number of candidates N.

    Args:
        estimates: ``estimates[N][name] = (means, deviations)``, both in nats, one number for each of ``truths``; the
            same names, up to six, for each N. One N makes no slider.
        truths: T true values in nats, rising.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.
        ceilings: ``ceilings[N][name]`` in nats, a dashed line in the colour of that estimator.
        start: the N that is shown first.

    Returns:
        A Plotly figure with the truth as a dotted line; where an estimator leaves the plot the axis does not follow.

    Raises:
        TypeError: if an N is not an integer.
        ValueError: if there are no estimates, their names differ, or their numbers do not fit ``truths``.

    Example:
        >>> figure = mi_bounds({8: {"InfoNCE": ([1.0, 1.9], [0.1, 0.1])}}, [1.0, 4.0], title="t", alt="a")
        >>> figure.data[1].y
        (1.0, 1.9)
    """
    _check.some("estimates", estimates)
    names = list(next(iter(estimates.values())))
    ceilings = ceilings or {n: {} for n in estimates}
    same_names("ceilings", ceilings, estimates)
    for n, of in estimates.items():
        _check.whole("N", n, least=2)
        same_names(f"estimates[{n}]", of, names)
        if not 0 < len(names) <= len(CYCLE) or any(len(v) != len(truths) for pair in of.values() for v in pair):
            raise ValueError(
                f"estimates[{n}] must hold up to {len(CYCLE)} names with {len(truths)} means and deviations each, as "
                f"many as truths, got { ({name: [len(v) for v in pair] for name, pair in of.items()}) }; measure all"
            )
    ends = [0.0, 1.04 * max(truths)]

    def draw(n: int) -> go.Figure:
        figure = go.Figure()
        figure.add_scatter(x=ends, y=ends, name="the truth", mode="lines", line={"color": GREY, "dash": "dot"})
        for place, name in enumerate(names):
            mean, deviation = (np.round(np.asarray(v, dtype=float), 3).tolist() for v in estimates[n][name])
            figure.add_scatter(
                x=list(truths), y=mean, name=name, mode="lines+markers", line={"color": CYCLE[place]},
                marker={"symbol": _SYMBOLS[place], "size": 8}, error_y={"array": deviation, "color": CYCLE[place]},
                hovertemplate="truth %{x:.1f}, " + name + " %{y:.2f} nats<extra></extra>",
            )  # fmt: skip
        for name, level in ceilings[n].items():
            _check.one_of(f"a name of ceilings[{n}]", name, names)
            figure.add_scatter(
                x=ends, y=[round(level, 3)] * 2, mode="lines", showlegend=False, hoverinfo="skip",
                line={"color": CYCLE[names.index(name)], "dash": "dash", "width": 1},
            )  # fmt: skip
        return figure.update_layout(
            **look(title, alt, 440, l=50, t=above(title, ["the truth", *names])),
            xaxis={"title": {"text": "true information (nats)"}, "range": ends},
            yaxis={"title": {"text": "estimate (nats)"}, "range": [-0.5, 1.25 * max(truths)]},
        )

    return slider(draw, list(estimates), name="candidates N", start=start, play=True)


def mixture_probe(
    atoms: Mapping[str, Mapping[str, Mapping[str, float]]],
    found: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    *, name: str, title: str, alt: str, start: str | None = None,
) -> go.Figure:  # fmt: skip
    r"""Draw what each task holds, as stacked atoms, and what can be read from each space; a slider turns the mixture.

    Args:
        atoms: ``atoms[step][task]`` are the four atoms in bits, such as ``{"R": 0.4, "U1": 0.6, "U2": 0.0, "S": 0.0}``;
            the same tasks at each step. One step makes no slider.
        found: ``found[step][space][task]`` are the bits read from a space, one number a seed.
        name: what the slider turns.
        title: the finding.
        alt: the figure in words, for readers who listen to the page.
        start: the step that is shown first.

    Returns:
        A Plotly figure: a stacked bar a task, and beside it a mark a space, whiskers from the lowest to the highest
        seed.

    Raises:
        ValueError: if steps, spaces or tasks do not agree, or a task lacks an atom or a number.

    Example:
        >>> held = {"Romance": {"R": 1.0, "U1": 0.0, "U2": 0.0, "S": 0.0}}
        >>> read = {"Cross": {"Romance": [0.9, 0.7]}}
        >>> figure = mixture_probe({"1": held}, {"1": read}, name="R", title="t", alt="a")
        >>> round(figure.data[4].y[0], 6)
        0.8
    """
    _check.some("atoms", atoms)
    same_names("found", found, atoms)
    first = next(iter(atoms))
    for step, of in atoms.items():
        same_names(f"atoms[{step!r}]", of, atoms[first])
        same_names(f"found[{step!r}]", found[step], found[first])
        for task, parts in of.items():
            same_names(f"atoms[{step!r}][{task!r}]", parts, ATOMS)
        for space, read in found[step].items():
            same_names(f"found[{step!r}][{space!r}]", read, of)
            for task, bits in read.items():
                if len(bits) == 0:
                    raise ValueError(f"found[{step!r}][{space!r}][{task!r}] must hold a number, got none; add a seed")
    tasks, spaces = list(atoms[first]), list(found[first])

    def draw(step: str) -> go.Figure:
        figure = go.Figure()
        for atom, text in ATOMS.items():
            figure.add_bar(
                x=list(range(len(tasks))), y=[round(atoms[step][task][atom], 4) for task in tasks], name=text,
                marker_color=COLOURS[atom], opacity=0.6, hovertemplate=text + " = %{y:.2f} bits<extra></extra>",
            )  # fmt: skip
        for place, space in enumerate(spaces):
            bits = [np.asarray(found[step][space][task], dtype=float) for task in tasks]
            middle = np.array([of.mean() for of in bits])
            reach = {"array": [of.max() for of in bits] - middle, "arrayminus": middle - [of.min() for of in bits]}
            colour = COLOURS.get(space, ("#222222", "#777777")[place % 2])
            edge = {"width": 1, "color": "#ffffff"}
            figure.add_scatter(
                x=[k + 0.22 * (place - (len(spaces) - 1) / 2) for k in range(len(tasks))],
                y=middle.round(4).tolist(), name=space, mode="markers",
                marker={"symbol": _SYMBOLS[place % 6], "size": 11, "color": colour, "line": edge},
                error_y={side: of.round(4).tolist() for side, of in reach.items()}
                | {"color": COLOURS.get(space, GREY)},
                hovertemplate=space + ": %{y:.2f} bits<extra></extra>",
            )  # fmt: skip
        return figure.update_layout(
            barmode="stack",
            **look(title, alt, 430, l=50, t=above(title, [*ATOMS, *spaces])),
            xaxis={"tickvals": list(range(len(tasks))), "ticktext": tasks, "showgrid": False, "zeroline": False},
            yaxis={"title": {"text": "bits about the task"}, "range": [-0.1, 1.1]},
        )

    return slider(draw, list(atoms), name=name, unit="bits", start=start, play=True)


def loss_terms(
    terms: Mapping[str, Mapping[str, Sequence[float]]], at: Sequence[float], *, guess: float, alt: str,
    start: str | None = None,
) -> go.Figure:  # fmt: skip
    r"""Draw each term of a loss over the training; the slider chooses among trainings.

    Args:
        terms: ``terms[training][term]`` in nats, one number for each of ``at``; the same terms, up to six, in each
            training. One training makes no slider.
        at: training steps at which the terms were measured, rising.
        guess: what a guess costs, in nats, :math:`\log(2N - 1)` for each term of CoMM with N samples; a dotted line.
        alt: the figure in words, for readers who listen to the page.
        start: the training that is shown first.

    Returns:
        A Plotly figure; the title says where each term ends.

    Raises:
        TypeError: if ``guess`` is not a number.
        ValueError: if there is nothing to draw, terms differ between trainings, or numbers do not fit ``at``.

    Example:
        >>> figure = loss_terms({"both": {"joint": [5.0, 1.0], "image": [5.0, 3.0]}}, [1, 100], guess=5.5, alt="a")
        >>> figure.layout.title.text
        'both: ends at joint 1.00, image 3.00<br>nats'
    """
    _check.some("terms", terms)
    _check.positive("guess", guess)
    names = list(next(iter(terms.values())))
    for training, of in terms.items():
        same_names(f"terms[{training!r}]", of, names)
        if not 0 < len(names) <= len(CYCLE) or len(at) == 0 or any(len(values) != len(at) for values in of.values()):
            raise ValueError(
                f"terms[{training!r}] must hold up to {len(CYCLE)} terms with {len(at)} numbers each, as many as at, "
                f"got { ({term: len(values) for term, values in of.items()}) }; measure all terms at each step"
            )
    top = max(guess, *(max(values) for of in terms.values() for values in of.values()))

    def draw(training: str) -> go.Figure:
        figure = go.Figure()
        ends = [at[0], at[-1]]
        figure.add_scatter(x=ends, y=[guess] * 2, name="a guess", mode="lines", line={"color": GREY, "dash": "dot"})
        for place, term in enumerate(names):
            figure.add_scatter(
                x=list(at), y=[round(float(v), 3) for v in terms[training][term]], name=term, mode="lines",
                line={"color": CYCLE[place], "dash": _DASHES[place], "width": 3},
                hovertemplate="step %{x}: " + term + " %{y:.2f} nats<extra></extra>",
            )  # fmt: skip
        text = f"{training}: ends at {', '.join(f'{term} {terms[training][term][-1]:.2f}' for term in names)} nats"
        return figure.update_layout(
            **look(text, alt, 400, l=50, r=40, t=above(text, ["a guess", *names])),
            xaxis={"title": {"text": "training steps"}},
            yaxis={"title": {"text": "term of the loss (nats)"}, "range": [0, 1.05 * top]},
        )

    return slider(draw, list(terms), name="trained", start=start)
