r"""Every chapter from end to end, and what each must have recorded.

The runs are those of tools/run_chapters.py, so the book is built from the very notebooks that are checked here. The
profile is smoke; after `make book`, `COMM_LITE_PROFILE=laptop pytest tests/book/test_chapters.py` checks what the
rendered chapters claim.
"""

import json
import os
import re

import pytest

from run_chapters import ROOT, chapters, executed_path, run_chapter, state

PROFILE = os.environ.get("COMM_LITE_PROFILE", "smoke")
CHAPTERS = {page.as_posix(): page for page in chapters()}
RECORD = "application/vnd.comm-lite.record+json"
PLOTLY = "application/vnd.plotly.v1+json"


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def tags(cell):
    return cell["metadata"].get("tags", [])


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request):
    return CHAPTERS[request.param]


@pytest.fixture(scope="module")
def source(chapter):
    return json.loads((ROOT / chapter).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def executed(chapter):
    if state(chapter, PROFILE) != "current":
        run_chapter(chapter, PROFILE)
    return json.loads(executed_path(chapter, PROFILE).read_text(encoding="utf-8"))


def outputs(notebook):
    return [(cell, output) for cell in code_cells(notebook) for output in cell["outputs"]]


def records(notebook):
    found = [o for _, o in outputs(notebook) if RECORD in o.get("data", {})]
    names = [output["metadata"]["scrapbook"]["name"] for output in found]
    assert len(names) == len(set(names)), f"recorded twice: {sorted({n for n in names if names.count(n) > 1})}"
    return {name: output["data"][RECORD] for name, output in zip(names, found, strict=True)}


# ---------------------------------------------------------------- the source


def test_the_table_of_contents_and_the_folder_agree():
    stored = {p.relative_to(ROOT).as_posix() for p in (ROOT / "book").rglob("*.ipynb") if ".ipynb_c" not in str(p)}
    assert stored and stored == set(CHAPTERS)


def test_the_source_has_no_outputs(source):
    assert code_cells(source)
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(source))


def test_the_first_code_cell_holds_the_parameters_and_one_of_the_next_chooses_the_settings(source):
    first, *others = code_cells(source)
    assert "".join(first["source"]) == (
        "import os\n\n"
        'profile = os.environ.get("COMM_LITE_PROFILE", "laptop")  # smoke, laptop, gpu\n'
        "seed = 0  # of every generator in this chapter"
    )
    assert "parameters" in tags(first) and not any("parameters" in tags(cell) for cell in others)
    assert any("teach.settings(" in "".join(cell["source"]) for cell in others)


def test_cells_fit_a_screen_and_a_page(source):
    assert code_cells(source)
    for cell in code_cells(source):
        lines = "".join(cell["source"]).splitlines()
        assert len(lines) <= 45, f"cell {cell['id']} has {len(lines)} lines"
        assert max(map(len, lines), default=0) <= 77, f"cell {cell['id']} is wider than 77 columns"


def test_cell_ids_are_there_and_differ(source):
    ids = [cell["id"] for cell in source["cells"]]
    assert len(ids) == len(set(ids)) > 1
    assert source["metadata"]["kernelspec"]["name"] == "python3"
    assert source["metadata"]["language_info"]["name"] == "python"


# ---------------------------------------------------------------- the run


def test_nothing_failed(executed):
    assert outputs(executed), "a chapter shows something"
    for cell, output in outputs(executed):
        assert output["output_type"] != "error", f"cell {cell['id']}: {output.get('ename')}"
        text = "".join(output.get("text", "")) + json.dumps(output.get("data", {}))
        assert "Traceback (most recent" not in text, f"cell {cell['id']} shows a traceback"
        assert output.get("name") != "stderr" or not text.strip(), f"cell {cell['id']} warns: {text[:300]}"


def test_every_picture_says_in_words_what_it_shows(executed):
    pictures = 0
    for cell, output in outputs(executed):
        data = output.get("data", {})
        if PLOTLY in data:
            alt = (data[PLOTLY]["layout"].get("meta") or {}).get("alt", "")
        elif "image/png" in data or "image/svg+xml" in data:
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        else:
            continue
        pictures += 1
        assert len(alt) > 40, f"cell {cell['id']}: a text alternative is wanted, got {alt!r}"
    assert pictures, "a chapter has a figure"


def test_prose_quotes_only_what_was_recorded(source, executed):
    prose = "".join("".join(cell["source"]) for cell in source["cells"] if cell["cell_type"] == "markdown")
    quoted = {name.split(":")[0] for name in re.findall(r"\{glue:(?:text)?\}`([^`]+)`", prose)}
    assert quoted, "a chapter's prose quotes at least one measured number"
    assert quoted <= set(records(executed)), f"never recorded: {sorted(quoted - set(records(executed)))}"


# ---------------------------------------------------------------- what each chapter must have measured


def intro(recorded):
    holds = {"Romance": "R", "Horror": "U1", "Documentary": "U2", "Thriller": "S"}
    for movie, atom in holds.items():
        bits = {name: round(value, 9) for name, value in recorded["parts"][movie].items()}
        assert bits == {name: float(name == atom) for name in ("R", "U1", "U2", "S")}
    assert set(recorded["told"]) == set(holds)
    for name, told in recorded["told"].items():
        assert told["both"] == pytest.approx(sum(recorded["parts"][name].values()))  # (eq-pid-sum)


def controlled_experiment(recorded):
    tasks, methods = ["R", "S", "U1", "U2"], ["CoMM", "Cross", "Cross+Self"]
    assert sorted(recorded["scores"]) == methods and recorded["profile"] == PROFILE
    for method in methods:
        assert sorted(recorded["scores"][method]) == tasks
        for value, low, high in recorded["scores"][method].values():
            assert 0 <= low <= value <= high <= 100
    assert len(recorded["losses"]) == len(recorded["seconds"]) == 6
    for run, losses in recorded["losses"].items():
        assert losses[-1] < losses[0], f"{run} did not learn"
    assert recorded["bits-alone"] < 0.05 < 0.3 < recorded["bits-together"]  # S is synergy, as planted
    at = {method: {task: value for task, (value, _, _) in of.items()} for method, of in recorded["scores"].items()}
    if PROFILE == "smoke":
        # seconds of training: nothing is claimed but that each model knows more of something than a guess would
        for method in methods:
            assert max(low for task, (_, low, _) in recorded["scores"][method].items() if task != "S") > 10, method
        return
    assert min(at[method]["R"] for method in methods) >= 95
    # the aim for Cross was 25; at this size textures that nobody asked for linger at about a third (see the chapter)
    assert max(at["Cross"]["U1"], at["Cross"]["U2"]) <= 40 < 60 <= min(at["CoMM"]["U1"], at["CoMM"]["U2"])
    others = [at["Cross"]["S"], at["Cross+Self"]["S"]]
    assert all(abs(value - 50) <= 4 for value in others) and at["CoMM"]["S"] >= max(others) + 15


MEASURED = {  # chapter: function of its records that asserts
    "book/intro.ipynb": intro,
    "book/part4_comm/12_controlled_experiment.ipynb": controlled_experiment,
}


def test_the_chapter_measured_what_it_should(chapter, executed):
    recorded = records(executed)
    assert recorded, "a chapter records what it measured"
    assert chapter.as_posix() in MEASURED, f"say in MEASURED what {chapter} must have measured"
    MEASURED[chapter.as_posix()](recorded)
