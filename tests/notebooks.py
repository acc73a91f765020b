r"""A small book in a temporary folder, for tests of the tools."""

import shutil

import nbformat

from run_chapters import ROOT

PARAMETERS = """
import os

profile = os.environ.get("COMM_LITE_PROFILE", "laptop")  # smoke, laptop, gpu
seed = 0  # of every generator in this chapter
"""
SETTINGS = """
from comm_lite.book import teach

config = teach.settings(profile, smoke={"n": 1}, laptop={"n": 2}, gpu={"n": 3})
teach.record("n", config.n)
teach.record("seed", seed)
"""


def notebook(*cells):
    r"""Return a notebook: markdown where a cell begins with #, code elsewhere."""
    made = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for index, source in enumerate(cells):
        new = nbformat.v4.new_markdown_cell if source.startswith("#") else nbformat.v4.new_code_cell
        cell = new(source.strip("\n"), id=f"cell-{index}")
        if source == PARAMETERS:
            cell.metadata["tags"] = ["parameters"]
        made.cells.append(cell)
    return made


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook(*cells), path)


def small_book(root, *, code="answer = 42"):
    r"""Lay out a book of an intro and one chapter under ``root``, with the real configuration and extension."""
    shutil.copytree(ROOT / "comm_lite", root / "comm_lite", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tools").mkdir()
    (root / "tools" / "requirements.lock").write_text("torch==2.13.0\n")
    for name in ("_config.yml", "_ext", "_static"):
        (root / name).symlink_to(ROOT / name)
    (root / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n  - caption: One\n    chapters:\n      - file: book/part/01_one\n"
    )
    (root / "book").mkdir()
    (root / "book" / "references.bib").symlink_to(ROOT / "book" / "references.bib")
    write(root / "book" / "intro.ipynb", "# Intro\n\nText.", PARAMETERS, SETTINGS)
    write(root / "book" / "part" / "01_one.ipynb", "# One\n\nText.", PARAMETERS, SETTINGS, code)
    return root
