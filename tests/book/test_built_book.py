r"""The built book in a browser: nothing off-host, no error, math and figures drawn. No network is needed."""

import functools
import http.server
import json
import os
import shutil
import threading

import pytest

from comm_lite.ledger import latest, read_ledger
from run_chapters import ROOT, toc_pages

PROFILE = os.environ.get("COMM_LITE_PROFILE", "smoke")  # laptop looks at what `make book` built
HTML = ROOT / "_build" / "html" / PROFILE
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GET_ONE = "no browser found; on Debian and Ubuntu: apt-get update && apt-get install -y chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]
PAGES = {page.with_suffix(".html").as_posix(): page for page in toc_pages()}
OWN = ["search.html", "genindex.html"]  # pages that Sphinx adds


@pytest.fixture(scope="module", autouse=True)
def built():
    missing = [page for page in PAGES if not (HTML / page).is_file()]
    assert not missing, f"{missing} not built; run: make site"


@pytest.fixture(scope="module")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        (pytest.fail if os.environ.get("COMM_LITE_REQUIRE_BROWSER") == "1" else pytest.skip)(GET_ONE)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=QUIET)
        yield browser
        browser.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def host():
    handler = functools.partial(Quiet, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def visit(browser):
    """Open a page; return it with everything that it asked for and every error that it had."""
    contexts = []

    def visit(url, allowed, **context):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}))
        page = contexts[-1].new_page()
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: errors.append(f"failed: {request.url}"))
        page.on("response", lambda answer: errors.append(f"{answer.status} {answer.url}") if answer.status > 399 else 0)
        page.on("pageerror", lambda error: errors.append(f"page: {error}"))
        page.on("console", lambda said: errors.append(f"console: {said.text}") if said.type == "error" else 0)
        page.goto(url, wait_until="load")
        page.wait_for_function("!window.MathJax || (MathJax.startup && MathJax.startup.promise)")
        page.evaluate("window.MathJax && MathJax.startup.promise")
        page.evaluate("window.commPlotly")
        page.wait_for_timeout(500)
        asked = [url for url in asked if not url.startswith(("data:", "blob:"))]
        assert asked, "the page asked for nothing: was it looked at?"
        return page, [url for url in asked if not url.startswith(allowed)], errors

    yield visit
    for context in contexts:
        context.close()


def expected(page):
    """Return whether the source of a page has math, and how many Plotly figures its run made."""
    if page.suffix != ".ipynb":
        text = (ROOT / page).read_text(encoding="utf-8")
        elsewhere = "automodule" in text or "{exercises}" in text  # what such a page shows, other files hold
        return None if elsewhere else "$" in text or "{math}" in text, text.count("{ledger-figure}")
    cells = json.loads((ROOT / "_build" / "executed" / PROFILE / page).read_text(encoding="utf-8"))["cells"]
    prose = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    figures = [o for cell in cells for o in cell.get("outputs", []) if "application/vnd.plotly.v1+json" in str(o)]
    return "$" in prose or "{math}" in prose, len(figures)


def check(page, source):
    math, figures = expected(source)
    assert math is None or (page.locator("mjx-container").count() > 0) == math
    assert page.locator("mjx-merror").count() == 0
    raw = page.evaluate(
        "[...document.querySelectorAll('article p, article li, article td')].filter(e => "
        "!e.querySelector('code') && /\\$|\\\\(frac|sum|le|mid)\\b/.test(e.innerText)).map(e => e.innerText)"
    )
    assert raw == [], f"markup of an equation shows; is there an empty line before and after $$? {raw[:1]}"
    if figures:  # a busy machine draws them later
        page.locator(".comm-plotly.js-plotly-plot").nth(figures - 1).wait_for()
    assert page.locator(".comm-plotly.js-plotly-plot").count() == figures
    for index in range(figures):
        drawn = page.locator(".comm-plotly.js-plotly-plot").nth(index)
        assert drawn.locator(".main-svg").count() > 0 and drawn.get_attribute("aria-label")
    words = page.locator("body").inner_text()
    assert len(words) > 200 and "Traceback" not in words and "not drawn" not in words
    hidden = page.evaluate(
        "[...document.querySelectorAll('article img')].filter(i => !i.alt || !i.naturalWidth).length"
    )
    assert hidden == 0, "a picture without text alternative, or one that did not load"


