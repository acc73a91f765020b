r"""Open the built book in a browser that the machine has: the tests look at it, make_pdf.py prints it."""

import contextlib
import functools
import http.server
import shutil
import threading

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
GET_ONE = "no browser found; on Debian and Ubuntu: apt-get update && apt-get install -y chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


@contextlib.contextmanager
def browser():
    r"""Start the first of ``BROWSERS`` that is installed, without a window."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise FileNotFoundError(GET_ONE)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, headless=True, args=QUIET)
        yield started
        started.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    r"""Serve a folder to this machine alone; give its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def settle(page):
    r"""Wait until the equations of a page are set and its figures drawn."""
    page.wait_for_function("window.mathSet && window.figuresDrawn")
    page.evaluate("Promise.all([window.mathSet, window.figuresDrawn])")
    page.evaluate("document.fonts.ready.then(() => 0)")
