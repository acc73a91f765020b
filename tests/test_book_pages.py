r"""The pages around the chapters: maps, words, cited works, exercises, the run, the package; and what makes them."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from docutils import nodes
from docutils.core import publish_doctree
from docutils.frontend import get_default_settings
from docutils.parsers.rst import Parser
from docutils.utils import new_document
from pybtex.database import parse_file
from surface import public_modules

import book_exercises
import book_hints
import book_map
import book_package
import book_run
from run_chapters import ROOT, chapters, toc_pages

APPENDIX = ROOT / "book" / "appendix"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PARTS = [[page["file"] for page in part["chapters"]] for part in TOC["parts"]]
PARTS = [pages for pages in PARTS if "/part" in pages[0]]


def prose(page):
    r"""Return what a page says, of a notebook the markdown."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")


PROSE = {page.as_posix(): prose(page) for page in toc_pages()}


# ---------------------------------------------------------------- the map of a part

LINES = ["04 | Bounds | a ceiling | 01", "", "05 | Parts | four of them | 04, 02"]
CHAPTERS = [("04", "Bounds", "a ceiling", ["01"]), ("05", "Parts", "four of them", ["04", "02"])]


def test_a_map_is_read_described_and_drawn():
    assert book_map.read(LINES) == CHAPTERS
    assert book_map.describe(CHAPTERS) == (
        "Chapter 4, Bounds: a ceiling. It leans on chapter 1. "
        "Chapter 5, Parts: four of them. It leans on chapters 4, 2."
    )
    drawn = book_map.draw([("04", "A < B", "&", ["01"]), CHAPTERS[1]], {"04": "04_one.html", "05": "05_two.html"})
    assert drawn.count('<path d="M') == 1, "one arrow, for the one chapter of this part that another leans on"
    assert (
        ">from 1</text>" in drawn and ">from 2</text>" in drawn and "4 · A &lt; B" in drawn and "&amp;</text>" in drawn
    )
    assert drawn.count("<a href=") == 2 and '<desc id="map-words">Chapter 4, A &lt; B' in drawn


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["04 | Bounds | a ceiling"], "a line must be: number | title | what it adds | numbers, got '04 | Bounds"),
        (["four | Bounds | a ceiling |"], "a line must be"),
        (["04 | | a ceiling |"], "the title must have 1 to 34 letters, got 0"),
        (["04 | Bounds | " + "a" * 49 + " |"], "the adds must have 1 to 48 letters, got 49"),
        (["04 | Bounds | a ceiling | 04"], "chapter 04 can only lean on earlier chapters, got 04"),
        ([""], "a map needs at least one chapter"),
    ],
)
def test_a_wrong_line_of_a_map_is_refused(lines, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        book_map.read(lines)


@pytest.mark.parametrize("pages", PARTS, ids=lambda pages: pages[0].split("/")[1])
def test_a_part_begins_with_a_page_that_maps_and_names_its_chapters(pages):
    first, *others = pages
    assert first.endswith("/index") and others
    text = PROSE[first + ".md"]
    mapped = book_map.read(re.search(r"```{argument-map}\n(.*?)```", text, re.DOTALL)[1].split("\n"))
    assert [number for number, *_ in mapped] == [Path(page).name[:2] for page in others]
    assert re.findall(r"^- \[.+?\]\((.+?)\.ipynb\)", text, re.MULTILINE) == [Path(page).name for page in others]
    existing = {page.name[:2] for page in chapters()}
    assert {number for *_, on in mapped for number in on} <= existing


# ---------------------------------------------------------------- words

GLOSSARY = (APPENDIX / "glossary.md").read_text(encoding="utf-8")


def entries():
    r"""Return the glossary as (spellings, definition), read from its text."""
    body = re.search(r"```{glossary}\n:sorted:\n\n(.*?)```", GLOSSARY, re.DOTALL)[1]
    for block in body.strip().split("\n\n"):
        lines = block.split("\n")
        yield [line for line in lines if line[0] != " "], " ".join(line.strip() for line in lines if line[0] == " ")


def test_definitions_are_short_plain_sentences():
    assert len(dict.fromkeys(word for words, _ in entries() for word in words)) > 80
    for words, says in entries():
        assert words and 20 < len(says) < 350 and says.endswith(".") and not re.search(r"[$`*{\\]", says), words
        assert len(re.findall(r"[.;!?](?= [A-Z])", says)) <= 1, f"{words[0]}: more than two sentences"


def test_every_word_of_the_glossary_is_used_by_a_page():
    pages = [text for page, text in PROSE.items() if not page.endswith("glossary.md")]
    unused = [words[0] for words, _ in entries() if not any(book_hints.pattern(words).search(text) for text in pages)]
    assert unused == []


@pytest.mark.parametrize(
    ("spellings", "text", "found"),
    [
        (["critic"], "Two critics, one critical.", "critics"),
        (["critic"], "A SeparableCritic", None),
        (["CLIP"], "So clip it; a CLIP", "CLIP"),
        (["linear probe", "probe"], "One Linear\nprobe", "Linear\nprobe"),
        (["Cross"], "NCE-Cross", None),
        (["R@10"], "R@10 is", "R@10"),
        (["attention"], "It pays\nattention.", None),
        (["cosine"], "Sines and cosines", None),
    ],
)
def test_whole_words_in_any_number(spellings, text, found):
    match = book_hints.pattern(spellings).search(text)
    assert (match and match[0]) == found


def words_of(text):
    r"""Return a page after its words were linked, as (word, address, explanation)."""
    doctree = publish_doctree(text, settings_overrides={"report_level": 5})
    terms = {
        "term-probe": ("appendix/glossary", ["linear probe", "probe"], "Reads."),
        "term-linear": ("appendix/glossary", ["linear"], "Straight."),
    }
    before = doctree.astext()
    book_hints.link_terms(doctree, terms, lambda document: f"../{document}.html")
    assert doctree.astext() == before, "the words themselves stay"
    return [(link.astext(), link["refuri"], link["says"]) for link in doctree.findall(book_hints.explained)]


def test_only_the_first_use_in_prose_is_linked():
    text = "A probe\n=======\n\n``probe`` and `probe <x.html>`_.\n\n.. figure:: x.png\n\n   A probe.\n\n"
    text += "*The* **linear probe** and a probe.\n\nAll linear, more linear."
    assert words_of(text) == [
        ("linear probe", "../appendix/glossary.html#term-probe", "Reads."),
        ("linear", "../appendix/glossary.html#term-linear", "Straight."),
    ]


def test_the_explanation_stands_beside_the_link_for_every_reader():
    from docutils.writers.html5_polyglot import HTMLTranslator, Writer

    class Pages(HTMLTranslator):
        visit_explained, depart_explained = book_hints.visit_explained, book_hints.depart_explained

    doctree = publish_doctree("A probe.")
    book_hints.link_terms(doctree, {"t": ("g", ["probe"], 'Reads "it" & more.')}, lambda document: f"{document}.html")
    writer = Writer()
    writer.translator_class = Pages
    doctree.settings = get_default_settings(Parser, writer)
    writer.document = doctree
    writer.translate()
    assert (
        '<p>A <a aria-describedby="hint-1" class="reference internal hint" href="g.html#t">probe</a>'
        '<span class="hint-text" role="tooltip" id="hint-1">Reads &quot;it&quot; &amp; more.</span>.</p>'
    ) in writer.output


# ---------------------------------------------------------------- cited works

WORKS = book_hints.by_address(parse_file(ROOT / "book" / "references.bib", "bibtex").entries)
LINKS = [
    pytest.param(page, words.replace("\n", " "), address, id=f"{Path(page).stem}-{address.rpartition('/')[2]}")
    for page, text in PROSE.items()
    for words, address in re.findall(r"\[([^\[\]]+)\]\((https?://[^)\s]+)\)", text)
    if book_hints.CITED.fullmatch(address)
]


def test_every_chapter_cites():
    assert {page.as_posix() for page in chapters()} <= {each.values[0] for each in LINKS}


@pytest.mark.parametrize(("page", "words", "address"), LINKS)
def test_what_a_page_cites_is_in_the_bibliography_under_its_title(page, words, address):
    work = WORKS[book_hints.address(address)]

    def letters(text):
        return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()

    assert letters(work.fields["title"]).startswith(letters(words)), f"{page} calls {address} {words!r}"


@pytest.mark.parametrize(
    ("link", "key"),
    [
        ("https://arxiv.org/abs/1807.03748", "1807.03748"),
        ("https://arxiv.org/pdf/1807.03748v2.pdf", "1807.03748"),
        ("https://doi.org/10.3390/e20040271", "10.3390/e20040271"),
        ("https://example.org/paper", "https://example.org/paper"),
    ],
)
def test_what_a_link_is_found_by(link, key):
    assert book_hints.address(link) == key


def test_works_in_words():
    said = [book_hints.describe(WORKS[key]) for key in ("1807.03748", "10.2307/2331554", "2409.07402", "1311.2852")]
    assert said == [
        "van den Oord, Li and Vinyals (2018). Representation Learning with Contrastive Predictive Coding. "
        "arXiv 1807.03748.",
        "Student (1908). The Probable Error of a Mean. Biometrika.",
        "Dufumier, Castillo-Navarro, Tuia and Thiran (2025). What to Align in Multimodal Contrastive Learning? "
        "International Conference on Learning Representations (ICLR).",
        "Bertschinger and others (2014). Quantifying Unique Information. Entropy.",
    ]
    assert all(re.fullmatch(r"[^{}\\]{30,400}\.", book_hints.describe(work)) for work in WORKS.values())


def test_a_link_to_an_unknown_work_is_reported():
    known, unknown = "https://arxiv.org/abs/1807.03748", "https://arxiv.org/abs/0000.00000"
    doctree = publish_doctree(f"`one <{known}>`_ `two <{unknown}>`_ `three <https://example.org>`_")
    assert [link["refuri"] for link in book_hints.link_works(doctree, WORKS)] == [unknown]
    (hint,) = doctree.findall(book_hints.explained)
    assert (hint["refuri"], hint.astext(), hint["says"][:12]) == (known, "one", "van den Oord")


# ---------------------------------------------------------------- exercises


def test_exercises_and_their_answers_are_found():
    doctree = new_document("page")
    assert book_exercises.found_in(doctree, {}) == []
    exercise = book_exercises.is_exercise_node.__globals__["exercise_enumerable_node"]
    for label in ("ex-one", "ex-two", "ex-three"):
        doctree += exercise("", nodes.paragraph("", f"What is {label}?"), ids=[label])
        if label == "ex-one":
            doctree += nodes.container("", classes=["cell", "tag_hide-cell"])
    doctree += book_exercises.solution_node("", nodes.paragraph("", "That."), ids=["answer-two"], target_label="ex-two")
    found = book_exercises.found_in(doctree, {"ex-one": (3,), "ex-two": (4,), "ex-three": (5,)})
    assert [(name, place, node.astext(), answer or words) for name, place, node, answer, words in found] == [
        ("Exercise 3", "ex-one", "What is ex-one?", book_exercises.BELOW),
        ("Exercise 4", "ex-two", "What is ex-two?", "answer-two"),
        ("Exercise 5", "ex-three", "What is ex-three?", book_exercises.OPEN),
    ]


def test_every_answer_names_an_exercise():
    asked = re.findall(r"{exercise}.*\n:label: (\S+)", "\n".join(PROSE.values()))
    answered = re.findall(r"{solution} (\S+)", "\n".join(PROSE.values()))
    assert len(asked) > 30 and len(asked) == len(set(asked)) and set(answered) <= set(asked)
    assert len(answered) == len(set(answered))


# ---------------------------------------------------------------- the run

FACTS = {"profile": "laptop", "seconds": 150.2, "threads": 1, "device": "CPU", "torch": "2.0", "python": "3.11"}
FACTS |= {"date": "2026-01-05"}


def test_a_run_in_words():
    assert [book_run.duration(s) for s in (0.4, 99.4, 99.6, 150, 5939, 6000, 9000)] == [
        "0 s",
        "99 s",
        "2 min",
        "2 min",
        "99 min",
        "1 h 40 min",
        "2 h 30 min",
    ]
    assert book_run.banner(FACTS) == (
        "This run: laptop profile · 3 min from the start of Python to the last cell · CPU, 1 thread · 5 January 2026"
    )
    assert book_run.words(FACTS | {"device": "NVIDIA H100", "threads": 4})["device"] == "NVIDIA H100, 4 CPU threads"
    old = book_run.words({"profile": "smoke", "seconds": 3})
    assert [old[name] for name in book_run.HEAD[1:]] == ["3 s", "smoke", *["not recorded"] * 4]
    assert book_run.banner({"profile": "smoke", "seconds": 3}).endswith("3 s from the start of Python to the last cell")


def test_only_an_executed_chapter_has_facts(tmp_path):
    page = tmp_path / "one.ipynb"
    page.write_text(json.dumps({"cells": [], "metadata": {"comm_lite": FACTS}}))
    assert book_run.facts_of(page) == FACTS
    page.write_text(json.dumps({"cells": [], "metadata": {}}))
    assert book_run.facts_of(page) is None and book_run.facts_of(tmp_path / "one.md") is None


@pytest.mark.parametrize(("pages", "said"), [({book_run.TABLE}, " · all runs"), (set(), "")])
def test_the_line_stands_below_the_title(tmp_path, pages, said):
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": [], "metadata": {"comm_lite": FACTS}}))
    there = SimpleNamespace(docname="one", found_docs=pages, doc2path=lambda page: tmp_path / f"{page}.ipynb")
    page = new_document("one")
    page += nodes.section("", nodes.title("", "One"), nodes.paragraph("", "Text."))
    book_run.show(SimpleNamespace(env=there), page)
    assert [part.astext() for part in page[0]] == ["One", book_run.banner(FACTS) + said, "Text."]


# ---------------------------------------------------------------- the package


def test_the_package_has_a_page_for_each_public_module():
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (APPENDIX / "api").glob("*.md")}
    index = pages.pop("index")
    wanted = {module.rsplit(".", 1)[-1]: module for module in public_modules() if module != "comm_lite"}
    assert set(pages) == set(wanted)
    for name, text in pages.items():
        assert f".. automodule:: {wanted[name]}\n   :members:\n" in text and f"[`{wanted[name]}`]({name}.md)" in index
        assert f"book/appendix/api/{name}.md" in PROSE


def test_signatures_and_fields_are_written_as_a_reader_expects():
    arguments = "(a: int = 1, b: X = <class 'one.two.Three'>, c: Y = <factory>)"
    written = book_package.written(None, "class", "X", None, {}, arguments, "None")
    assert written == ("(a: int = 1, b: X = Three, c: Y = ...)", "None")
    assert book_package.written(None, "module", "X", None, {}, None, None) == (None, None)
    for what, wanted in (("attribute", ["", "R: shared."]), ("function", ["R: shared."])):
        lines = ["R: shared."]
        book_package.whole(None, what, "X.r", None, {}, lines)
        assert lines == wanted
