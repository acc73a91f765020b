r"""List every exercise of the book, read from the pages when the book is built.

Usage::

    ```{exercises}
    ```

The answer of an exercise is the ``{solution}`` that names it; where there is none, the folded cell that follows, if one
does.
"""

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_exercise.nodes import is_exercise_node, solution_node

BELOW, OPEN = "answer in a folded cell below it", "left to you"


class exercise_list(nodes.General, nodes.Element):
    r"""The place of the list, until all pages are read."""


class Exercises(Directive):
    r"""Every exercise, page by page."""

    def run(self):
        r"""Return the nodes of the page."""
        return [exercise_list()]


def is_folded(node):
    return isinstance(node, nodes.container) and "tag_hide-cell" in node["classes"]


def found_in(doctree, numbers):
    r"""Return (name, id, question, id of the answer or None, words in its place) of the exercises of a page.

    ``numbers`` are those that Sphinx gave to the exercises of the page, by id.
    """
    answers = {node["target_label"]: node["ids"][0] for node in doctree.findall(solution_node)}
    order = list(doctree.findall(lambda node: is_exercise_node(node) or is_folded(node)))
    found = []
    for index, node in enumerate(order):
        if is_exercise_node(node):
            (label,) = node["ids"]
            name = f"Exercise {'.'.join(map(str, numbers[label]))}"
            below = any(map(is_folded, order[index + 1 : index + 2]))
            found.append((name, label, node, answers.get(label), BELOW if below else OPEN))
    return found


class FillIn(SphinxPostTransform):
    r"""Put the list in place, before its references are resolved."""

    default_priority = 4  # sphinx_exercise begins at 5, Sphinx at 10

    def run(self, **options):
        r"""Replace the place by the list."""
        for place in list(self.document.findall(exercise_list)):
            listed = []
            for page in sorted(self.env.found_docs - {self.env.docname}):
                listed += self.of(page)
            if any(True for node in listed for _ in node.findall(nodes.math)):
                self.env.get_domain("math").data["has_equations"][self.env.docname] = True  # else none is drawn
            place.replace_self(listed or [nodes.paragraph("", "No page of this book has an exercise.")])

    def of(self, page):
        r"""Return the nodes about one page."""
        numbers = self.env.toc_fignumbers.get(page, {}).get("exercise", {})
        address = self.app.builder.get_relative_uri(self.env.docname, page)
        items = []
        for name, place, node, answer, otherwise in found_in(self.env.get_doctree(page), numbers):
            line = nodes.paragraph("", "", nodes.reference("", name, refuri=f"{address}#{place}", internal=True))
            line += nodes.Text(" · ")
            answered = nodes.reference("", "answer", refuri=f"{address}#{answer}", internal=True)
            line += answered if answer else nodes.Text(otherwise)
            question = next(node.findall(nodes.paragraph)).deepcopy()
            for link in question.findall(addnodes.pending_xref):
                if link["reftype"] in ("eq", "ref", "numref"):  # it is followed from here, not from its own page
                    link["refdoc"] = self.env.docname
            items.append(nodes.list_item("", line, question))
        if not items:
            return []
        title = nodes.reference("", self.env.titles[page].astext(), refuri=address, internal=True)
        return [nodes.rubric("", "", title), nodes.bullet_list("", *items)]


def setup(app):
    r"""Enter the directive, and fill it in when all pages are read."""
    app.add_node(exercise_list)
    app.add_directive("exercises", Exercises)
    app.add_post_transform(FillIn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
