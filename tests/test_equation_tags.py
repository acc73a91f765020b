"""An equation in a chapter, the line of the package that is that equation, and the way back: they name each other.

A label is ``$$ ... $$ (eq-name)`` in a chapter, a tag is ``# (eq-name)`` at the end of a line of the package, a role is
:eq:`eq-name` in a docstring.
"""

import ast
import json
import re
from collections import Counter

import pytest
from surface import FILES, PACKAGE, module_name

NAME = r"(eq-[a-z0-9-]+)"
LABEL = re.compile(rf"\$\$[ \t]*\({NAME}\)|:label:[ \t]*{NAME}")
TAG = re.compile(rf"#[ \t]*\({NAME}\)[ \t]*$", re.MULTILINE)
ROLE = re.compile(rf":eq:`{NAME}`")

# Lines that are tagged although no chapter has their equation yet, and the chapter that will bring it. An entry is
# taken out when the chapter comes; then the docstring gets its role.
WAITING = {}


def labels_in(notebook):
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    return [first or second for first, second in LABEL.findall(text)]


CHAPTERS = sorted((PACKAGE.parent / "book").rglob("*.ipynb"))
LABELS = Counter(label for path in CHAPTERS for label in labels_in(json.loads(path.read_text(encoding="utf-8"))))
TAGS = Counter(tag for path in FILES for tag in TAG.findall(path.read_text()))
ROLES = {role for path in FILES for role in ROLE.findall(path.read_text())}


def functions():
    for path in FILES:
        source = path.read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                # Whole lines: the tag is a comment after the last expression.
                yield f"{module_name(path)}.{node.name}", node, source.splitlines()[node.lineno - 1 : node.end_lineno]


def test_there_is_something_to_compare():
    assert CHAPTERS and TAGS and ROLES


def test_labels_are_read_in_both_spellings():
    cells = ["$$\nx = y\n$$ (eq-one)", "```{math}\n:label: eq-two\nx\n```", "see {eq}`eq-three` and (eq-four)"]
    notebook = {"cells": [{"cell_type": "markdown", "source": [text]} for text in cells]}
    assert labels_in(notebook) == ["eq-one", "eq-two"]
    assert labels_in({"cells": [{"cell_type": "code", "source": ["$$ (eq-one)"]}]}) == []


def test_labels_and_tags_are_unique():
    assert [name for name, count in (LABELS + Counter()).items() if count > 1] == []
    assert [name for name, count in TAGS.items() if count > 1] == []


def test_every_role_leads_to_an_equation_in_a_chapter():
    assert sorted(ROLES - set(LABELS)) == []


def test_every_role_stands_beside_its_tag():
    bodies = {name: "\n".join(lines) for name, _, lines in functions()}
    for name, node, _ in functions():
        lines = bodies[name] + bodies.get(f"{name}_core", "")  # a public function checks, its core computes
        for role in ROLE.findall(ast.get_docstring(node) or ""):
            assert role in TAG.findall(lines), f"{name} links to {role}, but none of its lines has the tag"


def test_every_tag_has_its_equation_or_waits_for_its_chapter():
    assert sorted(set(TAGS) - set(LABELS) - set(WAITING)) == []


def test_every_equation_with_a_line_is_linked_back():
    assert sorted((set(TAGS) & set(LABELS)) - ROLES) == []


@pytest.mark.parametrize("name", WAITING)
def test_nobody_waits_in_vain(name):
    assert name in TAGS, "the line is gone: take the entry out"
    assert name not in LABELS, f"chapter {WAITING[name]} has come: take the entry out and link back with :eq:"
