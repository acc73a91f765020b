r"""Let the docstring of a field be a sentence with a colon, which Sphinx's Google style would take for "type: text"."""


def whole(app, what, name, of, options, lines):
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")  # the type is looked for in the first line


def setup(app):
    r"""Connect to Sphinx."""
    app.setup_extension("sphinx.ext.napoleon")
    app.connect("autodoc-process-docstring", whole, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
