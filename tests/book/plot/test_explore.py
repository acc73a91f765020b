import importlib
import subprocess
import sys

import pytest

from comm_lite.book.plot import explore

module = importlib.import_module("comm_lite.book.plot.explore")


def test_outside_a_live_notebook_nothing_is_drawn_or_loaded():
    code = """if True:
        import sys
        from comm_lite.book.plot import explore
        assert explore(lambda share: 1 / 0, share=(0.0, 1.0, 0.5)) is None
        print("ipywidgets" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


@pytest.mark.parametrize(("static", "shown"), [(None, 1), ("1", 0)])
def test_a_live_notebook_gets_sliders_and_an_executed_chapter_none(monkeypatch, static, shown):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    monkeypatch.delenv("COMM_LITE_STATIC", raising=False)
    if static:
        monkeypatch.setenv("COMM_LITE_STATIC", static)
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setattr(module, "_shell", lambda figure, sliders: (figure, sliders))
    explore(str, share=(0.0, 1.0, 0.5))
    assert displayed == [(str, {"share": (0.0, 1.0, 0.5)})] * shown


def test_moving_a_slider_redraws(monkeypatch):
    drawn = []
    monkeypatch.setattr("IPython.display.display", drawn.append)
    shell = module._shell(lambda share, other: (share, other), {"share": (0.0, 1.0, 0.5), "other": (0.0, 2.0, 1.0)})
    share, other = shell.children[:2]
    assert (share.description, share.value, share.min, share.max, share.step) == ("share", 0.5, 0.0, 1.0, 0.05)
    shell.update()
    share.value = 0.25
    assert drawn[0] == (0.5, 1.0) and drawn[-1] == (0.25, 1.0)


def test_a_text_box_takes_a_question(monkeypatch):
    drawn = []
    monkeypatch.setattr("IPython.display.display", drawn.append)
    shell = module._shell(lambda question: question.upper(), {"question": "a red fruit"})
    shell.update()
    shell.children[0].value = "a cat"
    assert drawn[0] == "A RED FRUIT" and drawn[-1] == "A CAT"


@pytest.mark.parametrize("of", [(0.0, 1.0), (1.0, 0.0, 0.5)])
def test_a_slider_needs_three_numbers_in_order(of):
    with pytest.raises(ValueError, match=r"share must be \(lowest, highest, start\), got .*; pass for instance"):
        explore(str, share=of)


def test_a_start_outside_is_refused():
    with pytest.raises(ValueError, match=r"the start of share must lie in \[0.0, 1.0\], got 2.0; pass a value inside"):
        explore(str, share=(0.0, 1.0, 2.0))
