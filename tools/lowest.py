r"""Install the package at the lowest versions that pyproject.toml allows, alone and with each extra, and test it there.

Usage: python tools/lowest.py [--torch VERSION] [plot] [text] [alone]

Each has an environment of its own, which is removed at the end: no package of this one helps out. ``--torch`` takes
another version of torch, where the lowest cannot be had; the last line says which one was tested. It needs a network.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from folders import own_folder

ROOT = Path(__file__).resolve().parent.parent
# What each way of installing is for, as files and folders of tests/. Pillow is not among what tests need by themselves:
# who installs the extra must get it.
TESTS = {
    "alone": ["losses", "nn", "train", "evaluate", "pid", "test_info.py", "test_bounds.py", "test_models.py"],
    "plot": ["book/plot"],
    "text": [
        "nn/test_pretrained.py",
        "nn/test_towers.py",
        "data/test_tokenizer.py",
        "worlds/test_captions.py",
        "worlds/test_movies.py",
    ],
}
LEFT_OUT = {"alone": ["nn/test_pretrained.py", "nn/test_towers.py"]}
NEEDED = ["pytest>=8", "clarabel", "pyyaml"]


def lowest(requirements):
    r"""Return ``name==version`` for requirements ``name>=version``; ValueError for one that names no lowest version."""
    found = []
    for requirement in requirements:
        match = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement)
        if match is None:
            raise ValueError(f"{requirement} must name the lowest version that was tried, such as numpy>=1.26")
        found.append(f"{match[1]}=={match[2]}")
    return found


def pins(extra, torch=None):
    r"""Return the pins of one way of installing; ``torch`` in place of the lowest one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = lowest(project["dependencies"] + project["optional-dependencies"].get(extra, []))
    return [f"torch=={torch}" if torch and pin.startswith("torch==") else pin for pin in found]


def try_out(extra, torch=None):
    r"""Install and test one way of installing; return whether its tests passed."""
    with own_folder(ROOT / "_build") as folder:
        venv.create(folder, with_pip=True)
        python = next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())
        source = folder / "source"  # setuptools writes beside what it packs
        shutil.copytree(ROOT / "comm_lite", source / "comm_lite", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        package = str(source) if extra == "alone" else f"{source}[{extra}]"
        wanted = [package, *pins(extra, torch), *NEEDED]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], cwd=folder, check=True)
        tests = [ROOT / "tests" / name for name in TESTS[extra]]
        tests += [f"--ignore={ROOT / 'tests' / name}" for name in LEFT_OUT.get(extra, [])]
        # from another folder, so that the installed package is tested and not the one that lies here
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", "-c"]
        return subprocess.run([*command, ROOT / "pyproject.toml", *tests], cwd=folder).returncode == 0


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("extras", nargs="*", metavar="EXTRA", help=f"of {', '.join(TESTS)}; default: each")
    parser.add_argument("--torch", help="this version in place of the lowest")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.extras) - TESTS.keys()):
        parser.error(f"unknown extra {', '.join(unknown)}; there are {', '.join(TESTS)}")
    extras = given.extras or list(TESTS)
    failed = [extra for extra in extras if not try_out(extra, given.torch)]
    print("tested at", ", ".join(dict.fromkeys(pin for extra in extras for pin in pins(extra, given.torch))))
    return f"failed: {', '.join(failed)}" if failed else 0


if __name__ == "__main__":
    sys.exit(main())
