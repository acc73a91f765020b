r"""The tools that run the chapters and build the book, on a small book of their own."""

import ast
import concurrent.futures
import dataclasses
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import nbformat
import pytest
import tinycss2
from notebooks import PARAMETERS, SETTINGS, small_book, write
from PIL import Image

import book_light
import build_book
import folders
import kernels
import make_pdf
import run_chapters
import talk
import vendor_assets
from comm_lite.book.ledger import Row
from comm_lite.book.plot.style import TRACES
from run_chapters import ROOT, executed_path, run_chapter, state

ONE = "book/part/01_one.ipynb"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book with a package of its own, which its kernels import."""
    made = small_book(tmp_path / "a book")
    monkeypatch.setenv("PYTHONPATH", str(made))
    return made


@pytest.fixture
def chapter(root):
    return run_chapters.chapters(root)[1]


def pretend_executed(root, profile="smoke"):
    """Store every chapter as if it had run: what a run writes, without a kernel."""
    for page in run_chapters.chapters(root):
        made = nbformat.read(root / page, 4)
        made.metadata["comm_lite"] = {"sources": run_chapters.sources_hash(page, profile, root=root)}
        executed_path(page, profile, root).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(made, executed_path(page, profile, root))


def append(path, text):
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def fold(path):
    made = nbformat.read(path, 4)
    made.cells[-1].metadata["tags"] = ["hide-input"]
    nbformat.write(made, path)


def leftovers(root):
    return [path.name for path in (root / "_build").rglob("*partial*")]


# ---------------------------------------------------------------- running


def test_a_chapter_runs_once_and_again_when_something_changed(root, chapter):
    assert state(chapter, "smoke", root=root) == "missing"
    done = run_chapter(chapter, "smoke", root=root)
    assert done == root / "_build/executed/smoke/book/part/01_one.ipynb"
    assert state(chapter, "smoke", root=root) == "current" and leftovers(root) == []
    text = done.read_text()
    assert str(root) not in text and str(ROOT) not in text, "paths of a machine in the executed notebook"
    injected = [c for c in json.loads(text)["cells"] if "injected-parameters" in c["metadata"].get("tags", [])]
    assert len(injected) == 1 and "remove-cell" in injected[0]["metadata"]["tags"]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda root: append(root / "comm_lite" / "book" / "same.py", "value = 2\n"), "stale"),  # teach imports it
        (lambda root: append(root / "comm_lite" / "book" / "same.py", "# value = 2\n"), "current"),
        (lambda root: append(root / "comm_lite" / "models.py", "value = 2\n"), "current"),  # the chapter has no model
        (lambda root: (root / "comm_lite" / "new.py").write_text(""), "current"),
        (lambda root: (root / "tools" / "requirements.lock").write_text("torch==2.14.0\n"), "stale"),
        (lambda root: write(root / "book/part/01_one.ipynb", "# One", PARAMETERS, SETTINGS, "answer = 43"), "stale"),
        (
            lambda root: write(root / "book/part/01_one.ipynb", "# Mended.", PARAMETERS, SETTINGS, "answer = 42"),
            "current",
        ),
        (lambda root: fold(root / "book/part/01_one.ipynb"), "current"),
        (lambda root: (root / "book" / "ledger.json").write_text("[]"), "current"),  # its code does not name it
        (lambda root: executed_path(ONE, "smoke", root).unlink(), "missing"),
    ],
    ids=["package", "comment", "other module", "new module", "lock", "code", "prose", "tag", "figures", "removed"],
)
def test_what_makes_a_chapter_stale(root, chapter, change, wanted):
    pretend_executed(root)
    assert state(chapter, "smoke", root=root) == "current"
    assert state(chapter, "laptop", root=root) == "missing"
    assert state(chapter, "smoke", {"seed": 1}, root) == "stale"
    change(root)
    assert state(chapter, "smoke", root=root) == wanted


def test_a_chapter_that_reads_a_file_of_figures_is_stale_when_it_changed(root, chapter):
    write(root / chapter, "# One", PARAMETERS, 'text = open("../ledger.json").read()')
    (root / "book" / "ledger.json").write_text("[]")
    pretend_executed(root)
    (root / "book" / "tried.json").write_text("[]")
    assert state(chapter, "smoke", root=root) == "current"
    (root / "book" / "ledger.json").write_text("[1]")
    assert state(chapter, "smoke", root=root) == "stale"
    assert state(run_chapters.chapters(root)[0], "smoke", root=root) == "current"


def test_of_a_progress_bar_the_page_keeps_the_last_state():
    def printed(text, name="stdout"):
        return nbformat.v4.new_output("stream", text=text, name=name)

    shown = nbformat.v4.new_output("display_data", {"text/plain": "a\rb"})
    pieces = [printed("start\n\r 0%"), printed("\r 50%"), printed("\r100%\nend\r\n"), shown, printed("x", "stderr")]
    joined = run_chapters.as_on_a_terminal(pieces)
    assert [output.get("text") for output in joined] == ["start\n100%\nend\n", None, "x"]
    assert joined[1]["data"] == {"text/plain": "a\rb"}


def test_a_failed_chapter_keeps_its_notebook_and_is_not_done(root, chapter):
    write(root / chapter, "# One", PARAMETERS, SETTINGS, "1 / 0")
    with pytest.raises(RuntimeError, match=r"01_one.ipynb failed: ZeroDivisionError: division by zero; see .*failed"):
        run_chapter(chapter, "smoke", root=root)
    assert state(chapter, "smoke", root=root) == "failed" and leftovers(root) == []
    assert not executed_path(chapter, "smoke", root).exists()
    assert "ZeroDivisionError" in executed_path(chapter, "smoke", root).with_suffix(".failed.ipynb").read_text()
    write(root / chapter, "# One", PARAMETERS, SETTINGS, "1 / 1")
    run_chapter(chapter, "smoke", root=root)
    assert state(chapter, "smoke", root=root) == "current"
    assert not executed_path(chapter, "smoke", root).with_suffix(".failed.ipynb").exists()


def started(code):
    """Start Python so that it can be interrupted: a signal that is ignored here would be ignored there."""
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, inherited)


@pytest.mark.parametrize("ignored", [False, True], ids=["at a terminal", "behind an &"])
def test_an_interrupted_run_leaves_nothing_half(root, chapter, ignored):
    """Also when these tests were started in the background of a script, where interrupts are ignored."""
    begun = f"open({str(root / 'started')!r}, 'w').close()"
    write(root / chapter, "# One", PARAMETERS, f"{begun}\nimport time; time.sleep(60)")
    code = (
        f"import sys, pathlib; sys.path.insert(0, {str(ROOT / 'tools')!r}); import run_chapters;"
        f"run_chapters.run_chapter(pathlib.Path({str(chapter)!r}), 'smoke', root=pathlib.Path({str(root)!r}))"
    )
    inherited = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        process = started(code)
    finally:
        signal.signal(signal.SIGINT, inherited)
    try:
        until = time.monotonic() + 120
        while not (root / "started").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        assert (root / "started").exists() and leftovers(root), "the run did not begin"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
        process.wait()
    assert leftovers(root) == [] and state(chapter, "smoke", root=root) == "missing"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"cells": []}', "\udcff"], ids=repr)
def test_a_damaged_notebook_of_a_run_is_stale_and_named(root, chapter, damage):
    pretend_executed(root)
    done = executed_path(chapter, "smoke", root)
    done.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert state(chapter, "smoke", root=root) == "stale"
    (line,) = build_book.refusals("smoke", root)
    assert f"{chapter} is stale, {done} is damaged" in line and "run: python tools/run_chapters.py" in line
    done.with_suffix(".failed.ipynb").write_text(damage, errors="surrogateescape")
    assert state(chapter, "smoke", root=root) == "stale"
    run_chapter(chapter, "smoke", root=root) if damage == "{" else None
    assert state(chapter, "smoke", root=root) == ("current" if damage == "{" else "stale")


def test_a_damaged_chapter_is_named(root, chapter):
    (root / chapter).write_text('{"cells": [')
    with pytest.raises(RuntimeError, match=r"01_one.ipynb is damaged: Expecting value"):
        run_chapter(chapter, "smoke", root=root)


# ---------------------------------------------------------------- which package ran


def test_another_package_is_refused_before_and_after_a_run(root, chapter, tmp_path, monkeypatch):
    other = tmp_path / "second checkout"
    shutil.copytree(root / "comm_lite", other / "comm_lite")
    monkeypatch.setenv("PYTHONPATH", str(other))
    assert run_chapter(chapter, "smoke", root=root), "a copy of the same files is the same package"
    append(other / "comm_lite" / "models.py", "value = 2\n")
    wanted = (
        rf"must run with the package {root / 'comm_lite'}, this Python runs {other / 'comm_lite'}; install that one"
    )
    with pytest.raises(RuntimeError, match=wanted):
        run_chapter(chapter, "smoke", root=root)
    pretend_executed(root)
    with pytest.raises(RuntimeError, match=wanted):
        build_book.build("smoke", root)
    with pytest.raises(RuntimeError, match=wanted):
        talk.rehearse("smoke", talk=chapter, root=root)
    monkeypatch.setattr(run_chapters, "check_python", lambda root: None)  # the kernel alone finds another one
    executed_path(chapter, "smoke", root).unlink()
    with pytest.raises(RuntimeError, match=wanted):
        run_chapter(chapter, "smoke", root=root)
    assert state(chapter, "smoke", root=root) == "missing" and leftovers(root) == []


def test_a_kernel_on_a_search_path_is_not_taken(root, chapter, tmp_path, monkeypatch):
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    wrong = {"argv": ["false", "{connection_file}"], "display_name": "Wrong", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(wrong))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    facts = json.loads(run_chapter(chapter, "smoke", root=root).read_text())["metadata"]["comm_lite"]
    assert facts["package"] == kernels.package_hash(root / "comm_lite") and "folder" not in facts


def test_nbmake_refuses_another_package(root, tmp_path, monkeypatch):
    for name in ("book/conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    for tool in (ROOT / "tools").glob("*.py"):
        shutil.copy(tool, root / "tools")
    command = [sys.executable, "-m", "pytest", "-q", "--nbmake", "-p", "no:cacheprovider", "book/part"]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ran.returncode == 0 and "1 passed" in ran.stdout, ran.stdout + ran.stderr
    shutil.copytree(root / "comm_lite", tmp_path / "other" / "comm_lite")
    append(tmp_path / "other" / "comm_lite" / "models.py", "value = 2\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert ran.returncode != 0 and "chapters must run with the package" in ran.stdout + ran.stderr


# ---------------------------------------------------------------- folders, names, threads


def test_folders_that_are_put_in_place_at_once_leave_one_whole(tmp_path):
    def put(number):
        for _ in range(30):
            with folders.own_folder(tmp_path / "_build") as own:
                (own / "new").mkdir()
                for part in "ab":
                    (own / "new" / part).write_text(str(number))
                folders.put_in_place(own / "new", tmp_path / "_build" / "html")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(4)))
    assert [path.name for path in (tmp_path / "_build").iterdir()] == ["html"]
    a, b = ((tmp_path / "_build" / "html" / part).read_text() for part in "ab")
    assert a == b and a in "0123"


def test_two_profiles_built_at_once_are_two_right_books(root, chapter):
    write(root / chapter, "# One\n\nHere {glue:text}`n`.", PARAMETERS, SETTINGS)
    for profile in ("smoke", "laptop"):
        for page in run_chapters.chapters(root):
            run_chapter(page, profile, root=root)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        built = list(pool.map(lambda profile: build_book.build(profile, root), ("smoke", "laptop")))
    pages = [(index.parent / "book" / "part" / "01_one.html").read_text() for index in built]
    assert [re.search(r"Here <span[^>]*>(\d)</span>", page)[1] for page in pages] == ["1", "2"]
    assert leftovers(root) == []


def test_a_folder_with_any_name_works_where_python_reads_ascii(tmp_path, monkeypatch):
    root = small_book(tmp_path / "Größe 日本")
    for tool in (ROOT / "tools").glob("*.py"):
        shutil.copy(tool, root / "tools")
    for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(root)}.items():
        monkeypatch.setenv(name, value)
    for tool in ("run_chapters", "build_book"):
        command = [sys.executable, str(root / "tools" / f"{tool}.py"), "--profile", "smoke"]
        ran = subprocess.run(command, cwd=root, capture_output=True)
        assert ran.returncode == 0, ran.stderr.decode("utf-8")
    assert "Größe 日本/_build/html/smoke/index.html" in ran.stdout.decode("utf-8")


def test_threads_wait_passively_unless_the_user_says_otherwise(root, chapter, monkeypatch):
    show = "import os, json\nprint([os.environ.get(name) for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')])"
    write(root / chapter, "# One", PARAMETERS, show)

    def printed():
        cells = json.loads(run_chapter(chapter, "smoke", root=root).read_text())["cells"]
        return ast.literal_eval("".join(cells[-1]["outputs"][0]["text"]))

    for name in kernels.PASSIVE:
        monkeypatch.delenv(name, raising=False)
    assert printed() == list(kernels.PASSIVE.values()) and not kernels.PASSIVE.keys() & os.environ.keys()
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert printed() == ["active", None]


def test_a_run_says_where_it_took_place_and_leaves_no_trace_of_asking(root, chapter):
    notebook = json.loads(run_chapter(chapter, "smoke", root=root).read_text())
    facts = notebook["metadata"]["comm_lite"]
    assert facts["device"] == "CPU" and facts["threads"] >= 1 and facts["torch"].startswith("2.")
    assert re.fullmatch(r"3\.\d+\.\d+", facts["python"]) and re.fullmatch(r"\d{4}-\d\d-\d\d", facts["date"])
    assert facts["seconds"] > 0 and facts["profile"] == "smoke"
    source = json.loads((root / chapter).read_text())["cells"]
    assert [c["id"] for c in notebook["cells"] if c["id"] != "injected-parameters"] == [c["id"] for c in source]


def test_pages_below_a_page_are_read_in_their_order(root):
    for name in ("a", "b", "c"):
        (root / "book" / f"{name}.md").write_text("# A page\n")
    below = "      - file: book/a\n        sections:\n          - file: book/b\n      - file: book/c\n"
    (root / "_toc.yml").write_text((root / "_toc.yml").read_text() + below)
    assert [page.name for page in run_chapters.toc_pages(root)] == [
        "intro.ipynb",
        "01_one.ipynb",
        "a.md",
        "b.md",
        "c.md",
    ]


def test_a_table_of_contents_that_names_no_file_is_an_error(root):
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/nowhere\n")
    with pytest.raises(FileNotFoundError, match="_toc.yml names book/nowhere: one of .* is wanted, found 0"):
        run_chapters.toc_pages(root)


def test_the_tools_work_from_any_folder(tmp_path):
    for tool in ("run_chapters", "build_book", "make_pdf"):
        command = [sys.executable, str(ROOT / "tools" / f"{tool}.py"), "--help"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "--profile {smoke,laptop,gpu}" in ran.stdout


# ---------------------------------------------------------------- building


def test_every_chapter_that_may_not_be_shown_is_listed(root, chapter):
    pretend_executed(root)
    assert build_book.refusals("smoke", root) == []
    append(root / "comm_lite" / "book" / "same.py", "value = 2\n")
    with pytest.raises(RuntimeError, match=r"the book was not built, 2 chapter\(s\) first:") as caught:
        build_book.stage("smoke", root / "_build" / "stage", root)
    assert "book/intro.ipynb is stale; run: python tools/run_chapters.py --profile smoke" in str(caught.value)
    assert f"{chapter} is stale" in str(caught.value)
    with pytest.raises(RuntimeError, match="is missing; run: python tools/run_chapters.py --profile laptop"):
        build_book.stage("laptop", root / "_build" / "stage", root)
    with pytest.raises(RuntimeError, match="profile must be one of smoke, laptop, gpu, got 'fast'"):
        build_book.stage("fast", root / "_build" / "stage", root)


def test_a_failed_chapter_is_refused_with_its_notebook(root, chapter):
    pretend_executed(root)
    done = executed_path(chapter, "smoke", root)
    done.rename(done.with_suffix(".failed.ipynb"))
    with pytest.raises(RuntimeError, match=r"01_one.ipynb is failed, see .*01_one.failed.ipynb; run:"):
        build_book.stage("smoke", root / "_build" / "stage", root)


def test_the_staged_page_has_the_prose_of_now_and_the_outputs_of_the_run(root, chapter):
    run_chapter(run_chapters.chapters(root)[0], "smoke", root=root)
    run_chapter(chapter, "smoke", root=root)
    write(root / chapter, "# One, mended", PARAMETERS, SETTINGS, "answer = 42")
    cells = json.loads((build_book.stage("smoke", root / "_build" / "stage", root) / chapter).read_text())["cells"]
    assert "".join(cells[0]["source"]) == "# One, mended"
    assert [cell["id"] for cell in cells] == ["cell-0", "cell-1", "cell-2", "cell-3"]  # no injected cell
    assert [o["metadata"]["scrapbook"]["name"] for o in cells[2]["outputs"]] == ["n", "seed"]
    assert json.loads((root / "_build" / "stage" / chapter).read_text())["metadata"]["comm_lite"]["date"]


def test_a_warning_of_the_book_stops_the_build_and_leaves_no_page(root, chapter, capfd):
    write(root / chapter, "# One\n\nSee {eq}`eq-nowhere`.", PARAMETERS)
    pretend_executed(root)
    with pytest.raises(RuntimeError, match="the book was not built: jupyter-book exited with 1; see above"):
        build_book.build("smoke", root)
    assert "eq-nowhere" in capfd.readouterr().err, "the build stopped for another reason"
    assert not (root / "_build" / "html" / "smoke").exists()


def test_a_page_shows_recorded_numbers_as_they_were_formatted(root, chapter):
    record = "from comm_lite.book import teach\nteach.record('share', 71.6, format='.2f')\n"
    record += "teach.record('n', 7)\nteach.record('word', 'it is')"
    prose = "# One\n\nA {glue:text}`share`, B {glue:}`n`, C {glue:text}`word`, D {glue:text}`share:.1f`."
    write(root / chapter, prose, PARAMETERS, record)
    for page in run_chapters.chapters(root):
        run_chapter(page, "smoke", root=root)
    index = build_book.build("smoke", root)
    assert index == root / "_build" / "html" / "smoke" / "index.html" and index.is_file()
    page = (index.parent / "book" / "part" / "01_one.html").read_text()
    shown = [page.split(f"{letter} <span", 1)[1].split(">", 1)[1].split("<", 1)[0] for letter in "ABCD"]
    assert shown == ["71.60", "7", "it is", "71.6"]


ROW = Row("CoMM, toy, R", "toy", "CoMM <b>", "gpu", "R", 99.9, None, None, (), None, None, (), (), (), "%", None, None, None, "python toy.py")  # fmt: skip # noqa: E501


def with_an_appendix(root, *rows, page="# The ledger\n\n```{ledger} toy\n:profile: gpu\n```\n"):
    toc = (root / "_toc.yml").read_text()
    (root / "_toc.yml").write_text(toc + "  - caption: A\n    chapters:\n      - file: book/appendix/ledger\n")
    (root / "book" / "appendix").mkdir()
    (root / "book" / "appendix" / "ledger.md").write_text(page)
    lines = ",".join(json.dumps(dataclasses.asdict(row)) for row in rows)
    (root / "book" / "ledger.json").write_text(f"[{lines}]")
    pretend_executed(root)


def test_a_markdown_page_is_shown_as_it_is_now_and_never_run(root, tmp_path):
    with_an_appendix(root, ROW)
    assert [page.suffix for page in run_chapters.toc_pages(root)] == [".ipynb", ".ipynb", ".md"]
    assert [page.suffix for page in run_chapters.chapters(root)] == [".ipynb", ".ipynb"]
    assert build_book.refusals("smoke", root) == []
    for name in ("appendix/ledger.md", "ledger.json"):
        append(root / "book" / name, "\n")
        assert build_book.refusals("smoke", root) == []
        staged = build_book.stage("smoke", tmp_path / name.partition("/")[0], root)
        assert (staged / "book" / name).read_text() == (root / "book" / name).read_text()
    (root / "book" / "appendix" / "ledger.md").unlink()
    with pytest.raises(FileNotFoundError, match="_toc.yml names book/appendix/ledger"):
        build_book.stage("smoke", tmp_path / "stage", root)


def test_a_page_shows_the_ledger(root, chapter):
    how = {"device": "CPU, 2 threads", "commit": "0123abc", "date": "2026-01-31"}
    old, new = (
        dataclasses.replace(ROW, claim="second").measured({0: v, 1: v + 2}, {0: 9.0, 1: 8.0}, **how) for v in (50, 70)
    )
    text = "Quoted: {ledger}`second; gpu` and {ledger}`CoMM, toy, R; gpu`.\n"
    text += "".join(f"\n```{{{kind}}} toy\n:profile: gpu\n```\n" for kind in ("ledger", *["ledger-figure"] * 2))
    with_an_appendix(root, ROW, old, new, page=f"# The ledger\n\n{text}")
    page = (build_book.build("smoke", root).parent / "book" / "appendix" / "ledger.html").read_text()
    assert re.search(r"Quoted: <span[^>]*>71.0 % \[70.0, 72.0\]</span> and <span[^>]*>not measured</span>", page)
    table = page.split("<table", 1)[1].split("</table>")[0]
    assert table.count("<tr") == 1 + 2 and table.count("not measured") == 1 and "51.0" not in table
    assert "CoMM &lt;b&gt;, R" in table and "<b>" not in table and "0: 70.0, 1: 72.0" in table
    drawn = re.findall(r'id="([^"]+)" class="comm-plotly"', page)
    assert "the file holds 1 older row" in page and len(set(drawn)) == 2  # one figure twice has two ids


def test_a_page_that_asks_the_ledger_in_vain_stops_the_build(root, capfd):
    page = "See {ledger}`CoMM; gpu`.\n\n```{ledger} toy\n:profile: budget\n```\n\n```{tried} encoder\n```\n"
    with_an_appendix(root, ROW, page=f"# The ledger\n\n{page}")
    with pytest.raises(RuntimeError, match="the book was not built"):
        build_book.build("smoke", root)
    said = capfd.readouterr().err
    assert "ledger.json has no row of claim and profile ('CoMM', 'gpu')" in said
    assert "ledger.json has no row of experiment 'toy' with profile 'budget'" in said
    assert "tried.json cannot be shown" in said


def test_assets_are_copied_once(tmp_path):
    folder = vendor_assets.vendor(tmp_path)
    assert folder == tmp_path / "_build" / "assets" / "vendor"
    sizes = [(folder / name).stat().st_size for name in ("plotly.js", "mathjax/mathjax.js")]
    assert all(100_000 < size < 500_000 for size in sizes) and list(folder.rglob("*.woff"))
    made = folder.stat().st_ino
    assert vendor_assets.vendor(tmp_path) == folder and folder.stat().st_ino == made
    for damage in ("versions.txt", "plotly.js"):
        (folder / damage).write_text("older\n")
        assert vendor_assets.vendor(tmp_path).stat().st_ino != made and (folder / "plotly.js").stat().st_size > 100_000
        made = folder.stat().st_ino
    assert [path.name for path in folder.parent.iterdir()] == ["vendor"] and leftovers(tmp_path) == []
    with pytest.raises(FileNotFoundError, match="the installed package nowhere is wanted, found none"):
        vendor_assets.package_folder("nowhere")


def test_plotly_keeps_what_a_figure_of_the_book_needs_and_nothing_else():
    code = (vendor_assets.package_folder("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    kept = vendor_assets.trimmed(code)
    names = re.findall(r'moduleType:"trace",name:"(\w+)"', kept)
    assert {*TRACES} <= {*names} and not {"surface", "scattergl", "pie", "scattermap"} & {*names}
    assert len(kept) < len(code) / 3
    assert len(vendor_assets.trimmed(code, ["scatter"])) < len(kept)
    with pytest.raises(ValueError, match=r"plotly.min.js must have the traces \['nothing'\], it lacks \['nothing'\]"):
        vendor_assets.trimmed(code, ["nothing"])
    with pytest.raises(ValueError, match="plotly.min.js is built in another way than vendor_assets.py expects"):
        vendor_assets.trimmed("var Plotly=1")


@pytest.mark.parametrize("code", ["", "x", "alert('π, 日本')", "y" * 1000, "".join(map(chr, range(32, 5000)))])
def test_a_packed_script_holds_its_code(code):
    text = vendor_assets.packed(code, "ready").decode("utf-16")
    digits = [ord(sign) - vendor_assets.FIRST for sign in text.rsplit('"', 2)[1]]
    assert all(0 <= digit < 2**15 for digit in digits) and 'window["ready"]' in text
    bits = "".join(f"{digit:015b}" for digit in digits)
    size = int(re.search(r"new Uint8Array\((\d+)\)", text)[1])
    squeezed = bytes(int(bits[at : at + 8], 2) for at in range(0, size * 8, 8))
    assert gzip.decompress(squeezed).decode("utf-8") == code


# ---------------------------------------------------------------- light pages


@pytest.mark.parametrize(
    ("style", "wanted"),
    [
        (".used{a:b}.unused{a:b}", ".used{a:b}"),
        ("p,.used>b,.unused b{a:b}", "p,.used>b{a:b}"),
        (".used:not(.unused){a:b}", ".used:not(.unused){a:b}"),
        (".used.unused{a:b}", ""),
        ("@media print{.used{a:b}.unused{a:b}}@media screen{.unused{a:b}}", "@media print{.used{a:b}}"),
        ('a[href$=".pdf"]{a:b}', 'a[href$=".pdf"]{a:b}'),
        ("@font-face{font-family:x}", "@font-face{font-family:x}"),
    ],
)
def test_a_style_sheet_keeps_the_rules_that_could_apply(style, wanted):
    rules = tinycss2.parse_stylesheet(style)
    assert book_light.purged(rules, {"used"}) == wanted


def test_a_picture_gets_fewer_colours_only_where_nobody_sees_it():
    def png(picture):
        written = io.BytesIO()
        picture.save(written, "PNG")
        return written.getvalue()

    lines = Image.new("RGB", (300, 200), "white")
    lines.paste("#0072B2", (20, 20, 280, 30))
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    colourful = Image.merge("RGB", [Image.effect_noise((200, 200), 90) for _ in range(3)])
    assert len(book_light.lighter_picture(png(lines))) < len(png(lines))
    assert Image.open(io.BytesIO(book_light.lighter_picture(png(noise)))).convert("RGB").tobytes() == noise.tobytes()
    assert book_light.lighter_picture(png(colourful)) == png(colourful)


# ---------------------------------------------------------------- printing


def test_links_of_a_page_lead_within_the_printed_book():
    pages = ["book/intro.html", "book/part/01_one.html"]
    of = {
        "#here": "#book-part-01_one--here",
        "../intro.html": "#book-intro",
        "../intro.html#there": "#book-intro--there",
        "../../_images/x.png": "_images/x.png",
        "../../genindex.html#A": "genindex.html#A",
        "https://arxiv.org/abs/2409.07402#x": "https://arxiv.org/abs/2409.07402#x",
        "data:image/png;base64,a": "data:image/png;base64,a",
    }
    assert {address: make_pdf.target(pages[1], address, pages) for address in of} == of
    html = (
        '<article class="bd-article"><h1 id="a">A<a class="headerlink" href="#a">#</a></h1><a href="#a">b</a></article>'
    )
    got = make_pdf.article(pages[1], html, pages)
    assert '<h1 id="book-part-01_one--a">A</h1><a href="#book-part-01_one--a">b</a>' in got
    assert got.startswith('<section class="printed-page" id="book-part-01_one">')


def test_a_book_that_is_not_built_is_not_printed(root):
    with pytest.raises(FileNotFoundError, match="not built; run: python tools/build_book.py --profile smoke"):
        make_pdf.make_pdf("smoke", root)


def test_no_registry_and_no_path_of_a_machine_in_the_requirements():
    direct, lock = ((ROOT / name).read_text() for name in ("requirements.txt", "tools/requirements.lock"))
    pins = dict(line.split("#")[0].strip().split("==") for line in direct.splitlines()[2:])
    locked = dict(line.split("==") for line in lock.splitlines()[1:])
    assert len(pins) > 15 and list(pins)[:2] == ["torch", "jupyter-book"]
    assert direct.startswith("-c tools/requirements.lock\n")
    assert {name: locked.get(name) for name in pins} == pins
    assert all("#" in line for line in direct.splitlines()[1:]), "each line says what needs it"
    assert not any(word in direct + lock for word in ("://", "file:", "+cpu", os.path.expanduser("~/")))
