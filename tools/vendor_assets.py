r"""Copy plotly.js and MathJax out of the installed wheels into _build/assets/vendor, so that a page asks no other host.

Usage: python tools/vendor_assets.py
"""

import importlib.util
import os
import shutil
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MATHJAX = ("tex-mml-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")  # 3 of the wheel's 24 MB


def package_folder(name):
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the installed package {name} is wanted, found none; run: make .venv/.stamp")
    return Path(spec.origin).parent


def vendor(root=ROOT):
    r"""Fill ``root/_build/assets/vendor`` unless it already holds these versions; return that folder."""
    versions = f"plotly {version('plotly')}, sphinx-mathjax-offline {version('sphinx-mathjax-offline')}\n"
    target = root / "_build" / "assets" / "vendor"
    if (target / "versions.txt").is_file() and (target / "versions.txt").read_text() == versions:
        return target
    new = target.with_name(f"vendor.{os.getpid()}.partial")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    shutil.copy(package_folder("plotly") / "package_data" / "plotly.min.js", new)
    mathjax = package_folder("sphinx-mathjax-offline") / "static" / "mathjax"
    for part in MATHJAX:
        (new / "mathjax" / part).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (mathjax / part).is_dir() else shutil.copy)(mathjax / part, new / "mathjax" / part)
    (new / "versions.txt").write_text(versions)
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    return target


if __name__ == "__main__":
    folder = vendor()
    kilobytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1024
    print(f"{kilobytes} KB in {folder}")
