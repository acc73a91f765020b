r"""Explain a word of the field, or a cited work, where it stands: a link whose explanation shows on hover and on focus.

Chapters stay plain Markdown. The first time that a page uses a term of the glossary, the term becomes a link to it and
shows its definition; a link to a work that ``book/references.bib`` holds shows authors, year, title and venue.
No script is needed: the explanation is an element beside the link, which the style sheet shows (block "hints").
"""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

LOG = logging.getLogger(__name__)
CITED = re.compile(r"https?://(?:www\.)?(?:arxiv\.org/(?:abs|pdf)/|doi\.org/)(\S+)")  # what must be in the bib
# No term of ours: to pay attention, sines and cosines, a speaker's view.
EVERYDAY = r"(?i:(?<!pay\s)(?<!pays\s)(?<!sines\sand\s)(?<!speaker[’']s\s))"
# Terms are linked in paragraphs, except within these: a link, code, a formula, a figure, a table, the glossary itself.
APART = (nodes.reference, nodes.literal, nodes.math, nodes.figure, nodes.table, addnodes.desc, addnodes.glossary)


class explained(nodes.reference):
    r"""A link with an explanation, the attribute ``says``."""


def visit_explained(self, node):
    node["number"] = self.hints = getattr(self, "hints", 0) + 1
    where = {"href": node["refuri"], "aria-describedby": f"hint-{node['number']}"}
    self.body.append(self.starttag(node, "a", "", CLASS=f"reference {node['kind']} hint", **where))


def depart_explained(self, node):
    says = self.encode(node["says"])
    self.body.append(f'</a><span class="hint-text" role="tooltip" id="hint-{node["number"]}">{says}</span>')


# ---------------------------------------------------------------- words


def read_glossary(environment):
    r"""Return where each term is defined, and how: {label: (document, spellings, definition)}."""
    terms = environment.get_domain("std").data["objects"]
    found = {}
    for document in sorted({where for (kind, _), (where, _) in terms.items() if kind == "term"}):
        for item in environment.get_doctree(document).findall(nodes.definition_list_item):
            spellings = [term for term in item.findall(nodes.term)]
            if isinstance(item.parent.parent, addnodes.glossary):
                says = " ".join(next(item.findall(nodes.definition)).astext().split())
                found[spellings[0]["ids"][0]] = (document, [term.astext() for term in spellings], says)
    return found


def pattern(spellings):
    r"""Match a term and its plural as a whole word; capitals count where the glossary has some inside."""
    parts = []
    for term in sorted(spellings, key=len, reverse=True):
        words = r"[\s-]+".join(map(re.escape, re.split(r"[\s-]+", term)))
        parts.append(words if term != term.lower() else f"(?i:{words})")
    return re.compile(rf"(?<![\w-]){EVERYDAY}(?:{'|'.join(parts)})(?:s|es)?(?![\w-])")


def prose(node, *, inside=False):
    r"""Yield the texts in the paragraphs of a page, each with the node that holds it."""
    if isinstance(node, APART) or "cell_output" in node.get("classes", []):
        return
    inside = inside or isinstance(node, nodes.paragraph)
    for child in list(node.children):
        if not isinstance(child, nodes.Text):
            yield from prose(child, inside=inside)
        elif inside:
            yield node, child


def link_terms(doctree, terms, uri):
    r"""Turn the first occurrence of every term of a page into a hint; ``uri`` gives the address of a document."""
    waiting = {label: pattern(spellings) for label, (_, spellings, _) in terms.items()}
    for holder, text in prose(doctree):
        while found := [(match, label) for label, each in waiting.items() if (match := each.search(text))]:
            match, label = min(found, key=lambda each: (each[0].start(), -each[0].end()))  # the first, the longest
            del waiting[label]
            document, _, says = terms[label]
            link = explained("", match[0], refuri=f"{uri(document)}#{label}", says=says, kind="internal", internal=True)
            before, after = nodes.Text(text[: match.start()]), nodes.Text(text[match.end() :])
            holder.replace(text, [before, link, after])
            text = after


# ---------------------------------------------------------------- cited works


def plain(field):
    return field.replace("{", "").replace("}", "")


def describe(entry):
    r"""Return authors, year, title and venue of an entry of the bibliography in words."""
    names = [plain(" ".join([*person.prelast_names, *person.last_names])) for person in entry.persons["author"]]
    if "others" in names or len(names) > 4:
        names = [names[0], "others"]
    who = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    fields = entry.fields
    venue = next((fields[name] for name in ("booktitle", "journal", "howpublished") if name in fields), None)
    venue = venue or ("arXiv " + fields["eprint"] if "eprint" in fields else None)
    what = plain(fields["title"])
    said = [f"{who} ({fields['year']})", what, venue and plain(venue)]
    return " ".join(part if part.endswith(("?", "!", ".")) else f"{part}." for part in said if part)


def address(link):
    r"""Return what a link to arXiv or to a DOI is found by in the bibliography, else the link."""
    match = CITED.fullmatch(link)
    return re.sub(r"(v\d+)?(\.pdf)?$", "", match[1]) if match and "arxiv" in link else match[1] if match else link


def by_address(entries):
    r"""Return the entries of a bibliography by arXiv number, DOI or address."""
    return {entry.fields[f]: entry for entry in entries.values() for f in ("eprint", "doi", "url") if f in entry.fields}


def link_works(doctree, works):
    r"""Give every link to a work of the bibliography its description; return the links that ought to be in it."""
    lacking = []
    for link in list(doctree.findall(lambda node: type(node) is nodes.reference and "refuri" in node)):
        work = works.get(address(link["refuri"]))
        if work is not None:
            link.replace_self(
                explained("", "", *link.children, refuri=link["refuri"], says=describe(work), kind="external")
            )
        elif CITED.fullmatch(link["refuri"]):
            lacking.append(link)
    return lacking


# ---------------------------------------------------------------- into the pages


def collect(app, environment):
    app.hints_terms = read_glossary(environment)
    app.hints_works = by_address(environment.get_domain("cite").bibdata.data.entries)


def explain(app, doctree, page):
    if any(key.docname == page for key in app.env.get_domain("cite").bibliographies):
        return
    for link in link_works(doctree, app.hints_works):
        LOG.warning("%s is cited, but book/references.bib has no such entry", link["refuri"], location=link)
    link_terms(doctree, app.hints_terms, lambda document: app.builder.get_relative_uri(page, document))


def setup(app):
    r"""Connect to Sphinx."""
    app.add_node(explained, html=(visit_explained, depart_explained))
    app.connect("env-check-consistency", collect)
    app.connect("doctree-resolved", explain, priority=900)  # after links were resolved
    return {"parallel_read_safe": True, "parallel_write_safe": True}
