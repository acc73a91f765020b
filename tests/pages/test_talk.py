r"""The talk, rehearsed without a network (smoke profile), and its slides in a browser, opened as a folder."""

import contextlib
import re

import pytest
from built import opened

import talk
from run_chapters import ROOT

SIZES = {"projector": {"width": 1280, "height": 720}, "full hd": {"width": 1920, "height": 1080}}


@pytest.fixture(scope="module")
def rehearsed():
    return talk.rehearse("smoke")


@pytest.fixture(scope="module")
def deck(rehearsed, tmp_path_factory):
    return talk.write_deck(rehearsed, tmp_path_factory.mktemp("a stick"))


@pytest.fixture
def open_deck(chromium, deck):
    with contextlib.ExitStack() as stack:

        def open_deck(viewport):
            seen = stack.enter_context(opened(chromium, deck.as_uri(), "file:///", viewport=viewport))
            seen[0].wait_for_function("Reveal.isReady()")
            return seen[:3]

        yield open_deck


def show(page, number):
    page.evaluate(f"Reveal.slide({number})")
    page.wait_for_timeout(100)


def test_every_live_cell_ends_in_time_and_the_talk_does(rehearsed):
    lines, wrong = talk.account(rehearsed)
    assert wrong == [] and sum(line.endswith(f" {talk.SECONDS}") for line in lines) >= 5
    assert sum(talk.narration(rehearsed).values()) <= talk.MINUTES
    assert len(talk.pictures(rehearsed)) >= 5


def test_the_folder_needs_nothing_but_itself(deck):
    folder = deck.parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20_000_000
    loaded = re.findall(r'(?:src|href)="(?!data:|https?:|#)([^"]+)"', deck.read_text())
    assert len(loaded) >= 4 and [name for name in loaded if not (folder / name).is_file()] == []
    assert (folder / "_static/vendor/reveal/LICENSE").is_file()
    assert str(ROOT) not in deck.read_text(), "a path of this machine in the slides"


OUTSIDE = """() => {
  const slide = Reveal.getCurrentSlide(), box = slide.getBoundingClientRect(), found = [];
  slide.querySelectorAll("h2, p, li, img, .highlight, pre, .comm-plotly, mjx-container").forEach(part => {
    const at = part.getBoundingClientRect();
    if (part.closest("aside") || !at.width) return;
    const beyond = at.left < box.left || at.top < box.top || at.right > box.right || at.bottom > box.bottom - 20;
    const cut = part.clientWidth && part.scrollWidth > part.clientWidth + 2;
    if (beyond || cut) found.push(part.tagName + ": " + (part.textContent || part.alt).slice(0, 40));
  });
  return found;
}"""


@pytest.mark.parametrize("viewport", SIZES.values(), ids=SIZES)
def test_every_slide_fits_and_asks_nobody(open_deck, rehearsed, viewport):
    page, off_host, errors = open_deck(viewport)
    slides = list(talk.narration(rehearsed))
    assert page.evaluate("Reveal.getTotalSlides()") == len(slides)
    for number, name in enumerate(slides):
        show(page, number)
        assert page.evaluate("Reveal.getCurrentSlide().id") == name
        assert page.evaluate("Reveal.getCurrentSlide().querySelectorAll('h2').length") == 1
        assert page.evaluate(OUTSIDE) == [], f"slide {name} is too full"
        width = page.evaluate("Reveal.getCurrentSlide().getBoundingClientRect().width")
        assert width == pytest.approx(viewport["width"], abs=1), "the slide does not fill the screen"
    assert off_host == [] and errors == []


def test_math_pictures_and_notes_are_there(open_deck, rehearsed):
    page, _, _ = open_deck(SIZES["projector"])
    assert page.locator("mjx-container").count() >= 5 and page.locator("mjx-merror").count() == 0
    said = page.evaluate("[...document.querySelectorAll('.slides > section')].map(s => s.innerText).join(' ')")
    assert not re.search(r"\\frac|\\ell|\$|\{glue", said), "raw markup shows"
    images = page.evaluate("[...document.querySelectorAll('img')].map(i => [i.alt.length, i.naturalWidth])")
    assert len(images) >= 12 and all(words > 40 and width > 500 for words, width in images)
    assert page.locator("img:visible").count() >= 1
    notes = page.evaluate("[...document.querySelectorAll('aside.notes')].map(n => n.textContent.trim())")
    assert len(notes) == len(talk.narration(rehearsed)) and all(len(text) > 80 for text in notes)
    paces = page.evaluate("[...document.querySelectorAll('.slides > section')].map(s => Number(s.dataset.timing))")
    assert sum(paces) == pytest.approx(60 * sum(talk.narration(rehearsed).values()), abs=1)


def test_the_speaker_s_view_shows_the_notes(open_deck):
    page, _, errors = open_deck(SIZES["projector"])
    with page.context.expect_page() as opened:
        page.keyboard.press("s")
    view = opened.value
    view.wait_for_function("document.querySelector('.speaker-controls-notes .value').textContent.includes('Narration')")
    assert page.evaluate("Reveal.getIndices().h") == 0
    page.keyboard.press("ArrowRight")
    view.wait_for_function("document.querySelector('.speaker-controls-notes .value').textContent.includes('heart')")
    assert errors == []


@pytest.mark.parametrize("viewport", SIZES.values(), ids=SIZES)
def test_the_sliders_move_the_figures(open_deck, rehearsed, viewport):
    page, off_host, errors = open_deck(viewport)
    moved = 0
    for number in range(len(talk.narration(rehearsed))):
        show(page, number)
        figure = page.locator("section.present .comm-plotly.js-plotly-plot")
        if not figure.count():
            continue
        bars = (
            "() => [...document.querySelectorAll('section.present .comm-plotly .point path')]"
            ".map(p => p.getBBox().width * p.getBBox().height)"
        )
        before = page.evaluate(bars)
        rail = figure.locator(".slider-rail-touch-rect").bounding_box()
        page.mouse.click(rail["x"] + 0.995 * rail["width"], rail["y"] + rail["height"] / 2)
        page.wait_for_timeout(700)
        after = page.evaluate(bars)
        assert len(before) == len(after) > 0 and max(abs(a - b) for a, b in zip(before, after, strict=True)) > 50
        last = figure.evaluate("g => g.layout.sliders[0].active === g.layout.sliders[0].steps.length - 1")
        assert last, "the click did not reach the last step: is the slide scaled?"
        moved += 1
    assert moved == 2 and off_host == [] and errors == []
