r"""Profiles and parameters, through real runs of a tiny chapter."""

import os

import nbformat
import papermill
import pytest
from notebooks import PARAMETERS, SETTINGS, small_book, write

import run_chapters
from run_chapters import check_parameters

pytestmark = pytest.mark.filterwarnings("ignore:.*[Pp]assed unknown parameter")


def recorded(path):
    outputs = [o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", []) if "data" in o]
    mime = "application/vnd.comm-lite.record+json"
    return {o.metadata["scrapbook"]["name"]: o.data[mime] for o in outputs if mime in o.data}


@pytest.fixture
def run(tmp_path, monkeypatch):
    write(tmp_path / "tiny.ipynb", PARAMETERS, SETTINGS)

    def run(variable=None, **parameters):
        monkeypatch.delenv("COMM_LITE_PROFILE", raising=False)
        if variable:
            monkeypatch.setenv("COMM_LITE_PROFILE", variable)
        out = tmp_path / "out.ipynb"
        options = {"progress_bar": False, "kernel_name": "python3"}
        papermill.execute_notebook(str(tmp_path / "tiny.ipynb"), str(out), parameters=parameters, **options)
        return recorded(out)

    return run


@pytest.mark.parametrize(
    ("variable", "parameters", "wanted"),
    [
        (None, {}, {"n": 2, "seed": 0}),
        ("smoke", {}, {"n": 1, "seed": 0}),
        ("gpu", {"profile": "smoke", "seed": 7}, {"n": 1, "seed": 7}),  # the parameter beats the variable
    ],
)
def test_variable_and_parameter_choose_the_profile(run, variable, parameters, wanted):
    assert run(variable, **parameters) == wanted


def test_an_unknown_profile_stops_the_chapter(run):
    wanted = r"ValueError: profile must be one of \['smoke', 'laptop', 'gpu'\], got 'fast'"
    with pytest.raises(papermill.PapermillExecutionError, match=wanted):
        run("fast")


def test_a_mistyped_parameter_stops_the_chapter(run):
    wanted = r"ValueError: unknown parameter \['profle'\]; this chapter takes \['profile', 'seed'\]"
    with pytest.raises(papermill.PapermillExecutionError, match=wanted):
        run(profle="smoke")


def test_the_tool_names_the_known_profiles_and_parameters(tmp_path):
    root = small_book(tmp_path)
    chapter = run_chapters.chapters(root)[1]
    with pytest.raises(ValueError, match="profile must be one of smoke, laptop, gpu, got 'fast'"):
        check_parameters(chapter, "fast", {}, root)
    with pytest.raises(ValueError, match=r"takes the parameters \['profile', 'seed'\], got unknown \['profle'\]"):
        check_parameters(chapter, "smoke", {"profle": "x"}, root)
    check_parameters(chapter, "smoke", {"seed": 1}, root)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-p", "profile", "fast"], "profile must be one of smoke, laptop, gpu, got 'fast'"),
        (["--profile", "fast"], "invalid choice: 'fast'"),
        (["-p", "sede", "1"], "got unknown ['sede']"),
        (["book/99_nothing.ipynb"], "unknown chapter book/99_nothing.ipynb; the chapters are book/intro.ipynb"),
    ],
)
def test_the_command_refuses_what_it_does_not_know(arguments, text, capsys):
    with pytest.raises(SystemExit) as caught:
        run_chapters.main(arguments)
    assert caught.value.code == 2 and text in capsys.readouterr().err


def test_pytest_nbmake_by_itself_takes_the_smallest_profile(monkeypatch):
    monkeypatch.delenv("COMM_LITE_PROFILE", raising=False)
    hooks = {}
    exec(compile((run_chapters.ROOT / "book" / "conftest.py").read_text(), "book/conftest.py", "exec"), hooks)
    hooks["pytest_configure"]()
    assert os.environ.pop("COMM_LITE_PROFILE") == "smoke" and os.environ["COMM_LITE_STATIC"] == "1"
    hooks["pytest_unconfigure"]()
