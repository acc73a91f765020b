r"""Build the book from the executed chapters; refuse any that is missing, failed or older than its sources.

Usage: python tools/build_book.py [--profile smoke|laptop|gpu] [--links]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

from folders import own_folder, put_in_place
from kernels import check_python, in_utf8
from run_chapters import PROFILES, ROOT, chapters, damage, executed_path, read_notebook, state, toc_pages
from vendor_assets import vendor


def refusals(profile, root=ROOT):
    r"""Return one line for each chapter that may not be shown, with what to do."""
    lines = []
    for page in chapters(root):
        if (now := state(page, profile, root=root)) != "current":
            done = executed_path(page, profile, root)
            see = f", see {done.with_suffix('.failed.ipynb')}" if now == "failed" else ""
            if now == "stale" and (wrong := damage(done)):
                see = f", {wrong}"
            lines.append(f"  {page} is {now}{see}; run: python tools/run_chapters.py --profile {profile} {page}")
    return lines


def merged(source, executed):
    r"""Return the source notebook with the outputs of the executed one, cell by cell."""
    ran = {cell["id"]: cell for cell in executed["cells"]}
    cells = []
    for cell in source["cells"]:
        if cell["cell_type"] == "code":
            cell = cell | {key: ran[cell["id"]][key] for key in ("outputs", "execution_count")}
        cells.append(cell)
    kept = {key: value for key, value in executed["metadata"].items() if key in ("widgets", "comm_lite")}
    return source | {"cells": cells, "metadata": source["metadata"] | kept}


def stage(profile, folder, root=ROOT):
    r"""Lay out in ``folder`` what Jupyter Book reads, and return it."""
    if profile not in PROFILES:
        raise RuntimeError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if lines := refusals(profile, root):
        raise RuntimeError("\n".join([f"the book was not built, {len(lines)} chapter(s) first:", *lines]))
    folder.mkdir()
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, folder)
    for name in ("_ext", "_static"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    bibliographies = [path.relative_to(root) for path in (root / "book").rglob("*.bib")]
    figures = [path.relative_to(root) for path in (root / "book").glob("*.json")]  # what _ext/book_ledger.py shows
    for page in [*toc_pages(root), *bibliographies, *figures]:
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".ipynb":
            source, ran = map(read_notebook, (root / page, executed_path(page, profile, root)))
            (folder / page).write_text(json.dumps(merged(source, ran)), encoding="utf-8")
        else:
            shutil.copy(root / page, folder / page)
    return folder


def build(profile, root=ROOT, *, builder="html"):
    r"""Build ``_build/html/<profile>``, complete or not at all, and return its first page.

    The builder ``linkcheck`` asks every address that a page points to, and leaves what it found in ``_build/links``.
    """
    final = root / "_build" / "links" if builder == "linkcheck" else root / "_build" / "html" / profile
    with own_folder(root / "_build") as own:
        folder = stage(profile, own / "stage", root)
        check_python(root)  # its docstrings are shown
        shutil.copytree(vendor(root), own / "assets" / "vendor")  # where _ext/book_offline.py finds them
        command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(folder)]
        command += ["--path-output", str(own / "made"), "--builder", builder, "--keep-going", "-q"]
        command += ["-W"] if builder == "html" else []
        environment = os.environ | {"PYTHONWARNINGS": "ignore"}  # of Sphinx's own dependencies; -W is about our pages
        # every page is read anew, in this folder: Sphinx tells a warning only once
        ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")
        if builder == "html" and not ran.returncode or builder == "linkcheck":
            put_in_place(own / "made" / "_build" / builder, final)
        if ran.returncode:
            print(ran.stdout)
            raise RuntimeError(f"the book was not built: jupyter-book exited with {ran.returncode}; see above")
    return final / ("output.txt" if builder == "linkcheck" else "index.html")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default=os.environ.get("COMM_LITE_PROFILE", "laptop"))
    parser.add_argument("--links", action="store_true", help="ask every address that a page points to, build no page")
    given = parser.parse_args(arguments)
    profile = given.profile
    try:
        page = build(profile, builder="linkcheck" if given.links else "html")
    except (RuntimeError, FileNotFoundError) as error:
        return str(error)
    if given.links:
        print(f"Every address answers; see {page}")
        return 0
    print(f"The book ({profile} profile) is built. Open\n  {page}\nor, for search with excerpts,")
    print(f"  {sys.executable} -m http.server --bind 127.0.0.1 --directory {page.parent} 8000")
    return 0


if __name__ == "__main__":
    in_utf8()
    sys.exit(main())
