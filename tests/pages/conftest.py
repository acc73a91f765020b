r"""The built book, opened in a browser: once a page over loopback, with all that is asked of it afterwards.

And what holds for whatever runs a chapter: the working tree stays as it was.
"""

import contextlib
import functools
import os

import pytest
from built import AXE, HTML, PAGES, READ, Seen, dark, opened, problems

from browser import browser, served
from run_chapters import ROOT


def files():
    r"""What a chapter could reach by a path of its own: files with size and time, and the names in the first folder."""
    found = [path for folder in ("book", "comm_lite") for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = [path for path in found if not {"__pycache__", ".ipynb_checkpoints"} & {*path.parts}]
    sizes = {path.relative_to(ROOT).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}
    made = {"_build", ".pytest_cache", ".ruff_cache"}
    return sizes | {path.name: None for path in ROOT.iterdir() if path.name not in made}


@pytest.fixture(scope="module", autouse=True)
def the_tree_stays_as_it_was():
    r"""A chapter writes into _build and into caches only: whatever a module of these tests runs, all else stays."""
    before = files()
    assert {"_toc.yml", "book/intro.ipynb"} <= before.keys()
    yield
    after = files()
    changed = sorted({name for name, _ in before.items() ^ after.items()})
    assert not changed, f"{changed} changed while these tests ran; chapters may write into _build only"


@pytest.fixture(scope="session")
def book():
    missing = [page for page in PAGES if not (HTML / page).is_file()]
    assert not missing, f"{missing} not built; run: make site"
    return HTML


@pytest.fixture(scope="session")
def chromium():
    with contextlib.ExitStack() as stack:
        try:
            started = stack.enter_context(browser())
        except FileNotFoundError as error:
            (pytest.fail if os.environ.get("COMM_LITE_REQUIRE_BROWSER") == "1" else pytest.skip)(str(error))
        yield started


@pytest.fixture(scope="session")
def host(book):
    with served(book) as address:
        yield address


@pytest.fixture
def visit(book, chromium):
    r"""Open pages in a test of their own."""
    with contextlib.ExitStack() as stack:
        yield lambda url, allowed, **context: stack.enter_context(opened(chromium, url, allowed, **context))


@pytest.fixture(scope="session")
def seen(chromium, host):
    r"""Look at a page of the book, once in a session."""

    @functools.cache
    def look(name):
        with opened(chromium, host + name, host) as (page, off_host, errors, loaded):
            page.evaluate("scrollTo(0, document.body.scrollHeight)")  # nothing waits below
            page.wait_for_load_state("networkidle")
            size = sum(request.sizes()["responseBodySize"] for request in loaded if request.url.startswith(host))
            holds = page.evaluate(READ)
            errors = errors[:]  # until here: axe-core asks again for style sheets, by addresses that it guesses
            page.evaluate(AXE.read_text(encoding="utf-8"))
            violations = {"light": problems(page)}
            dark(page)
            violations["dark"] = problems(page)
            page.set_viewport_size({"width": 390, "height": 844})
            page.wait_for_timeout(200)
            width = page.evaluate("document.documentElement.scrollWidth")
        return Seen(off_host, errors, round(size / 1024), violations, width, holds)

    return look
