r"""Chapters as a reader runs them: JupyterLab as `make lab` starts it, in a browser. No network is needed."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from run_chapters import ROOT

# A chapter, the slider that is moved in it, and how many references it makes to other chapters.
LIVE = {
    "book/part1_align/01_joint_embeddings.ipynb": ("temperature", 3),
    "book/part2_information/05_partial_information.ipynb": ("share", 1),
}
PATIENCE = 400_000  # ms until a chapter has run, with the smoke profile, where other work runs beside it
# What JupyterLab's own page says of the notebook in front; `exposeAppInBrowser` hands it out.
NOTEBOOK = "const panel = jupyterapp.shell.currentWidget, cells = [...panel.content.widgets]"
OPEN = f"""() => {{
    if (!window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel) return false;
    {NOTEBOOK};
    return panel.context.isReady && cells.length > 9 && panel.sessionContext.session.kernel.status === "idle";
}}"""
HAS_RUN = f"""() => {{
    {NOTEBOOK}.filter(cell => cell.model.type === "code" && cell.model.sharedModel.source.trim());
    const failed = cells.some(cell => cell.model.outputs.toJSON().some(output => output.output_type === "error"));
    const idle = panel.sessionContext.session.kernel.status === "idle";
    return failed || (idle && cells.every(cell => cell.model.executionCount > 0));
}}"""
OUTPUTS = f"""() => {{
    {NOTEBOOK};
    return cells.flatMap(cell => cell.model.type === "code" ? cell.model.outputs.toJSON() : []);
}}"""
FILLED = """() => {
    const numbers = [...document.querySelectorAll("[data-record]")];
    return numbers.length > 9 && numbers.every(number => number.textContent !== "⋯");
}"""
DRAWN = (
    "box => box.querySelector('.js-plotly-plot .main-svg') && JSON.stringify(box.querySelector('.js-plotly-plot').data)"
)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    r"""A server over a copy of the chapters, for a reader with a home, and with kernels, of their own."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "book", folder / "book", ignore=shutil.ignore_patterns(".*", "__pycache__"))
    home, data, runtime = folder / "home", folder / "data", folder / "runtime"
    home.mkdir()
    for name in ("python3", "other"):  # neither may be taken: it would not start
        spec = {"argv": [str(folder / "nothing"), "{connection_file}"], "display_name": name, "language": "python"}
        write_json(data / "kernels" / name / "kernel.json", spec)
    environment = {name: value for name, value in os.environ.items() if name != "COMM_LITE_STATIC"}
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "COMM_LITE_PROFILE": "smoke"}
    environment |= {"JUPYTER_DATA_DIR": str(data), "JUPYTER_RUNTIME_DIR": str(runtime)}
    environment |= {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_PREFER_ENV_PATH": "0"}
    command = [sys.executable, str(ROOT / "tools" / "lab.py"), "--no-browser", "--allow-root"]
    command += [f"--ServerApp.root_dir={folder}", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += ["--LabApp.expose_app_in_browser=True"]
    log = folder / "log.txt"
    with log.open("w") as said:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said)
    try:
        end, found = time.monotonic() + 120, []
        while not (found := list(runtime.glob("jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < end, f"no server: {log.read_text()[-3000:]}"
            time.sleep(0.1)
        where = json.loads(found[0].read_text())
        yield {"url": where["url"], "token": where["token"], "home": home}
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture
def page(chromium, lab):
    r"""An empty page that keeps what was asked for and what went wrong."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("websocket", lambda socket: page.asked.append(socket.url.replace("ws", "http", 1)))
    ours = "/extensions/comm-lite/"  # JupyterLab has errors of its own on a slow machine, such as of scrolling
    page.on("pageerror", lambda error: page.errors.append(str(error)) if ours in (error.stack or "") else None)
    yield page
    context.close()


@pytest.mark.parametrize("chapter", LIVE)
def test_a_chapter_runs_live(chapter, page, lab):
    slider, references = LIVE[chapter]
    page.goto(f"{lab['url']}lab/tree/{chapter}?token={lab['token']}&reset")  # without the tabs of the last visit
    page.wait_for_function(OPEN)
    assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0, "a pop-up greets the reader"

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(HAS_RUN)
    outputs = page.evaluate(OUTPUTS)
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert not [output for output in outputs if output.get("name") == "stderr"]

    # the prose: recorded numbers, equation numbers, references to other chapters; folded cells
    page.wait_for_function(FILLED)
    assert page.locator("[data-record=profile]").text_content() == "smoke"
    assert page.locator(".jp-MarkdownCell [aria-label='Link to this Equation']").first.text_content() == "(1)"
    page.wait_for_function("n => document.querySelectorAll('[data-referred] + a').length === n", arg=references)
    assert page.locator(".text-yellow-600:visible").count() == 0
    source = json.loads((ROOT / chapter).read_text(encoding="utf-8"))["cells"]
    hidden = [cell for cell in source if {"hide-input", "hide-cell"} & set(cell["metadata"].get("tags", []))]
    assert page.locator(".jp-InputPlaceholder").count() == len(hidden) > 0
    page.locator(".jp-Notebook .jp-Cell").first.scroll_into_view_if_needed()
    screenshot(page, chapter, "top")

    # figures, and one that answers to a slider
    drawn = [output for output in outputs if "application/vnd.plotly.v1+json" in output.get("data", {})]
    page.wait_for_function("n => document.querySelectorAll('.js-plotly-plot .main-svg').length >= n", arg=len(drawn))
    box = page.locator(".widget-interact").filter(has=page.get_by_text(slider, exact=True)).last
    box.scroll_into_view_if_needed()
    name = box.locator(".widget-label").first
    assert name.evaluate("label => label.scrollWidth <= label.clientWidth"), f"{name.text_content()} is cut short"
    before = box.evaluate(DRAWN)
    assert before
    box.get_by_role("slider").first.press("ArrowRight")
    page.wait_for_function(f"([box, was]) => ![was, null].includes(({DRAWN})(box))", arg=[box.element_handle(), before])
    screenshot(page, chapter, "slider")

    off_host = [url for url in page.asked if not url.startswith((lab["url"], "data:", "blob:"))]
    assert off_host == [] and len(page.asked) > 9 and page.errors == []
    assert not [url for url in page.asked if "/lab/api/news" in url or "/lab/api/update" in url]


def test_the_home_folder_stays_clean(lab):
    r"""After the tests above: what IPython, matplotlib and plotly keep there, and nothing else."""
    kept = {path.relative_to(lab["home"]).as_posix() for path in lab["home"].rglob("*") if path.is_file()}
    assert not {path for path in kept if not path.startswith((".ipython/", ".cache/matplotlib/"))}


def screenshot(page, chapter, what):
    folder = ROOT / "_build" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"lab-{Path(chapter).stem}-{what}.png")
