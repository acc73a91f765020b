r"""What a reader does in the built book: search, move a slider, switch to dark, use the keyboard alone."""

import json

import pytest
from built import HTML, PAGES, dark
from test_built_book import expected

from comm_lite.book.ledger import latest, read_ledger
from run_chapters import ROOT

WITH_FIGURE = [name for name, source in PAGES.items() if expected(source)[1]]


def with_slider():
    return next(name for name in WITH_FIGURE if '"sliders":' in (HTML / name).read_text(encoding="utf-8"))


def drawn(page):
    """Return what the first figure with a slider shows: every shape of its traces, and where the slider stands."""
    return page.evaluate(
        "() => { const box = document.querySelector('.slider-group').closest('.comm-plotly');"
        "  return [box.querySelector('.cartesianlayer').innerHTML, box._fullLayout.sliders[0].active] }"
    )


def test_the_ledger_says_not_measured_exactly_where_nothing_was(visit, host):
    rows = latest(read_ledger(ROOT / "book" / "ledger.json")).values()
    wanted = [(f"{row.method}, {row.task}", row.command, row.ours is None) for row in rows]
    page, _, errors, _ = visit(host + "book/appendix/ledger.html", host)
    read = "tables => tables.map(t => [...t.rows].map(r => [...r.cells].map(c => c.innerText.trim())))"
    shown = []
    for head, *body in page.eval_on_selector_all("table.ledger", read):
        ours = head.index("ours")
        shown += [(line[0], line[-1], line[ours] == "not measured") for line in body]
        assert not any("not measured" in cell for line in body for cell in line[:ours] + line[ours + 1 :])
    assert sorted(shown) == sorted(wanted) and any("CoMM" in name for name, *_ in shown) and errors == []


@pytest.mark.parametrize("place", ["loopback", "folder"])
def test_search_finds_a_word_of_a_chapter(place, visit, host):
    root = host if place == "loopback" else (HTML / "x").as_uri()[:-1]
    page, off_host, errors, _ = visit(root + "book/intro.html", root)
    page.keyboard.press("Control+k")
    page.keyboard.type("synergy")
    page.keyboard.press("Enter")
    page.wait_for_selector("ul.search li a[href*='intro.html']")  # the results come one by one
    assert "search.html?q=synergy" in page.url
    page.wait_for_timeout(500)
    assert off_host == [] and errors == []


@pytest.mark.parametrize("place", ["loopback", "folder"])
def test_a_slider_moves_and_its_figure_changes(place, visit, host):
    root = host if place == "loopback" else (HTML / "x").as_uri()[:-1]
    page, off_host, errors, _ = visit(root + with_slider(), root)
    slider = page.locator(".slider-group").first
    slider.scroll_into_view_if_needed()
    before = drawn(page)
    touch = slider.locator(".slider-rail-touch-rect").first.bounding_box()
    for share in (0.98, 0.02):
        page.mouse.click(touch["x"] + share * touch["width"], touch["y"] + touch["height"] / 2)
        page.wait_for_timeout(1000)
    after = drawn(page)
    assert after[0] != before[0] and after[1] == 0 or before[1] == 0
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)
    moved = drawn(page)
    assert moved[1] == after[1] + 1 and moved[0] != after[0], "the keyboard does not move the slider"
    assert slider.get_attribute("aria-valuenow") == str(moved[1]) and slider.get_attribute("aria-label")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "slider", "the slider lost the focus"
    assert off_host == [] and errors == []


def test_figures_follow_light_and_dark(visit, host):
    page, _, errors, _ = visit(host + WITH_FIGURE[0], host)
    read = "() => getComputedStyle(document.querySelector('.comm-plotly .xtick text')).fill"
    colours = [page.evaluate(read)]
    dark(page)
    page.wait_for_timeout(500)
    colours.append(page.evaluate(read))
    assert colours == ["rgb(34, 40, 50)", "rgb(206, 214, 221)"] and errors == []
    page, _, _, _ = visit(host + WITH_FIGURE[0], host, color_scheme="dark")
    assert page.evaluate(read) == colours[1], "the system's choice is not followed"


def test_the_keyboard_alone_reaches_everything(visit, host):
    page, _, errors, _ = visit(host + with_slider(), host)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to main content"
    page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")  # it slides into sight
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main-content"
    page.goto(page.url.split("#")[0])
    page.evaluate("Promise.all([window.mathSet, window.figuresDrawn])")
    # Of what has the focus: what it is, and whether a reader sees that.
    look = """() => { const e = document.activeElement, s = getComputedStyle(e), box = e.getBoundingClientRect();
      return [e.tagName + "." + (e.getAttribute("class") || "") + "." + (e.getAttribute("role") || ""),
              s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none",
              box.width > 0 && box.height > 0] }"""
    reached = []
    for _ in range(400):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(look))
        if reached[-1][0].startswith("BODY"):
            break
    names = " ".join(name for name, *_ in reached)
    for wanted in ("search-button", "theme-switch-button", "dropdown-toggle", "SUMMARY", ".slider"):
        assert wanted in names, f"{wanted} cannot be reached"
    unseen = {name for name, ring, size in reached if size and not ring and not name.startswith("BODY")}
    assert unseen == set(), "nothing shows that these have the focus"
    assert errors == []


def test_a_menu_opens_and_closes_with_the_keyboard(visit, host):
    page, _, errors, _ = visit(host + "book/intro.html", host)
    button = page.locator(".dropdown-launch-buttons > button")
    button.focus()
    page.keyboard.press("Enter")
    links = page.locator(".dropdown-launch-buttons a:visible")
    addresses = [links.nth(index).get_attribute("href") for index in range(links.count())]
    assert [url.split("/")[2] for url in addresses] == ["mybinder.org", "colab.research.google.com"]
    repository = json.dumps(addresses)
    assert "book/intro.ipynb" in repository and "lab/tree" in addresses[0]
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.dropdown-menu') !== null")
    page.keyboard.press("Escape")
    assert links.count() == 0 and errors == []


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_words_and_cited_works_explain_themselves_to_mouse_and_keyboard(kind, visit, host):
    name = next(page for page in PAGES if "01_joint_embeddings" in page)
    page, *_ = visit(host + name, host, viewport={"width": 390, "height": 844})
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
    page, _, errors, _ = visit(host + "book/appendix/api/losses.html", host)
    place = page.locator("[id='comm_lite.losses.comm_loss'] + dd").first
    assert any("#equation-eq-comm" in link for link in place.locator("a").evaluate_all("l => l.map(a => a.href)"))
    source = page.locator("[id='comm_lite.losses.comm_loss'] a.reference").first.get_attribute("href")
    assert "_modules/comm_lite/losses/comm.html#" in source and errors == []
