r"""Mend what the theme writes into every page: what it loads in vain, and what a screen reader hears.

It is done on the finished pages, since the theme's templates offer no place for it. An edit that finds its place in
no page stops the build: the theme has changed.
"""

import re
from pathlib import Path

from sphinx.errors import ExtensionError

# What is changed and why, the place, what stands there afterwards.
EDITS = [
    (
        "the icons as a script of 1.4 MB; the style sheet draws them too",
        r'\s*<script defer src="[^"]*/fontawesome\.js[^>]*></script>',
        "",
    ),
    (
        "the index of the search, which only the search page asks (there it stands elsewhere)",
        r'(\s*<script src="[^"]*(searchtools|language_data|searchindex)\.js"></script>){3}(?=\s*</head>)',
        "",
    ),
    ("the style of a launcher that this book does not start", r"\s*<link [^>]*sphinx-thebe\.css[^>]*>", ""),
    (
        "a button is called what stands on it",
        r'(<button class="btn search-button-field [^>]*?) aria-label="Search"',
        r"\1",
    ),
    (
        "the name of the book and its search lie in a part of the page with a name",
        r'<div class="sidebar-primary-items__start ',
        r'<div role="navigation" aria-label="Book" class="sidebar-primary-items__start ',
    ),
]
# Of pages that have such a thing.
WHERE_THERE_IS_ONE = [
    ("a folded cell is called what stands on it", r'<summary aria-label="Toggle hidden content">', "<summary>"),
    (
        "what opens a branch of the contents says so",
        r'<summary>(?=<span class="toctree-toggle")',
        '<summary aria-label="Show the pages below">',
    ),
]


def mend(app, exception):
    r"""Edit every page of the finished site."""
    if exception is not None or app.builder.format != "html":
        return
    found = set()
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        for why, place, new in EDITS + WHERE_THERE_IS_ONE:
            html, count = re.subn(place, new, html)
            found |= {why} if count else set()
        page.write_text(html, encoding="utf-8")
    if lacking := {why for why, *_ in EDITS} - found:
        raise ExtensionError(f"the theme's pages have no longer what _ext/book_pages.py mends in them: {lacking}")


def setup(app):
    r"""Connect to Sphinx."""
    app.connect("build-finished", mend, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
