r"""Show ``book/ledger.json`` and ``book/tried.json`` in the pages: tables, a figure, and a role for a number in prose.

A page that depends on no profile is not run; what it shows is read when the book is built::

    ```{ledger} trifeatures          a table: every claim of an experiment at one size
    :profile: budget
    ```
    ```{ledger-figure} trifeatures   the same as a figure
    :profile: budget
    ```
    {ledger}`CoMM, Trifeatures, U; budget`    a number in a sentence, or the words "not measured"
    ```{tried} encoder               a table of what was tried about one topic
    ```
"""

import functools
import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive, directives

HEAD = [
    "method, task",
    "the paper",
    "ours",
    "published since",
    "each seed",
    "seconds a run",
    "device",
    "commit",
    "date",
]
NOTHING = "not measured"
NOT_IN_THE_REPOSITORY = "not in the repository"


# ---------------------------------------------------------------- the ledger in words


def plain(value):
    r"""Return a figure of others with the digits that it was given with."""
    return f"{value:g}"


def shown(value, unit):
    r"""Return a figure of ours: one decimal of a percentage, else four digits."""
    return f"{value:.1f}" if unit == "%" else f"{value:.4g}"


def with_spread(value, spread):
    return "–" if value is None else plain(value) + ("" if spread is None else f" ± {plain(spread)}")


def ours(row):
    r"""Return mean, lowest and highest of a row in words."""
    if row.ours is None:
        return NOTHING
    low, high = (shown(value, row.unit) for value in row.interval)
    return f"{shown(row.ours, row.unit)} [{low}, {high}]"


def in_prose(row):
    r"""Return a row as a sentence quotes it."""
    return NOTHING if row.ours is None else ours(row).replace(" [", f" {row.unit} [", 1)


def cells(row):
    r"""Return the cells of a row under ``HEAD``."""
    since = "\n".join(f"{with_spread(each.value, each.spread)} ({each.what})" for each in row.published)
    seeds = ", ".join(f"{seed}: {shown(v, row.unit)}" for seed, v in zip(row.seeds, row.values, strict=True))
    seconds = ", ".join(f"{value:.0f}" for value in row.seconds)
    how = [seeds, seconds, row.device, row.commit, row.date]
    first = [f"{row.method}, {row.task}", with_spread(row.paper, row.paper_spread), ours(row), since or "–"]
    return first + [each or "–" for each in how]


def notes(rows, older):
    r"""Return the sentences that stand below a table."""
    of = {}
    for row in rows:
        if row.paper_source:
            of.setdefault(row.paper_source, []).append(row)
    found = [f"In {rows[0].unit}.", f"The paper's figures: {'; '.join(of)}." if of else "The paper has no figures."]
    if older:
        found.append(f"Beside the newest figures shown, the file holds {older} older row{'s' * (older > 1)}.")
    return " ".join(found)


# ---------------------------------------------------------------- the ledger as a figure


def title(rows):
    r"""Return what the figure shows, computed from the rows."""
    both = [row for row in rows if row.ours is not None and row.paper is not None]
    if not both:
        return "Nothing measured yet at this size:<br>the paper's figures alone"
    worst = max(both, key=lambda row: abs(row.ours - row.paper))
    near = sum(abs(row.ours - row.paper) <= 3 for row in both)
    return (
        f"{near} of {len(both)} within 3 points of the paper;<br>furthest: {worst.method}, {worst.task}, "
        f"by {worst.ours - worst.paper:+.1f} points"
    )


@functools.cache
def style():
    r"""Give figures the book's look; once, for each time it begins anew to count them, and two might get one id."""
    from comm_lite.book.plot import use_style

    use_style()


