r"""Two runs of a chapter on one machine print the same, apart from timings, and keep a reader's home clean."""

import json
import re
import shutil

import pytest

from run_chapters import ROOT, run_chapter

FAST = ["book/intro.ipynb", "book/part1_align/02_training_a_clip.ipynb"]  # both train models
TIMING = re.compile(r"(^|-)(minutes|seconds)$")  # of a record's name
PACE = re.compile(r" *\[\d\d:\d\d<[^,\]]*,[^,\]]*")  # of a progress bar: what is left, and the steps a second


@pytest.fixture(scope="module", params=FAST)
def runs(request, tmp_path_factory):
    r"""The outputs of two runs, cell by cell, and the home folder that both had."""
    folder = tmp_path_factory.mktemp("twice")
    found, home = [], folder / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "USERPROFILE"):
            patch.setenv(name, str(home))
        patch.delenv("XDG_CACHE_HOME", raising=False)
        for name in ("first", "second"):
            root = folder / name  # what run_chapter hashes; the package itself is the installed one
            for part in ("book", "comm_lite", "tools"):
                shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_c*"))
            done = run_chapter(request.param, "smoke", root=root)
            cells = json.loads(done.read_text(encoding="utf-8"))["cells"]
            found.append({cell["id"]: cell["outputs"] for cell in cells if cell["cell_type"] == "code"})
    return *found, home


def untimed(outputs):
    r"""Leave out what a clock says."""
    kept = []
    for output in outputs:
        name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
        if output["output_type"] == "stream":
            kept.append(PACE.sub("", "".join(output["text"])))
        elif not TIMING.search(name):
            kept.append(output)
    return kept


def test_two_runs_print_the_same(runs):
    first, second, _ = runs
    kinds = json.dumps(first)
    assert '"application/vnd.plotly.v1+json"' in kinds or '"image/png"' in kinds, "no figure to compare"
    assert sum(len(untimed(outputs)) for outputs in first.values()) > 9 and first.keys() == second.keys()
    for cell, outputs in first.items():
        assert untimed(outputs) == untimed(second[cell]), f"cell {cell} differs between two runs"


def test_a_run_leaves_the_home_folder_clean(runs):
    kept = [path.relative_to(runs[2]).as_posix() for path in runs[2].rglob("*") if path.is_file()]
    caches = (".ipython/", ".cache/matplotlib/", "Library/Caches/", "AppData/")  # of IPython and matplotlib
    assert [path for path in kept if not path.startswith(caches)] == []
