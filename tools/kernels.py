r"""What runs a chapter: a kernel of this installation, which waits passively and says which package it ran."""

import contextlib
import inspect
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

# Set before torch is loaded. Its threads would else spin at every barrier, in vain where another process is busy.
PASSIVE = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"}


def wait_passively():
    r"""Let threads that wait give way to others, unless the user has said how they wait."""
    if not PASSIVE.keys() & os.environ.keys():
        os.environ.update(PASSIVE)


def in_utf8():
    r"""Start this program again where Python takes names of files for ASCII, as with LC_ALL=C; not all are."""
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])


@contextlib.contextmanager
def environment(**more):
    r"""Start kernels of this Python, not one of that name which was installed for all projects."""
    here = str(Path(sys.prefix) / "share" / "jupyter")
    found = os.pathsep.join(filter(None, [here, os.environ.get("JUPYTER_PATH")]))
    with mock.patch.dict(os.environ, {"JUPYTER_PATH": found, **more}):
        wait_passively()
        yield


# ---------------------------------------------------------------- which package ran


def package_hash(folder):
    r"""Hash every file of a package; the kernel runs these very lines, so they need nothing from around them."""
    import hashlib

    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(folder).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


# The last cell of every run, in the chapter's own kernel and taken out of the notebook again: where was this computed,
# and by which package?
WITNESS = f"""
import json, pathlib, platform

import torch

import comm_lite

{inspect.getsource(package_hash)}

used = torch.cuda.get_device_name() if torch.cuda.is_initialized() else "CPU"
facts = {{"device": used, "threads": torch.get_num_threads(), "torch": torch.__version__}}
folder = pathlib.Path(comm_lite.__file__).parent.resolve()
facts |= {{"python": platform.python_version(), "folder": str(folder), "package": package_hash(folder)}}
print(json.dumps(facts))
"""
FIND = 'import importlib.util as u; s = u.find_spec("comm_lite"); print(ascii(s.origin) if s and s.origin else "")'
REMEDY = "install that one (python -m pip install --no-deps --no-build-isolation -e .) or set PYTHONPATH to its folder"


def check_package(folder, root, package=None):
    r"""Raise RuntimeError unless a package is that of ``root``: the same files, or copies of them.

    Args:
        folder: of the package that a run used.
        root: of the checkout whose chapters were run.
        package: the hash of that package, as the run reported it; None to take it now.
    """
    folder, own = Path(folder).resolve(), (root / "comm_lite").resolve()
    if folder != own and (package or package_hash(folder)) != package_hash(own):
        raise RuntimeError(f"chapters must run with the package {own}, this Python runs {folder}; {REMEDY}")


def check_python(root):
    r"""Raise RuntimeError if what this Python starts in ``root/book`` would import another package than root's."""
    import ast

    ran = subprocess.run([sys.executable, "-c", FIND], cwd=root / "book", stdout=subprocess.PIPE, text=True, check=True)
    if not ran.stdout.strip():
        raise RuntimeError(f"chapters must run with the package {root / 'comm_lite'}, this Python has none; {REMEDY}")
    check_package(Path(ast.literal_eval(ran.stdout)).parent, root)
