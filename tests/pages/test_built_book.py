r"""Every page of the built book in a browser: nothing off-host, no error, light, for every reader; needs no network."""

import functools
import json
import statistics
from urllib.parse import unquote, urldefrag

import pytest
from built import HTML, PAGES, PROFILE, opened

from run_chapters import ROOT

OWN = ["search.html", "genindex.html"]  # pages that Sphinx adds
EVERY = [*PAGES, *OWN]
MEDIAN, LARGEST = 1536, 5 * 1024  # kilobytes of a page, as the browser loads them


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


def check(holds, source):
    math, figures = expected(source)
    assert math is None or (holds["math"] > 0) == math
    assert holds["math_errors"] == []
    raw = holds["raw_math"]
    assert raw == [], f"markup of an equation shows; is there an empty line before and after $$? {raw[:1]}"
    assert len(holds["figures"]) == figures and all(drawn and label for drawn, label in holds["figures"])
    words = holds["words"]
    assert len(words) > 200 and "not drawn" not in words
    assert source.suffix == ".md" or "Traceback" not in words  # an example of the package may show an error


def test_the_book_has_something_to_look_at():
    wanted = [expected(page) for page in PAGES.values()]
    assert any(math for math, _ in wanted) and any(figures for _, figures in wanted)


@pytest.mark.parametrize("name", EVERY)
def test_a_page_asks_no_other_host_and_has_no_error(name, seen):
    page = seen(name)
    assert page.off_host == [] and page.errors == []
    if name in PAGES:
        check(page.holds, PAGES[name])


@pytest.mark.parametrize("name", EVERY)
def test_axe_finds_nothing_serious_in_light_and_dark(name, seen):
    for scheme, found in seen(name).violations.items():
        bad = {rule: places for (impact, rule), places in found.items() if impact in ("serious", "critical")}
        assert bad == {}, f"in {scheme}"


@pytest.mark.parametrize("name", EVERY)
def test_a_phone_needs_no_sideways_scrolling(name, seen):
    assert seen(name).phone_width <= 390


@pytest.mark.parametrize("name", EVERY)
def test_every_picture_says_what_it_shows(name, seen):
    silent = [src for src, alt, loaded in seen(name).holds["pictures"] if not (alt or "").strip() or not loaded]
    assert silent == [], "pictures without a text alternative, or that did not load"
    assert not any(alt.startswith(("../", "_images", "data:")) for _, alt, _ in seen(name).holds["pictures"])


@pytest.mark.parametrize("name", EVERY)
def test_every_link_within_the_book_leads_somewhere(name, seen, host):
    dead = []
    for link in {url for url in seen(name).holds["links"] if url.startswith(host)}:
        address, anchor = urldefrag(link)
        path = unquote(address.removeprefix(host).split("?")[0]) or "index.html"
        if not (HTML / path).is_file():
            dead.append(link)
        elif anchor and path.endswith(".html") and f'id="{unquote(anchor)}"' not in source_of(path):
            dead.append(link)
    assert dead == [] and len(seen(name).holds["links"]) > 10


@functools.cache
def source_of(path):
    return (HTML / path).read_text(encoding="utf-8")


def test_the_first_picture_stands_within_a_screen_and_a_half(chromium, host):
    with opened(chromium, f"{host}book/intro.html", host) as (page, *_):
        first = page.locator("article img, article .comm-plotly").first.bounding_box()
        screen = page.viewport_size["height"]
    assert first["height"] > 100 and first["y"] + first["height"] <= 1.5 * screen


def test_the_pages_are_light_as_their_table_says(seen):
    """Write the table of every page, and hold the book to its limits."""
    lines, sizes = [], []
    for name in EVERY:
        page = seen(name)
        serious = [sum(i in ("serious", "critical") for i, _ in found) for found in page.violations.values()]
        others = [len(found) - bad for found, bad in zip(page.violations.values(), serious, strict=True)]
        paint = round(page.holds["paint"])
        cells = [len(page.off_host), len(page.errors), page.kilobytes, paint, sum(serious), sum(others)]
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
        sizes.append(page.kilobytes)
    head = ["page", "requests off-host", "errors", "KB loaded", "first paint, ms", "axe: serious", "axe: other"]
    summary = f"{len(sizes)} pages: median {statistics.median(sizes):.0f} KB, largest {max(sizes)} KB.\n"
    table = "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines])
    written = ROOT / "_build" / "browser" / f"{PROFILE}.md"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(f"{table}\n\n{summary}", encoding="utf-8")
    assert statistics.median(sizes) <= MEDIAN and max(sizes) <= LARGEST, f"{summary}See {written}"
