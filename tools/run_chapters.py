r"""Execute every chapter of _toc.yml once, into _build/executed/<profile>/; what is still current is not run again.

Usage: python tools/run_chapters.py [--profile smoke|laptop|gpu] [-p NAME VALUE] [CHAPTER ...]
"""

import argparse
import datetime
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import yaml

from comm_lite._files import write_atomically
from depends import dependencies
from folders import own_folder
from kernels import WITNESS, check_package, check_python, environment, in_utf8

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("smoke", "laptop", "gpu")
SOURCES = (".ipynb", ".py", ".toml", ".bib", ".md")  # of the book itself: none of these is a chapter's data


def toc_pages(root=ROOT):
    r"""Return the pages of _toc.yml in reading order, as paths relative to ``root`` (.ipynb or .md)."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    entries, waiting = [toc["root"]], [page for part in toc.get("parts", []) for page in part["chapters"]]
    while waiting:
        page = waiting.pop(0)
        entries.append(page["file"])
        waiting = page.get("sections", []) + waiting
    pages = []
    for entry in entries:
        found = [Path(entry + end) for end in (".ipynb", ".md") if (root / (entry + end)).is_file()]
        if len(found) != 1:
            raise FileNotFoundError(f"_toc.yml names {entry}: one of .ipynb and .md is wanted, found {len(found)}")
        pages += found
    return pages


def chapters(root=ROOT):
    r"""Return the pages that are notebooks."""
    return [page for page in toc_pages(root) if page.suffix == ".ipynb"]


def read_notebook(path):
    r"""Return a notebook's JSON; RuntimeError, with the file's name, if it is damaged."""
    try:
        notebook = json.loads(path.read_bytes())
    except ValueError as error:  # of JSON or of UTF-8
        raise RuntimeError(f"{path} is damaged: {error}") from error
    if not isinstance(notebook, dict) or not all(key in notebook for key in ("cells", "metadata")):
        raise RuntimeError(f"{path} is damaged: a notebook has cells and metadata")
    return notebook


def damage(path):
    r"""Return what is wrong with an executed notebook that can no longer be read, or None."""
    try:
        read_notebook(path)
    except FileNotFoundError:
        return None
    except RuntimeError as error:
        return str(error)


def sources_hash(chapter, profile, parameters=None, root=ROOT):
    r"""Hash whatever an executed chapter depends on: its code, what it uses of the package, the lock, the parameters.

    tools/depends.py has the rule for the package. A file of book/ counts for the chapters whose code names it or its
    folder, such as ledger.json or talk_weights. Prose and tags are left out: tools/build_book.py takes them from the
    source, so that mending a sentence or folding a cell costs no execution.
    """
    cells = read_notebook(root / chapter)["cells"]
    code = [
        [cell["id"], "".join(cell["source"]), "parameters" in cell["metadata"].get("tags", [])]
        for cell in cells
        if cell["cell_type"] == "code"
    ]
    texts = [text for _, text, _ in code]
    facts = [code, profile, parameters or {}, dependencies(texts, root)]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    beside = [path for path in sorted((root / "book").iterdir()) if path.suffix not in SOURCES and path.name[0] != "."]
    beside = [path for path in beside if any(path.name in text for text in texts)]
    named = [each for path in beside for each in ([path] if path.is_file() else sorted(path.rglob("*")))]
    for path in [root / "tools" / "requirements.lock", *filter(Path.is_file, named)]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


def executed_path(chapter, profile, root=ROOT):
    return root / "_build" / "executed" / profile / chapter


def state(chapter, profile, parameters=None, root=ROOT):
    r"""Return ``"current"``, ``"missing"``, ``"stale"`` or ``"failed"`` for a chapter's executed notebook.

    One that is damaged is stale: it is run again.
    """
    done = executed_path(chapter, profile, root)
    wanted = sources_hash(chapter, profile, parameters, root)
    if _stored_hash(done) == wanted:
        return "current"
    if _stored_hash(done.with_suffix(".failed.ipynb")) == wanted:
        return "failed"
    return "stale" if done.is_file() else "missing"


def _stored_hash(path):
    if not path.is_file() or damage(path):
        return None
    return read_notebook(path)["metadata"].get("comm_lite", {}).get("sources")


def check_parameters(chapter, profile, parameters, root=ROOT):
    import papermill

    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    read_notebook(root / chapter)
    known = papermill.inspect_notebook(str(root / chapter))
    unknown = sorted(set(parameters) - set(known))
    if unknown or "profile" not in known:
        raise ValueError(f"{chapter} takes the parameters {sorted(known)}, got unknown {unknown or ['profile']}")


def as_on_a_terminal(outputs):
    r"""Join what was printed piece by piece; of a progress bar keep its last state, as a terminal does."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in output.text.split("\n"))
    return joined


