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

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("smoke", "laptop", "gpu")
# The last cell of every run, in the chapter's own kernel and taken out of the notebook again: where was this computed?
WITNESS = """
import json, platform, torch

used = torch.cuda.get_device_name() if torch.cuda.is_initialized() else "CPU"
facts = {"device": used, "threads": torch.get_num_threads(), "torch": torch.__version__}
print(json.dumps(facts | {"python": platform.python_version()}))
"""


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


def sources_hash(chapter, profile, parameters=None, root=ROOT):
    r"""Hash whatever an executed chapter depends on: its code cells, the package, the lock, the parameters.

    A file of figures such as book/ledger.json counts for the chapters whose code names it. Prose is left out:
    tools/build_book.py takes it from the source, so that mending a sentence costs no execution.
    """
    cells = json.loads((root / chapter).read_text(encoding="utf-8"))["cells"]
    code = [[c["id"], "".join(c["source"]), c["metadata"].get("tags", [])] for c in cells if c["cell_type"] == "code"]
    digest = hashlib.sha256(json.dumps([code, profile, parameters or {}], sort_keys=True).encode())
    package = sorted(path for path in (root / "comm_lite").rglob("*.py"))
    named = [path for path in sorted((root / "book").glob("*.json")) if any(path.name in text for _, text, _ in code)]
    for path in [*package, root / "tools" / "requirements.lock", *named]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


def executed_path(chapter, profile, root=ROOT):
    return root / "_build" / "executed" / profile / chapter


def state(chapter, profile, parameters=None, root=ROOT):
    r"""Return ``"current"``, ``"missing"``, ``"stale"`` or ``"failed"`` for a chapter's executed notebook."""
    done = executed_path(chapter, profile, root)
    wanted = sources_hash(chapter, profile, parameters, root)
    if _stored_hash(done) == wanted:
        return "current"
    if _stored_hash(done.with_suffix(".failed.ipynb")) == wanted:
        return "failed"
    return "stale" if done.is_file() else "missing"


def _stored_hash(path):
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding="utf-8"))["metadata"].get("comm_lite", {}).get("sources")


def check_parameters(chapter, profile, parameters, root=ROOT):
    import papermill

    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
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


def run_chapter(chapter, profile, parameters=None, root=ROOT):
    r"""Execute one chapter and return the path of the executed notebook, which is complete or absent.

    A chapter that fails leaves its notebook, error included, beside it as ``….failed.ipynb``, and raises.
    """
    import nbformat
    import papermill

    parameters = parameters or {}
    check_parameters(chapter, profile, parameters, root)
    done, before = executed_path(chapter, profile, root), sources_hash(chapter, profile, parameters, root)
    failed, partial = done.with_suffix(".failed.ipynb"), done.with_name(f".{done.stem}.{os.getpid()}.partial.ipynb")
    done.parent.mkdir(parents=True, exist_ok=True)
    os.environ["COMM_LITE_STATIC"] = "1"  # no reader at the sliders: see comm_lite/book/plot/explore.py
    error, start = None, time.perf_counter()
    asked = nbformat.read(root / chapter, as_version=4)
    asked.cells.append(nbformat.v4.new_code_cell(WITNESS, id="witness"))
    try:
        nbformat.write(asked, partial)
        try:
            papermill.execute_notebook(
                str(partial),
                str(partial),
                parameters={**parameters, "profile": profile},
                cwd=str((root / chapter).parent),
                kernel_name="python3",
                progress_bar=sys.stderr.isatty(),
                extra_arguments=["--log-level=50"],  # else each kernel warns of its unencrypted loopback socket
            )
        except papermill.PapermillExecutionError as caught:
            error = caught
        notebook = nbformat.read(partial, as_version=4)
        witness = notebook.cells.pop()
        for cell in notebook.cells:
            if "injected-parameters" in cell.metadata.get("tags", []):
                cell.metadata["tags"].append("remove-cell")
                cell["id"] = "injected-parameters"
            for clock in ("papermill", "execution"):  # when each cell ran: differs between two equal runs
                cell.metadata.pop(clock, None)
            if cell.cell_type == "code":
                cell.outputs = as_on_a_terminal(cell.outputs)
        notebook.metadata.pop("papermill", None)  # the same, and absolute paths
        facts = {"profile": profile, "parameters": parameters, "sources": before}
        facts |= {"seconds": round(time.perf_counter() - start, 1), "date": datetime.date.today().isoformat()}
        facts |= {} if error else json.loads(witness.outputs[0].text)  # a failed run did not come that far
        notebook.metadata["comm_lite"] = facts
        nbformat.write(notebook, partial)
        os.replace(partial, failed if error else done)
    finally:
        partial.unlink(missing_ok=True)
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
            if not given.force and state(chapter, profile, parameters) == "current":
                print(f"{chapter}  current, not run again", flush=True)
                continue
            print(f"{chapter}  running ({profile}) ...", flush=True)
            start = time.perf_counter()
            run_chapter(chapter, profile, parameters)
            print(f"{chapter}  {time.perf_counter() - start:.1f} s", flush=True)
        except ValueError as error:
            parser.error(str(error))
        except RuntimeError as error:
            failures.append(chapter)
            print(error, file=sys.stderr, flush=True)
    return f"{len(failures)} chapter(s) failed: {', '.join(map(str, failures))}" if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; the chapters that were finished are kept")
    except FileNotFoundError as missing:
        sys.exit(str(missing))