def test_the_book_has_something_to_look_at():
    wanted = [expected(page) for page in PAGES.values()]
    assert any(math for math, _ in wanted) and any(figures for _, figures in wanted)


@pytest.mark.parametrize("name", [*PAGES, *OWN])
def test_a_page_asks_no_other_host_and_has_no_error(name, visit, host):
    page, off_host, errors = visit(host + name, host)
    assert off_host == [] and errors == []
    if name in PAGES:
        check(page, PAGES[name])


def test_the_book_opens_from_a_folder_without_a_server(visit):
    name = next(iter(PAGES))
    page, off_host, errors = visit((HTML / name).as_uri(), "file:///")
    assert off_host == [] and errors == []
    check(page, PAGES[name])


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_sideways_scrolling(name, visit, host):
    page, _, _ = visit(host + name, host, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_ledger_says_not_measured_exactly_where_nothing_was(visit, host):
    rows = latest(read_ledger(ROOT / "book" / "ledger.json")).values()
    wanted = [(f"{row.method}, {row.task}", row.command, row.ours is None) for row in rows]
    page, _, errors = visit(host + "book/appendix/ledger.html", host)
    read = "tables => tables.map(t => [...t.rows].map(r => [...r.cells].map(c => c.innerText.trim())))"
    shown = []
    for head, *body in page.eval_on_selector_all("table.ledger", read):
        ours = head.index("ours")
        shown += [(line[0], line[-1], line[ours] == "not measured") for line in body]
        assert not any("not measured" in cell for line in body for cell in line[:ours] + line[ours + 1 :])
    assert sorted(shown) == sorted(wanted) and any("CoMM" in name for name, *_ in shown) and errors == []


def test_search_finds_a_word_of_a_chapter(visit, host):
    page, off_host, errors = visit(host + "search.html?q=synergy", host)
    page.wait_for_selector("ul.search li a")
    assert any("intro.html" in link for link in page.eval_on_selector_all("ul.search li a", "l => l.map(a => a.href)"))
    assert off_host == [] and errors == []


def test_figures_follow_light_and_dark(visit, host):
    name = next(page for page, source in PAGES.items() if expected(source)[1])
    colours = []
    for scheme in ("light", "dark"):
        page, _, errors = visit(host + name, host, color_scheme=scheme)
        read = "() => getComputedStyle(document.querySelector('.comm-plotly .xtick text')).fill"
        colours.append(page.evaluate(read))
        assert errors == []
    assert colours == ["rgb(34, 40, 50)", "rgb(206, 214, 221)"]


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_words_and_cited_works_explain_themselves_to_mouse_and_keyboard(kind, visit, host):
    name = next(page for page in PAGES if "01_joint_embeddings" in page)
    page, _, _ = visit(host + name, host, viewport={"width": 390, "height": 844})
    link, says = (page.locator(each).first for each in (f"a.hint.{kind}", f"a.hint.{kind} + .hint-text"))
    assert not says.is_visible() and link.get_attribute("aria-describedby") == says.get_attribute("id")
    link.hover()
    assert says.is_visible() and len(says.inner_text()) > 20
    box = says.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.mouse.move(0, 0)
    assert not says.is_visible()
    page.keyboard.press("Tab")  # from here on the reader is at the keyboard
    link.focus()
    assert says.is_visible()


def test_an_equation_leads_to_its_line_and_back(visit, host):
    page, _, errors = visit(host + "book/appendix/api/losses.html", host)
    place = page.locator("[id='comm_lite.losses.comm_loss'] + dd").first
    assert any("#equation-eq-comm" in link for link in place.locator("a").evaluate_all("l => l.map(a => a.href)"))
    source = page.locator("[id='comm_lite.losses.comm_loss'] a.reference").first.get_attribute("href")
    assert "_modules/comm_lite/losses/comm.html#" in source and errors == []
