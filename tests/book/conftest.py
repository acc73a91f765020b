r"""The built book, opened in a browser: once a page over loopback, with all that is asked of it afterwards."""

import contextlib
import functools
import os

import pytest
from built import AXE, HTML, PAGES, READ, Seen, dark, opened, problems

from browser import browser, served


@pytest.fixture(scope="session")
def book():
    missing = [page for page in PAGES if not (HTML / page).is_file()]
    assert not missing, f"{missing} not built; run: make site"
    return HTML


@pytest.fixture(scope="session")
def chromium(book):
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
def visit(chromium):
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
