r"""What makes a chapter stale: the rule on a small package, and what it says of this book."""

import ast
import functools
import json
import shutil

import pytest

import depends
from run_chapters import ROOT, chapters

SMALL = {
    "__init__.py": '"""Docs."""\nfrom comm_lite.alone import alone\nfrom comm_lite.sub import f, g\n\n__all__ = []\n',
    "base.py": "def base():\n    return 1\n",
    "alone.py": "def alone():\n    return 1\n",
    "reader.py": 'def read():\n    return "table.npz"\n',
    "sub/__init__.py": "from comm_lite.sub.f import f\nfrom comm_lite.sub.g import g as g\n",
    "sub/f.py": "from comm_lite import base\n\n\ndef f():\n    from comm_lite.reader import read\n\n    return base\n",
    "sub/g.py": "def g():\n    return 1\n",
    "does/__init__.py": "from comm_lite.does.h import h\n\nh.at = 1\n",
    "does/h.py": "def h():\n    return 1\n",
    "does/deep.py": "value = 1\n",
    "table.npz": "numbers",
    "other.npz": "numbers",
}


@pytest.fixture
def small(tmp_path):
    for name, text in SMALL.items():
        (tmp_path / "comm_lite" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "comm_lite" / name).write_text(text)
    return tmp_path


def modules(root, *cells):
    return {name.removeprefix("comm_lite.") for name in depends.dependencies(cells, root) if ", shown" not in name}


F = {"sub.f", "base", "reader", "table.npz"}
WHOLE = {*F, "comm_lite", "alone", "sub", "sub.g", "does", "does.h", "does.deep"}


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["import torch\nx = 1"], set()),
        (["from comm_lite import alone"], {"alone"}),
        (["from comm_lite import f"], F),  # handed on twice; imports inside of functions; the file that is named
        (["from comm_lite.sub import g as name"], {"sub.g"}),
        (["%matplotlib inline\n!ls\nfrom comm_lite.sub import g"], {"sub.g"}),
        (["def late():\n    from comm_lite.sub import g"], {"sub.g"}),
        (["from comm_lite import sub\nsub.g()"], {"sub.g"}),  # of a package, what is asked for
        (["from comm_lite import sub", "sub.g()", "print(sub)"], {*F, "sub", "sub.g"}),  # or all
        (["from comm_lite import base"], {"base"}),
        (["from comm_lite.does import h"], {"does", "does.h"}),  # it does more than hand on
        (["from comm_lite.does.deep import value"], {"does", "does.deep", "does.h"}),
        (["from comm_lite.sub import *"], {*F, "sub", "sub.g"}),
        (["import comm_lite"], WHOLE),
        (["import comm_lite.sub.g"], WHOLE),
        (["import importlib\nimportlib.import_module('comm_lite.' + 'alone')"], WHOLE),
        (["from comm_lite import alone", "no python"], WHOLE),
    ],
    ids=lambda value: " / ".join(value) if isinstance(value, list) else "",
)
def test_a_chapter_depends_on_what_defines_the_names_it_uses(small, cells, wanted):
    assert modules(small, *cells) == wanted


def test_docstrings_and_comments_do_not_count_and_all_else_does(small):
    chapter, path = ["from comm_lite.sub import g"], small / "comm_lite" / "sub" / "g.py"
    before = depends.dependencies(chapter, small)
    path.write_text('r"""Docs."""\n\n\ndef g():  # why\n    """Docs."""\n    return 1\n')
    assert depends.dependencies(chapter, small) == before
    path.write_text("def g():\n    return 2\n")
    assert depends.dependencies(chapter, small) != before
    alone = 'def g():\n    """Docs."""\n'
    assert depends.fingerprint(alone) == depends.fingerprint("def g():\n    pass\n")
    field = 'class A:\n    size: int = 1\n    """Pixels."""\n'
    assert depends.fingerprint(field) == depends.fingerprint("class A:\n    size: int = 1\n")


def test_comments_count_where_the_chapter_shows_the_source(small):
    path = small / "comm_lite" / "sub" / "g.py"
    chapter = ["from comm_lite.sub import g\nfrom comm_lite import alone", "teach.show_source(g)"]
    before = depends.dependencies(chapter, small)
    path.write_text('def g():\n    """Docs."""\n    return 1\n')
    assert depends.dependencies(chapter, small) == before
    (small / "comm_lite" / "alone.py").write_text(SMALL["alone.py"] + "# not shown\n")
    assert depends.dependencies(chapter, small) == before
    path.write_text("def g():\n    return 1  # (eq-g)\n")
    assert depends.dependencies(chapter, small) != before


def test_a_name_that_comes_from_elsewhere_now_counts(small):
    before = depends.dependencies(["from comm_lite.sub import g"], small)
    (small / "comm_lite" / "sub" / "__init__.py").write_text("from comm_lite.alone import alone as g\n")
    assert set(depends.dependencies(["from comm_lite.sub import g"], small)) == {"comm_lite.alone"} != set(before)


# ---------------------------------------------------------------- this book


@functools.cache
def code(chapter):
    cells = json.loads((ROOT / chapter).read_text(encoding="utf-8"))["cells"]
    return tuple("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def of_all(root):
    return {chapter.stem: depends.dependencies(code(chapter), root) for chapter in chapters()}


@pytest.fixture(scope="module")
def now():
    return of_all(ROOT)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "comm_lite", tmp_path / "comm_lite", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def stale(root, before):
    return {name for name, found in of_all(root).items() if found != before[name]}


def numbers(names):
    return {name.split("_")[0] for name in names}


def test_a_changed_docstring_makes_nothing_stale(copy, now):
    changed = 0
    for path in (copy / "comm_lite").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        changed += 'r"""' in text
        path.write_text(text.replace('r"""', 'r"""Changed. '), encoding="utf-8")
    assert changed > 50 and stale(copy, now) == set()


def test_a_changed_line_makes_its_own_chapters_stale(copy, now):
    (solver,) = (copy / "comm_lite").rglob("broja.py")
    solver.write_text(solver.read_text(encoding="utf-8") + "\nvalue = 1\n", encoding="utf-8")
    found = numbers(stale(copy, now))
    assert found >= {"05", "06", "07", "talk"} and not found & {"intro", "01", "02", "03", "04", "12", "13", "14"}


def test_the_emoji_belong_to_two_chapters_and_the_talk(copy, now):
    (file,) = (copy / "comm_lite").rglob("emoji.npz")
    file.write_bytes(file.read_bytes() + b"\0")
    assert numbers(stale(copy, now)) == {"01", "02", "talk"}


def test_every_data_file_of_the_package_belongs_to_a_module():
    found = [path for path in (ROOT / "comm_lite").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    package = depends.Package([(path.relative_to(ROOT / "comm_lite").as_posix(), path.read_bytes()) for path in found])
    named = set().union(*map(package.named_files, package.source))
    data = {path for path in package.files if "LICENSE" not in path}
    assert "comm_lite.pid" in package.handed_on and data and data <= named


def test_what_python_imports_is_what_the_tree_says(now):
    """Another way to the same: import each name, and ask the object where it was defined."""
    looked = 0
    for chapter in chapters():
        for node in ast.walk(depends.chapter_tree(code(chapter))):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("comm_lite"):
                names = {}
                exec(ast.unparse(node), names)
                for name in (each.asname or each.name for each in node.names):
                    if (home := getattr(names[name], "__module__", "")).startswith("comm_lite"):
                        looked += 1
                        assert home in now[chapter.stem], f"{chapter} uses {name} of {home}"
    assert looked > 100
