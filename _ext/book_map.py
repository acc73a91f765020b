r"""Draw how the chapters of a part lean on each other, as an SVG in the page.

Usage::

    ```{argument-map}
    04 | Information and bounds | the loss is a measurement, with a ceiling | 01
    05 | Partial information | four parts, with a certificate |
    ```

A line is a chapter: its number, a short title, what it adds, and the numbers of the chapters that it leans on. One of
the same folder gets an arrow, one of another part is named. The colours are the theme's, so light and dark follow.
"""

import html

from docutils import nodes
from docutils.parsers.rst import Directive

ROW, TALL, LEFT, WIDE = 74, 52, 46, 380  # of one chapter: its row, its box, where the box begins, where it ends
LETTERS = {"title": 34, "adds": 48}  # what fits into a box
BOX = 'fill="var(--pst-color-surface)" stroke="var(--pst-color-border)"'


def read(lines):
    r"""Return the chapters of a map: (number, title, what it adds, numbers that it leans on)."""
    chapters = []
    for line in filter(str.strip, lines):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != 4 or not cells[0].isdigit():
            raise ValueError(f"a line must be: number | title | what it adds | numbers, got {line!r}")
        for name, words in zip(LETTERS, cells[1:3], strict=True):
            if not 0 < len(words) <= LETTERS[name]:
                raise ValueError(f"the {name} must have 1 to {LETTERS[name]} letters, got {len(words)}: {words!r}")
        on = cells[3].replace(",", " ").split()
        late = [number for number in on if not number.isdigit() or int(number) >= int(cells[0])]
        if late:
            raise ValueError(f"chapter {cells[0]} can only lean on earlier chapters, got {', '.join(late)}")
        chapters.append((cells[0], cells[1], cells[2], on))
    if not chapters:
        raise ValueError("a map needs at least one chapter")
    return chapters


def describe(chapters):
    r"""Return the map in words."""
    said = []
    for number, title, adds, on in chapters:
        leaning = f" It leans on chapter{'s' * (len(on) > 1)} {', '.join(str(int(n)) for n in on)}." if on else ""
        said.append(f"Chapter {int(number)}, {title}: {adds}.{leaning}")
    return " ".join(said)


def draw(chapters, addresses):
    r"""Return the SVG; ``addresses`` are the pages of the chapters, by number."""
    place = {number: index for index, (number, *_) in enumerate(chapters)}
    drawn = []
    for index, (number, title, adds, on) in enumerate(chapters):
        top = index * ROW
        for each in (each for each in on if each in place):
            begin, end = place[each] * ROW + TALL / 2, top + TALL / 2
            aside = LEFT - 12 - 10 * (index - place[each])
            drawn.append(f'<path d="M{LEFT} {begin}C{aside} {begin} {aside} {end} {LEFT - 2} {end}"/>')
        elsewhere = ", ".join(str(int(each)) for each in on if each not in place)
        words = f"{int(number)} · {title}"
        drawn.append(f'<a href="{html.escape(addresses[number])}">')
        drawn.append(f'<rect x="{LEFT}" y="{top + 1}" width="{WIDE - LEFT - 2}" height="{TALL}" rx="6" {BOX}/>')
        drawn.append(f'<text x="{LEFT + 10}" y="{top + 22}" class="map-title">{html.escape(words)}</text>')
        drawn.append(f'<text x="{LEFT + 10}" y="{top + 41}">{html.escape(adds)}</text></a>')
        if elsewhere:
            drawn.append(f'<text x="{WIDE - 10}" y="{top + 22}" class="map-from">from {elsewhere}</text>')
    high = len(chapters) * ROW - ROW + TALL + 2
    arrow = '<marker id="map-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    arrow += '<path class="map-head" d="M0 0L8 4L0 8z"/></marker>'
    opening = f'<svg class="argument-map" viewBox="0 0 {WIDE} {high}" role="group" aria-labelledby="map-words">'
    said = f'<desc id="map-words">{html.escape(describe(chapters))}</desc>'
    return "".join([opening, said, f"<defs>{arrow}</defs>", *drawn, "</svg>"])


class ArgumentMap(Directive):
    r"""The map of a part."""

    has_content = True

    def run(self):
        r"""Return the nodes of the page."""
        environment = self.state.document.settings.env
        folder = environment.docname.rpartition("/")[0]
        try:
            chapters = read(self.content)
            pages = {
                page.rpartition("/")[2][:2]: page for page in environment.found_docs if page.startswith(folder + "/")
            }
            if lacking := [number for number, *_ in chapters if number not in pages]:
                raise ValueError(f"no page of {folder} begins with {', '.join(lacking)}")
        except ValueError as error:
            raise self.error(f"the map cannot be drawn: {error}") from error
        addresses = {number: f"{page.rpartition('/')[2]}.html" for number, page in pages.items()}
        return [nodes.raw("", draw(chapters, addresses), format="html")]


def setup(app):
    r"""Enter the directive."""
    app.add_directive("argument-map", ArgumentMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
