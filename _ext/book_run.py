r"""Show what the run of each chapter took, and where: a line below its title, and a table of all chapters.

tools/run_chapters.py writes these facts into every executed notebook, tools/build_book.py hands them on. Usage::

    ```{runs}
    ```
"""

import datetime
import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

LACKING = "not recorded"  # the run is older than the record
TABLE = "book/appendix/run"  # the page that has it
HEAD = ["chapter", "time", "profile", "device", "PyTorch", "Python", "date"]


def duration(seconds):
    r"""Return seconds in words, with a precision that a second run would share."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def words(facts):
    r"""Return the facts of a run by the names in ``HEAD``; what an older run did not record says so."""
    known = {name: str(facts.get(name, LACKING)) for name in ("profile", "device", "torch", "python", "date")}
    if "threads" in facts:
        kind = "thread" if known["device"] == "CPU" else "CPU thread"
        known["device"] += f", {facts['threads']} {kind}{'s' * (facts['threads'] != 1)}"
    if "date" in facts:
        day = datetime.date.fromisoformat(facts["date"])
        known["date"] = f"{day.day} {day:%B %Y}"
    return {"PyTorch": known.pop("torch"), "Python": known.pop("python"), "time": duration(facts["seconds"])} | known


def banner(facts):
    r"""Return the line below a chapter's title."""
    said = words(facts)
    known = [said[name] for name in ("device", "date") if said[name] != LACKING]
    cost = f"{said['time']} from the start of Python to the last cell"
    return " · ".join([f"This run: {said['profile']} profile", cost, *known])


def facts_of(path):
    r"""Return what the run of a notebook recorded about itself, or None if it is no executed chapter."""
    path = Path(path)
    if path.suffix != ".ipynb":
        return None
    facts = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("comm_lite")
    return facts if facts and "seconds" in facts else None


class Runs(Directive):
    r"""The table of all chapters."""

    def run(self):
        r"""Return the nodes of the page."""
        from book_ledger import table

        environment = self.state.document.settings.env
        pages = {page: facts_of(environment.doc2path(page)) for page in sorted(environment.found_docs)}
        pages = {page: facts for page, facts in pages.items() if facts}
        if not pages:
            return [nodes.paragraph("", "No executed chapter is in this book.")]
        lines = []
        for page, facts in pages.items():
            said = words(facts)
            lines.append([to(page, environment.docname), *[said[name] for name in HEAD[1:]]])
        total = duration(sum(facts["seconds"] for facts in pages.values()))
        below = nodes.paragraph("", f"All {len(pages)} pages together: {total}.", classes=["ledger-notes"])
        return [table(HEAD, lines, classes=["ledger", "runs"]), below]


def to(page, document, words=None):
    r"""Return a link to a page, under its title or under words of ours."""
    link = addnodes.pending_xref("", refdomain="std", reftype="doc", reftarget=f"/{page}", refdoc=document)
    link["refexplicit"] = words is not None
    link += nodes.inline("", words or page)
    return link


def show(app, doctree):
    facts = facts_of(app.env.doc2path(app.env.docname))
    title = next(doctree.findall(nodes.title), None)
    if facts and title is not None:
        line = nodes.paragraph("", banner(facts), classes=["run-facts"])
        if TABLE in app.env.found_docs:
            line += [nodes.Text(" · "), to(TABLE, app.env.docname, "all runs")]
        title.parent.insert(title.parent.index(title) + 1, line)


def setup(app):
    r"""Enter the directive, and put the line into the chapters."""
    app.add_directive("runs", Runs)
    app.connect("doctree-read", show)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
