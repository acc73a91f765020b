r"""What the appendix shows of the ledger and of what was tried: words, figures, and the pages that hold them."""

import importlib.util
import json
import re
from dataclasses import replace

import pytest

from comm_lite.book.ledger import Published, Row, latest, read_ledger
from run_chapters import ROOT

spec = importlib.util.spec_from_file_location("book_ledger", ROOT / "_ext" / "book_ledger.py")
book_ledger = importlib.util.module_from_spec(spec)
spec.loader.exec_module(book_ledger)

APPENDIX = ROOT / "book" / "appendix"
HOW = {"device": "CPU, 2 threads", "commit": "0123abc", "date": "2026-01-31"}


def row(method, task, paper, spread, values=(), **change):
    found = Row(f"{method}, toy, {task}", "toy", method, "budget", task, paper, spread, "Figure 4", (), None, None, (), (), (), "%", None, None, None, "python benchmarks/toy.py")  # fmt: skip # noqa: E501
    found = replace(found, **change)
    return found.measured(dict(enumerate(values)), {s: 60.4 for s in range(len(values))}, **HOW) if values else found


EMPTY = row("CoMM", "U", 87.8, 1.6)
FULL = row("CoMM", "S", 71.9, 2.05, (70.0, 72.04, 74.0))
CROSS = row("Cross", "S", None, None, (50.0, 51.0), paper_source=None)


def test_a_row_in_words():
    assert book_ledger.ours(FULL) == "72.0 [70.0, 74.0]" and book_ledger.in_prose(FULL) == "72.0 % [70.0, 74.0]"
    assert book_ledger.ours(EMPTY) == book_ledger.in_prose(EMPTY) == "not measured"
    how = ["0: 70.0, 1: 72.0, 2: 74.0", "60, 60, 60", "CPU, 2 threads", "0123abc", "2026-01-31"]
    assert book_ledger.cells(FULL) == ["CoMM, S", "71.9 ± 2.05", "72.0 [70.0, 74.0]", "–", *how]
    assert book_ledger.cells(EMPTY) == ["CoMM, U", "87.8 ± 1.6", "not measured", *["–"] * 6]
    others = (Published(86.8, 2.99, "run again"), Published(92.6, None, "a later one"))
    assert book_ledger.cells(replace(EMPTY, published=others))[3] == "86.8 ± 2.99 (run again)\n92.6 (a later one)"
    named = dict(zip(book_ledger.HEAD, book_ledger.cells(replace(FULL, published=others)), strict=True))
    assert (named["the paper"], named["ours"]) == ("71.9 ± 2.05", "72.0 [70.0, 74.0]")
    assert "\n" in named["published since"]
    assert [named[name] for name in ("seconds a run", "device", "commit", "date")] == how[1:]
    assert book_ledger.cells(CROSS)[1] == "–"
    assert book_ledger.ours(replace(FULL, unit="MSE x 1e-4")) == "72.01 [70, 74]"


def test_what_stands_below_a_table():
    assert book_ledger.notes([EMPTY, FULL], 0) == "In %. The paper's figures: Figure 4."
    assert book_ledger.notes([CROSS], 1).endswith(
        "no figures. Beside the newest figures shown, the file holds 1 older row."
    )
    assert book_ledger.notes([CROSS], 2).endswith("2 older rows.")


def test_the_title_is_computed():
    assert book_ledger.title([EMPTY, CROSS]).startswith("Nothing measured yet")
    far = row("Cross", "U", 11.6, 0.9, (30.0, 32.0))
    assert book_ledger.title([EMPTY, FULL, far]) == (
        "1 of 2 within 3 points of the paper;<br>furthest: Cross, U, by +19.4 points"
    )


def test_the_figure_skips_what_is_empty():
    rows = [EMPTY, FULL, CROSS]
    drawn = book_ledger.figure(rows)
    comm, cross, paper = drawn.data
    assert list(comm.y) == [FULL.ours] and list(cross.y) == [50.5] and list(paper.y) == [87.8, 71.9]
    assert comm.error_y.array[0] == pytest.approx(74.0 - FULL.ours) and cross.error_y.arrayminus[0] == 0.5
    assert list(paper.error_y.array) == [1.6, 2.05]
    assert drawn.layout.title.text == book_ledger.title(rows) and drawn.layout.yaxis.title.text == "score (%)"
    assert "CoMM, U: not measured, the paper 87.8 ± 1.6" in drawn.layout.meta["alt"]
    unmeasured, _ = book_ledger.figure([EMPTY]).data
    assert unmeasured.name == "CoMM (not measured)" and list(unmeasured.y) == [None]


def test_figures_of_what_was_tried_in_words():
    words = [3.50, {"mean": 1.0, "sd": 0.25}, {"from": 30, "to": 36}, "collapsed"]
    assert [book_ledger.in_cell(each) for each in words] == ["3.5", "1 ± 0.25", "30 to 36", "collapsed"]
    for wrong in (None, True, [], {"mean": 1.0}, ""):
        with pytest.raises(ValueError, match="a figure must be a number, mean and sd, from and to, or words, got"):
            book_ledger.in_cell(wrong)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seeds": 0}, "row 0 of tried.json must have figures and a number of seeds"),
        ({"figures": {}}, "row 0 of tried.json must have figures"),
        ({"figures": {"S": None}}, "a figure must be"),
        ({"extra": 1}, "row 0 of tried.json must have the keys"),
    ],
)
def test_a_wrong_row_of_what_was_tried_is_refused(tmp_path, change, text):
    right = {"topic": "t", "setting": "s", "figures": {"S": 1}, "seeds": 1, "scored_on": "v", "command": None}
    (tmp_path / "tried.json").write_text(json.dumps([right]))
    assert book_ledger.read_tried(tmp_path / "tried.json") == [right]
    (tmp_path / "tried.json").write_text(json.dumps([right | change]))
    with pytest.raises(ValueError, match=text):
        book_ledger.read_tried(tmp_path / "tried.json")


# ---------------------------------------------------------------- the pages


def test_the_page_shows_every_experiment_at_every_size():
    text = (APPENDIX / "ledger.md").read_text(encoding="utf-8")
    wanted = {
        (found.experiment, found.profile) for found in latest(read_ledger(ROOT / "book" / "ledger.json")).values()
    }
    for kind in ("ledger", "ledger-figure"):
        shown = re.findall(rf"```{{{kind}}} (\S+)\n:profile: (\S+)\n```", text)
        assert len(shown) == len(set(shown)) and set(shown) == wanted


def test_the_page_shows_every_topic_that_was_tried():
    text = (APPENDIX / "what_we_tried.md").read_text(encoding="utf-8")
    rows = book_ledger.read_tried(ROOT / "book" / "tried.json")
    shown = re.findall(r"```{tried} (\S+)\n```", text)
    assert len(shown) == len(set(shown)) and set(shown) == {found["topic"] for found in rows}
    for found in rows:
        command = found["command"]
        assert command is None or (ROOT / command.split()[1]).is_file()


@pytest.mark.parametrize("page", sorted(APPENDIX.glob("*.md")), ids=lambda page: page.name)
def test_no_figure_of_these_pages_was_typed(page):
    prose = re.sub(r"\(https?://\S+\)", "", page.read_text(encoding="utf-8"))
    assert len(prose) > 500 and re.findall(r"\d[.,]\d|\d\s?%|±\s?\d", prose) == []
