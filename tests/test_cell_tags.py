r"""What a page shows of the code: cells that prepare, record or draw are folded or left out; JupyterLab shows them all.

A cell's kind is read off its syntax tree. ``hide-input`` folds the code of a cell and leaves what it shows,
``remove-input`` leaves the code out, and a cell that is hidden or removed as a whole needs no other tag.
"""

import ast
import json

import pytest

from depends import chapter_tree
from run_chapters import ROOT, chapters

QUIET = {"use_style", "set_num_threads", "perf_counter", "process_time"}  # what a set-up cell calls
DRAWS = {"subplots", "Figure", "make_subplots", "update_layout", "colorbar"}  # of matplotlib and Plotly
SHOWS = {"gallery", "explore", "slider", "show", "loss_curves", "score_bars", "embedding_map", "search_results"}
FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
TAGS = {"parameters": "remove-input", "imports": "remove-input", "settings": "hide-input", "records": "hide-input"}
TAGS |= {"plot": "hide-input"}


def called(node):
    r"""Return the names of what is called in a piece of code, without what it belongs to."""
    calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
    return {getattr(each, "attr", getattr(each, "id", "")) for each in calls}


def statements(body):
    r"""Return the statements of a cell, of loops and conditions those within."""
    found = []
    for node in body:
        within = [*getattr(node, "body", []), *getattr(node, "orelse", [])]
        found += statements(within) if isinstance(node, ast.For | ast.If | ast.With) else [node]
    return found


def kind(cell):
    r"""Return what a code cell is for: parameters, imports, settings, records, plot; or None, if it is to be read."""
    source, body = "".join(cell["source"]), chapter_tree(["".join(cell["source"])]).body
    if "parameters" in cell["metadata"].get("tags", []):
        return "parameters"
    if "teach.settings(" in source:
        return "settings"
    imports = [isinstance(node, ast.Import | ast.ImportFrom) for node in body]
    others = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]
    if any(imports) and all(called(node) and called(node) <= QUIET for node in others):
        return "imports"
    inner = statements(body)
    does = [called(node) for node in inner if isinstance(node, ast.Expr)]
    named = [isinstance(node, ast.Assign) for node in inner]  # numbers that get a name first
    if does and all("record" in names for names in does) and len(does) + sum(named) == len(inner) <= 2 * len(does):
        return "records"
    if called(ast.Module(body, [])) & DRAWS or (does and all(names & SHOWS for names in does) and len(inner) <= 5):
        return "plot"
    return None


CELLS = [
    (page.as_posix(), cell)
    for page in chapters()
    for cell in json.loads((ROOT / page).read_text(encoding="utf-8"))["cells"]
    if cell["cell_type"] == "code"
]


def test_every_kind_is_there():
    assert {kind(cell) for _, cell in CELLS} == {*TAGS, None}
    assert sum(kind(cell) is None for _, cell in CELLS) > 150, "what is to be read must stay"


@pytest.mark.parametrize("page", [page.as_posix() for page in chapters()])
def test_what_prepares_records_or_draws_is_folded(page):
    bare = [
        f"{cell['id']} ({kind(cell)}): {TAGS[kind(cell)]}"
        for where, cell in CELLS
        if where == page and kind(cell) and not FOLDED & {*cell["metadata"].get("tags", [])}
    ]
    assert bare == [], f"cells of {page} that need a tag"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("import torch\nfrom torch import nn", "imports"),
        ("import torch\n\nplot.use_style()\nbegin = time.perf_counter()", "imports"),
        ("import torch\n\nmodel = torch.nn.Linear(1, 1)", None),
        ("run = teach.settings(profile, smoke={}, laptop={}, gpu={})", "settings"),
        ("for name in told:\n    teach.record(name, told[name])", "records"),
        ("mean = sum(all) / 3\nteach.record('mean', mean)", "records"),
        ("print(mean)\nteach.record('mean', mean)", None),
        ("model = build()\nscore = probe(model)\nteach.record('score', score)", None),
        ("figure, axis = plt.subplots()\naxis.plot(x)\nplt.show()", "plot"),
        ("gallery(images, columns=4)", "plot"),
        ("def loss(x):\n    return x.sum()", None),
        ("teach.show_source(loss)", None),
    ],
)
def test_the_kinds(source, wanted):
    assert kind({"source": source, "metadata": {}}) == wanted
