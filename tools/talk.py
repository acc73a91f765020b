r"""Rehearse the talk and write its slides: every cell is run without a network and timed, and _build/talk is made.

Usage: python tools/talk.py [--profile smoke|laptop|gpu] [--keep]

It fails if a live cell takes longer than 20 seconds, or narration and live cells together longer than 20 minutes; the
slides, which hold what the cells showed, are written all the same.
"""

import argparse
import base64
import json
import os
import re
import shutil
import sys
from pathlib import Path

from comm_lite._files import write_atomically
from folders import own_folder, put_in_place
from kernels import WITNESS, check_package, check_python, environment, in_utf8
from run_chapters import PROFILES, ROOT, executed
from vendor_assets import package_folder, vendor

TALK = Path("book/talk.ipynb")
SECONDS, MINUTES = 20, 20  # of a live cell; of the whole talk
MARK = re.compile(r"\*Narration: (\d+(?:\.\d+)?) min\.\*")
RECORD = "application/vnd.comm-lite.record+json"
REVEAL = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js", "LICENSE")


def kind(cell):
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def tags(cell):
    return cell.metadata.get("tags", [])


# ---------------------------------------------------------------- run and time


def rehearse(profile, talk=TALK, root=ROOT):
    r"""Return the executed talk; each code cell has its seconds, and its kernel could reach this machine only."""
    import nbformat

    path = os.pathsep.join(filter(None, [str(ROOT / "tools" / "offline"), os.environ.get("PYTHONPATH")]))
    alone = {"PYTHONPATH": path, "COMM_LITE_PROFILE": profile, "COMM_LITE_STATIC": "1", "HF_HUB_OFFLINE": "1"}
    asked = nbformat.read(root / talk, as_version=4)
    asked.cells.append(nbformat.v4.new_code_cell(WITNESS, id="witness"))
    with environment(**alone):
        check_python(root)
        notebook, error = executed(asked, root / talk, {}, root)
    if error:
        raise RuntimeError(f"the talk failed in a rehearsal: {error.ename}: {error.evalue}") from error
    seen = json.loads(notebook.cells.pop().outputs[0].text)
    check_package(seen["folder"], root, seen["package"])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata["seconds"] = cell.metadata.pop("papermill")["duration"]
    return notebook


def narration(notebook):
    r"""Return the planned minutes of each slide, by the id of its first cell; every slide must have a mark."""
    planned, slide = {}, None
    for cell in notebook.cells:
        if kind(cell) == "slide":
            slide = cell.id
            planned[slide] = None
        elif kind(cell) == "notes":
            marks = MARK.findall(cell.source)
            if slide is None or planned[slide] is not None or len(marks) != 1:
                raise RuntimeError(
                    f"a slide needs one cell of notes that begins with *Narration: 0.8 min.*, got another in {cell.id}"
                )
            planned[slide] = float(marks[0])
    if without := [slide for slide, minutes in planned.items() if minutes is None]:
        raise RuntimeError(f"slides without notes: {', '.join(without)}; add a cell that begins *Narration: 0.8 min.*")
    return planned


def account(notebook):
    r"""Return the table of a rehearsal as lines, and what is wrong with it as lines."""
    lines, wrong, live = [f"{'cell':20}{'seconds':>8}  limit"], [], 0.0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        seconds, limit = cell.metadata["seconds"], SECONDS if "live" in tags(cell) else None
        lines.append(f"{cell.id:20}{seconds:8.1f}  {limit or ''}".rstrip())
        if limit:
            live += seconds
            if seconds > limit:
                wrong.append(f"live cell {cell.id} must end within {limit} s, took {seconds:.1f} s; make it smaller")
    planned = sum(narration(notebook).values())
    total = planned + live / 60
    lines.append(f"narration {planned:.1f} min + live cells {live:.0f} s = {total:.1f} of {MINUTES} minutes")
    if total > MINUTES:
        wrong.append(f"the talk must end within {MINUTES} minutes, planned are {total:.1f}; shorten some narration")
    return lines, wrong


