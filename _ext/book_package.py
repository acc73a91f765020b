r"""Mend two habits of Sphinx on the pages that are made from docstrings: of fields, and of signatures."""

import re


def whole(app, what, name, of, options, lines):
    r"""Keep a sentence with a colon whole: in Google's style a field's first line would be "type: text"."""
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")  # the type is looked for in the first line


def written(app, what, name, of, options, arguments, returns):
    r"""Write a default that is a class, or made anew each time, as Python would, so that Sphinx can read it."""
    if arguments is not None:
        arguments = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", arguments).replace("<factory>", "...")
    return arguments, returns


def setup(app):
    r"""Connect to Sphinx."""
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", whole, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
