r"""Serve the vendored assets, and keep every page free of off-host, duplicate and failing scripts."""

from pathlib import Path


def _theme(app, config):
    # Not in _config.yml: there it would replace Jupyter Book's own theme options.
    config.html_theme_options.setdefault("navbar_persistent", [])  # drops a second search box


def _static(app):
    # Not in _config.yml: Jupyter Book makes every *.js that it finds there a <script> of every page.
    app.config.html_static_path.append(str(Path(app.srcdir).parent / "assets"))  # made by tools/vendor_assets.py


def _scripts(app, pagename, templatename, context, doctree):
    seen, keep = set(), []
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        name = str(getattr(script, "filename", script) or "")
        launches_kernel = "sphinx-thebe" in name or (body and "THEBE_JS_URL" in body)  # would fetch from the web
        if launches_kernel or (body and body in seen):
            continue
        seen.add(body)
        keep.append(script)
    context["script_files"] = keep


def setup(app):
    r"""Connect to Sphinx."""
    app.connect("config-inited", _theme)
    app.connect("builder-inited", _static)
    app.connect("html-page-context", _scripts, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