def busy():
    r"""Return a line that warns of a busy machine, or none: its seconds are longer than those of an idle one."""
    load, cores = os.getloadavg()[0], os.cpu_count()
    return [f"mind: the machine was busy, load {load:.1f} on {cores} cores"] if load > 2 * cores else []


# ---------------------------------------------------------------- slides


def records(notebook):
    r"""Return what `teach.record` stored, as the prose quotes it."""
    texts = {}
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if RECORD in output.get("data", {}):
            text = output.data["application/papermill.record/text/plain"]
            texts[output.metadata["scrapbook"]["name"]] = text.strip("'\"")
    return texts


def slides(notebook):
    r"""Return the notebook that becomes the slides: numbers set in, what is not shown left out, pictures described."""
    import nbformat

    said, cells = records(notebook), []

    def quoted(match):
        if match[1] not in said:
            raise RuntimeError(f"a slide quotes {match[1]}, which no cell recorded; record it or mend the name")
        return said[match[1]]

    for cell in nbformat.from_dict(json.loads(json.dumps(notebook))).cells:
        if kind(cell) == "skip":
            continue
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\{glue:text\}`([^`]+)`", quoted, cell.source)
        else:
            cell.source = cell.source.replace("\n\n\n", "\n\n")  # a slide has fewer lines than a file
            cell.outputs = [output for output in cell.outputs if RECORD not in output.get("data", {})]
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.metadata["image/png"] = {"alt": alt}
        cells.append(cell)
    return nbformat.from_dict({**notebook, "cells": cells})


def page(notebook):
    r"""Return the slides as one page of HTML, by nbconvert and the template in tools/templates/talk."""
    from nbconvert import SlidesExporter
    from traitlets.config import Config

    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"hide-input"}
    exporter = SlidesExporter(
        config=config,
        template_name="talk",
        extra_template_basedirs=[str(ROOT / "tools" / "templates")],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    return exporter.from_notebook_node(slides(notebook))[0]


def pictures(notebook):
    r"""Return the PNG that each live cell showed, by the id of the cell; a live cell must show exactly one."""
    found = {}
    for cell in notebook.cells:
        if "live" in tags(cell):
            shown = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            if len(shown) != 1:
                raise RuntimeError(f"live cell {cell.id} must show one picture, to fall back on, got {len(shown)}")
            found[cell.id] = base64.b64decode(shown[0])
    return found


def write_deck(notebook, root=ROOT):
    r"""Write ``_build/talk``, complete or not at all, and return its index.html."""
    final = root / "_build" / "talk"
    with own_folder(root / "_build") as own:
        new = own / "talk"
        shutil.copytree(vendor(root), new / "_static" / "vendor")
        shutil.copy(ROOT / "_static" / "figures.js", new / "_static")
        reveal = package_folder("sphinx_revealjs") / "_static" / "revealjs"
        for part in REVEAL:
            target = new / "_static" / "vendor" / "reveal" / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(reveal / part, target)
        (new / "index.html").write_text(page(notebook), encoding="utf-8")
        put_in_place(new, final)
    return final / "index.html"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default=os.environ.get("COMM_LITE_PROFILE", "laptop"))
    parser.add_argument("--keep", action="store_true", help="store the live cells' pictures in book/talk_pictures")
    given = parser.parse_args(arguments)
    try:
        notebook = rehearse(given.profile)
        lines, wrong = account(notebook)
        print("\n".join([*lines, *busy()]))
        shown = pictures(notebook)
        index = write_deck(notebook)
    except (RuntimeError, FileNotFoundError) as error:
        return str(error)
    if given.keep:
        (ROOT / "book" / "talk_pictures").mkdir(exist_ok=True)
        for name, content in shown.items():
            write_atomically(ROOT / "book" / "talk_pictures" / f"{name}.png", content)
    print(f"The slides are made. Open\n  {index}\nor, where a browser wants a server for the speaker's view (key S),")
    print(f"  {sys.executable} -m http.server --bind 127.0.0.1 --directory {index.parent} 8000")
    print("To present live, run all cells before you begin:")
    print(f"  {sys.executable} tools/lab.py --LabApp.default_url=/lab/tree/{TALK}")
    return "\n".join(wrong) or 0


if __name__ == "__main__":
    in_utf8()
    sys.exit(main())
