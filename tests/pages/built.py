r"""How the tests look at a page of the built book."""

import contextlib
import dataclasses
import importlib.util
import os
from pathlib import Path

from browser import settle
from run_chapters import ROOT, toc_pages

PROFILE = os.environ.get("COMM_LITE_PROFILE", "smoke")  # laptop looks at what `make book` built
HTML = ROOT / "_build" / "html" / PROFILE
PAGES = {page.with_suffix(".html").as_posix(): page for page in toc_pages()}
AXE = Path(importlib.util.find_spec("axe_playwright_python").origin).with_name("axe.min.js")
# Every rule of WCAG 2.2 A and AA, the good practices, and those that are still on trial; none is left out.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"]
# What the page holds: its links, its pictures, whether the equations are set and the figures drawn.
READ = """() => {
  const all = (what, get) => [...document.querySelectorAll(what)].map(get);
  return {
    links: all("a[href]", a => new URL(a.getAttribute("href"), document.baseURI).href)
      .filter(url => url.startsWith("http") || url.startsWith("file")),
    words: document.body.innerText,
    math: all("mjx-container", e => e.tagName).length,
    math_errors: all("mjx-merror", e => e.textContent),
    raw_math: all("article p, article li, article td", e => e).filter(e => !e.querySelector("code") &&
      /\\$|\\\\(frac|sum|le|mid)\\b/.test(e.innerText)).map(e => e.innerText),
    figures: all(".comm-plotly.js-plotly-plot", e => [!!e.querySelector(".main-svg"), e.getAttribute("aria-label")]),
    pictures: all("img", i => [i.getAttribute("src"), i.alt, i.naturalWidth || !i.checkVisibility()]),
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
  };
}"""

# Of thousands of words of code, one of a kind is enough: its colours depend on the classes from it up to the article.
# With all of them axe-core takes a minute a page.
ONE_OF_A_KIND = """() => {
  const known = new Set();
  document.querySelectorAll("pre span").forEach(word => {
    let kind = "";
    for (let each = word; each && each.tagName !== "ARTICLE"; each = each.parentElement) kind += "." + each.className;
    known.has(kind) ? word.replaceWith(...word.childNodes) : known.add(kind);
  });
}"""


@dataclasses.dataclass
class Seen:
    r"""What a page asked for and showed."""

    off_host: list
    errors: list
    kilobytes: int
    violations: dict
    phone_width: int
    holds: dict


@contextlib.contextmanager
def opened(chromium, url, allowed, **context):
    r"""Open a page; give it, what it asked for elsewhere, its errors and the bytes of what it loaded."""
    window = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **context})
    page = window.new_page()
    page.set_default_timeout(120_000)  # of a machine that is busy with other things
    asked, errors, loaded = [], [], []

    def failed(request):
        if request.failure != "net::ERR_ABORTED":  # a page that is left gives up what it still loads
            errors.append(f"{request.failure}: {request.url}")

    page.on("request", lambda request: asked.append(request.url))
    page.on("requestfailed", failed)
    page.on("requestfinished", lambda request: loaded.append(request))
    page.on("response", lambda answer: errors.append(f"{answer.status} {answer.url}") if answer.status > 399 else 0)
    page.on("pageerror", lambda error: errors.append(f"page: {error}"))
    page.on("console", lambda said: errors.append(f"console: {said.text}") if said.type == "error" else 0)
    try:
        page.goto(url, wait_until="load")
        settle(page)
        assert asked, "the page asked for nothing: was it looked at?"
        off_host = [url for url in asked if not url.startswith((allowed, "data:", "blob:"))]
        yield page, off_host, errors, loaded
    finally:
        window.close()


def problems(page):
    r"""Return what axe-core finds on a page as it stands: (impact, rule) and the places."""
    page.evaluate(ONE_OF_A_KIND)
    found = page.evaluate("rules => axe.run({resultTypes: ['violations'], runOnly: rules})", RULES)["violations"]
    return {(each["impact"], each["id"]): [str(node["target"]) for node in each["nodes"]] for each in found}


def dark(page):
    r"""Switch a page to dark as a reader does, by its button: from the system's choice to light, and on."""
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        if page.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.mouse.move(640, 450)  # no tooltip of the button
    page.wait_for_timeout(400)  # the theme fades from one to the other