def executed(notebook, path, parameters, root=ROOT):
    r"""Execute a notebook where ``path`` lies; return it with its outputs, and the error that stopped it or None."""
    import nbformat
    import papermill

    with own_folder(root / "_build") as folder:
        nbformat.write(notebook, folder / path.name)
        try:
            papermill.execute_notebook(
                *[str(folder / path.name)] * 2,
                parameters=parameters,
                cwd=str(path.parent),
                kernel_name="python3",
                progress_bar=sys.stderr.isatty(),
                extra_arguments=["--log-level=50"],  # else each kernel warns of its unencrypted loopback socket
            )
            error = None
        except papermill.PapermillExecutionError as caught:
            error = caught
        ran = nbformat.read(folder / path.name, as_version=4)
    for cell in ran.cells:
        if cell.cell_type == "code":
            cell.outputs = as_on_a_terminal(cell.outputs)
    return ran, error


def run_chapter(chapter, profile, parameters=None, root=ROOT):
    r"""Execute one chapter and return the path of the executed notebook, which is complete or absent.

    A chapter that fails leaves its notebook, error included, beside it as ``….failed.ipynb``, and raises.
    """
    import nbformat

    parameters = parameters or {}
    check_parameters(chapter, profile, parameters, root)
    done, before = executed_path(chapter, profile, root), sources_hash(chapter, profile, parameters, root)
    failed, start = done.with_suffix(".failed.ipynb"), time.perf_counter()
    asked = nbformat.read(root / chapter, as_version=4)
    asked.cells.append(nbformat.v4.new_code_cell(WITNESS, id="witness"))
    with environment(COMM_LITE_STATIC="1"):  # no reader at the sliders: see comm_lite/book/plot/explore.py
        check_python(root)  # before minutes are spent
        notebook, error = executed(asked, root / chapter, {**parameters, "profile": profile}, root)
    facts = {"profile": profile, "parameters": parameters, "sources": before}
    facts |= {"seconds": round(time.perf_counter() - start, 1), "date": datetime.date.today().isoformat()}
    witness = notebook.cells.pop()
    if error is None:  # a failed run did not come that far
        seen = json.loads(witness.outputs[0].text)
        check_package(seen.pop("folder"), root, seen["package"])
        facts |= seen
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("remove-cell")
            cell["id"] = "injected-parameters"
        for clock in ("papermill", "execution"):  # when each cell ran: differs between two equal runs
            cell.metadata.pop(clock, None)
    notebook.metadata.pop("papermill", None)  # the same, and absolute paths
    notebook.metadata["comm_lite"] = facts
    done.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(failed if error else done, (nbformat.writes(notebook) + "\n").encode())
    if error:
        raise RuntimeError(f"{chapter} failed: {error.ename}: {error.evalue}; see {failed}") from error
    failed.unlink(missing_ok=True)
    return done


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", help="such as book/intro.ipynb; default: all")
    parser.add_argument("--profile", choices=PROFILES, default=os.environ.get("COMM_LITE_PROFILE", "laptop"))
    parser.add_argument("-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), dest="parameters")
    parser.add_argument("--force", action="store_true", help="run a chapter even if it is current")
    given = parser.parse_args(arguments)
    names = {page.as_posix(): page for page in chapters()}
    if unknown := [name for name in given.chapters if name not in names]:
        parser.error(f"unknown chapter {', '.join(unknown)}; the chapters are {', '.join(names)}")
    parameters = {name: yaml.safe_load(value) for name, value in given.parameters}
    profile, failures = parameters.pop("profile", given.profile), []
    for chapter in [names[name] for name in given.chapters] or list(names.values()):
        try:
            check_parameters(chapter, profile, parameters)
        except ValueError as error:
            parser.error(str(error))
        try:
            if not given.force and state(chapter, profile, parameters) == "current":
                print(f"{chapter}  current, not run again", flush=True)
                continue
            if wrong := damage(executed_path(chapter, profile)):
                print(f"{chapter}  stale, {wrong}", flush=True)
            print(f"{chapter}  running ({profile}) ...", flush=True)
            start = time.perf_counter()
            run_chapter(chapter, profile, parameters)
            print(f"{chapter}  {time.perf_counter() - start:.1f} s", flush=True)
        except RuntimeError as error:
            failures.append(chapter)
            print(error, file=sys.stderr, flush=True)
    return f"{len(failures)} chapter(s) failed: {', '.join(map(str, failures))}" if failures else 0


if __name__ == "__main__":
    in_utf8()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; the chapters that were finished are kept")
    except FileNotFoundError as missing:
        sys.exit(str(missing))