def figure(rows):
    r"""Draw ours against the paper's, a column a task; what was not measured, or not published, has no point."""
    import plotly.graph_objects as go

    from comm_lite.book.plot import COLOURS

    style()
    tasks, methods = (list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("task", "method"))
    step, drawn = 0.8 / len(methods), go.Figure()

    def place(row, aside):
        return tasks.index(row.task) + (methods.index(row.method) - (len(methods) - 1) / 2 + aside) * step

    for method in methods:
        own = [row for row in rows if row.method == method and row.ours is not None]
        drawn.add_scatter(
            name=method if own else f"{method} ({NOTHING})",
            x=[place(row, 0.14) for row in own] or [None],
            y=[row.ours for row in own] or [None],
            error_y={
                "type": "data",
                "array": [row.interval[1] - row.ours for row in own],
                "arrayminus": [row.ours - row.interval[0] for row in own],
            },
            mode="markers",
            marker={"size": 11, "color": COLOURS.get(method)},
            text=[f"{method}, {row.task}: {ours(row)}" for row in own],
            hovertemplate="%{text}<extra></extra>",
        )
    paper = [row for row in rows if row.paper is not None]
    drawn.add_scatter(
        name="the paper",
        x=[place(row, -0.14) for row in paper],
        y=[row.paper for row in paper],
        error_y={"type": "data", "array": [row.paper_spread for row in paper], "color": "#888888"},
        mode="markers",
        marker={"symbol": "diamond-open", "size": 9, "color": [COLOURS.get(row.method, "#888888") for row in paper]},
        text=[f"the paper, {row.method}, {row.task}: {with_spread(row.paper, row.paper_spread)}" for row in paper],
        hovertemplate="%{text}<extra></extra>",
    )
    said = "; ".join(
        f"{row.method}, {row.task}: {ours(row)}, the paper {with_spread(row.paper, row.paper_spread)}" for row in rows
    )
    drawn.update_layout(
        title={"text": title(rows), "x": 0.01, "font": {"size": 16}},
        meta={"alt": f"Points for each method and task, in {rows[0].unit}. {said}."},
        height=440,
        margin={"l": 55, "r": 10, "t": 70, "b": 50},
        xaxis={
            "title": "task",
            "tickvals": list(range(len(tasks))),
            "ticktext": tasks,
            "range": [-0.5, len(tasks) - 0.5],
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={"title": f"score ({rows[0].unit})"},
        legend={"orientation": "h", "y": -0.22},
    )
    return drawn


# ---------------------------------------------------------------- what was tried


def read_tried(path):
    r"""Return the rows of ``book/tried.json``, or say in a ValueError what is wrong with one."""
    wanted = {"topic", "setting", "figures", "seeds", "scored_on", "command"}
    rows = json.loads(path.read_text(encoding="utf-8"))
    for index, row in enumerate(rows):
        if row.keys() != wanted:
            raise ValueError(f"row {index} of {path.name} must have the keys {sorted(wanted)}, got {sorted(row)}")
        if type(row["seeds"]) is not int or row["seeds"] < 1 or not row["figures"]:
            raise ValueError(f"row {index} of {path.name} must have figures and a number of seeds, got {row}")
        for figure in row["figures"].values():
            in_cell(figure)
    return rows


def in_cell(figure):
    r"""Return a figure of ``tried.json`` in words: a number, a mean with its deviation, a range, or words."""
    if isinstance(figure, str) and figure:
        return figure
    if isinstance(figure, dict) and figure.keys() == {"mean", "sd"}:
        return f"{plain(figure['mean'])} ± {plain(figure['sd'])}"
    if isinstance(figure, dict) and figure.keys() == {"from", "to"}:
        return f"{plain(figure['from'])} to {plain(figure['to'])}"
    if isinstance(figure, int | float) and not isinstance(figure, bool):
        return plain(figure)
    raise ValueError(f"a figure must be a number, mean and sd, from and to, or words, got {figure!r}")


# ---------------------------------------------------------------- into the page


def table(head, rows, *, classes):
    r"""Return a docutils table; a cell is a text of one or more lines, or a node."""
    made = nodes.table(classes=classes)
    group = nodes.tgroup(cols=len(head))
    made += group
    group += [nodes.colspec(colwidth=1) for _ in head]
    for part, lines in ((nodes.thead(), [head]), (nodes.tbody(), rows)):
        group += part
        for line in lines:
            row = nodes.row()
            part += row
            for content in line:
                kind = ["ledger-lacking"] if content == NOTHING else []
                inside = [nodes.Text(text) for text in content.split("\n")] if isinstance(content, str) else [content]
                row += nodes.entry(
                    "", *[nodes.paragraph("", "", nodes.inline("", "", i, classes=kind)) for i in inside]
                )
    return made


class FromFile(Directive):
    r"""What the directives share: one word as argument, and a file of the book."""

    required_arguments = 1

    def read(self, name, reader):
        r"""Return what ``reader`` makes of a file of the book, or stop the page with its words."""
        environment = self.state.document.settings.env
        path = Path(environment.srcdir) / "book" / name
        environment.note_dependency(str(path))
        try:
            return reader(path)
        except (ValueError, OSError) as error:
            raise self.error(f"{name} cannot be shown: {error}") from error


class Ledger(FromFile):
    r"""The table of one experiment at one size."""

    option_spec = {"profile": directives.unchanged_required}

    def rows(self):
        r"""Return the newest row of each claim that was asked for, and how many older ones there are."""
        from comm_lite.book.ledger import latest, read_ledger

        wanted = (self.arguments[0], self.options.get("profile"))
        every = [row for row in self.read("ledger.json", read_ledger) if (row.experiment, row.profile) == wanted]
        if not every:
            raise self.error(f"ledger.json has no row of experiment {wanted[0]!r} with profile {wanted[1]!r}")
        rows = list(latest(every).values())
        return rows, len([row for row in every if row.ours is not None and row not in rows])

    def run(self):
        r"""Return the nodes of the page."""
        rows, older = self.rows()
        lines = [[*cells(row), nodes.literal("", row.command)] for row in rows]
        below = nodes.paragraph("", notes(rows, older), classes=["ledger-notes"])
        return [table([*HEAD, "command"], lines, classes=["ledger"]), below]


class LedgerFigure(Ledger):
    r"""The figure of one experiment at one size."""

    def run(self):
        r"""Return the nodes of the page."""
        import plotly.io

        drawn = figure(self.rows()[0])
        page = plotly.io.renderers["comm_lite"].to_mimebundle(drawn.to_dict())["text/html"]
        return [nodes.raw("", page, format="html")]


class Tried(FromFile):
    r"""The table of one topic of what was tried."""

    def run(self):
        r"""Return the nodes of the page."""
        topic = self.arguments[0]
        rows = [row for row in self.read("tried.json", read_tried) if row["topic"] == topic]
        if not rows:
            raise self.error(f"tried.json has no row about {topic!r}")
        names = list(dict.fromkeys(name for row in rows for name in row["figures"]))
        lines = []
        for row in rows:
            figures = [in_cell(row["figures"][name]) if name in row["figures"] else "–" for name in names]
            command = nodes.literal("", row["command"]) if row["command"] else NOT_IN_THE_REPOSITORY
            lines.append([row["setting"], *figures, str(row["seeds"]), row["scored_on"], command])
        return [table(["setting", *names, "seeds", "scored on", "command"], lines, classes=["ledger", "ledger-tried"])]


def quote(name, rawtext, text, lineno, inliner, options=None, content=()):
    r"""Put the figure of a claim into a sentence."""
    from comm_lite.book.ledger import latest, read_ledger

    environment = inliner.document.settings.env
    path = Path(environment.srcdir) / "book" / "ledger.json"
    environment.note_dependency(str(path))
    key = tuple(part.strip() for part in text.rpartition(";")[::2])
    try:
        return [nodes.inline("", in_prose(latest(read_ledger(path))[key]), classes=["ledger-quote"])], []
    except KeyError:
        problem = f"ledger.json has no row of claim and profile {key}; write them with a semicolon between"
    except (ValueError, OSError) as error:
        problem = f"ledger.json cannot be shown: {error}"
    message = inliner.reporter.error(problem, line=lineno)
    return [nodes.problematic(rawtext, rawtext)], [message]


def setup(app):
    r"""Enter the directives and the role."""
    app.add_directive("ledger", Ledger)
    app.add_directive("ledger-figure", LedgerFigure)
    app.add_directive("tried", Tried)
    app.add_role("ledger", quote)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
