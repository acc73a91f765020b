r"""Build the book from the executed chapters; refuse any that is missing, failed or older than its sources.

Usage: python tools/build_book.py [--profile smoke|laptop|gpu]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys

from run_chapters import PROFILES, ROOT, executed_path, state, toc_pages
from vendor_assets import vendor


def refusals(profile, root=ROOT):
    r"""Return one line for each chapter that may not be shown, with what to do."""
    lines = []
    for page in toc_pages(root):
        if page.suffix == ".ipynb" and (now := state(page, profile, root=root)) != "current":
            see = f", see {executed_path(page, profile, root).with_suffix('.failed.ipynb')}" if now == "failed" else ""
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


def stage(profile, root=ROOT):
    r"""Lay out in ``_build/stage`` what Jupyter Book reads; return that folder."""
    if profile not in PROFILES:
        raise RuntimeError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    if lines := refusals(profile, root):
        raise RuntimeError("\n".join([f"the book was not built, {len(lines)} chapter(s) first:", *lines]))
    folder = root / "_build" / "stage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, folder)
    for name in ("_ext", "_static"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    bibliographies = [path.relative_to(root) for path in (root / "book").rglob("*.bib")]
    figures = [path.relative_to(root) for path in (root / "book").glob("*.json")]  # what _ext/book_ledger.py shows
    for page in [*toc_pages(root), *bibliographies, *figures]:
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".ipynb":
            source, ran = (json.loads(p.read_text("utf-8")) for p in (root / page, executed_path(page, profile, root)))
            (folder / page).write_text(json.dumps(merged(source, ran)), encoding="utf-8")
        else:
            shutil.copy(root / page, folder / page)
    return folder


def build(profile, root=ROOT):
    r"""Build ``_build/html/<profile>``, complete or not at all, and return its first page."""
    folder, final, new = stage(profile, root), root / "_build" / "html" / profile, root / "_build" / "html-partial"
    vendor(root)
    shutil.rmtree(new, ignore_errors=True)  # and so every page is read anew: Sphinx tells a warning only once
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(folder)]
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}  # of Sphinx's own dependencies; -W is about our pages
    command += ["--path-output", str(new), "-W", "--keep-going", "-q"]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")  # its own words name `new`
    if ran.returncode:
        print(ran.stdout)
        raise RuntimeError(f"the book was not built: jupyter-book exited with {ran.returncode}; see above")
    shutil.rmtree(final, ignore_errors=True)
    final.parent.mkdir(parents=True, exist_ok=True)
    (new / "_build" / "html").rename(final)
    shutil.rmtree(new)
    return final / "index.html"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default=os.environ.get("COMM_LITE_PROFILE", "laptop"))
    profile = parser.parse_args(arguments).profile
    try:
        page = build(profile)
    except (RuntimeError, FileNotFoundError) as error:
        return str(error)
    print(f"The book ({profile} profile) is built. Open\n  {page}\nor, for search with excerpts,")
    print(f"  {sys.executable} -m http.server --bind 127.0.0.1 --directory {page.parent} 8000")
    return 0


if __name__ == "__main__":
    sys.exit(main())
