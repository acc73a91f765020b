"""Who may import whom, read off the syntax tree of every file."""

import ast
import subprocess
import sys

import pytest
from surface import FILES, module_name

# From the bottom up, in three wings: what trains, what measures, and what the book needs besides. A module may import
# from lower layers, and from its own package in its own layer. The longest prefix counts.
LAYERS = [
    ["comm_lite._check"],
    ["comm_lite._files"],
    ["comm_lite.info", "comm_lite.losses.infonce", "comm_lite.nn"],
    ["comm_lite.losses", "comm_lite.pid.gates", "comm_lite.data.augment", "comm_lite.bounds", "comm_lite.alignment"],
    ["comm_lite.pid", "comm_lite.models", "comm_lite.data"],
    ["comm_lite.evaluate"],
    ["comm_lite.train"],
    ["comm_lite.worlds"],
    ["comm_lite.book.same", "comm_lite.book.ledger"],
    ["comm_lite.book"],
]
RANK = {prefix: rank for rank, prefixes in enumerate(LAYERS) for prefix in prefixes}
TRAIN = [f"comm_lite.{wing}" for wing in ("losses", "nn", "models", "data", "train", "evaluate")]
MEASURE = [f"comm_lite.{wing}" for wing in ("info", "bounds", "alignment", "pid")]

# Importer, imported: never, whatever the layers say.
NEVER = [
    ("comm_lite.losses", "comm_lite.nn"),
    ("comm_lite.losses", "comm_lite.models"),
    ("comm_lite.nn", "comm_lite.losses"),
    ("comm_lite.data", "comm_lite.models"),
    ("comm_lite.train", "comm_lite.losses"),
    ("comm_lite.train", "comm_lite.models"),
    *((one, other) for one in TRAIN for other in MEASURE),
    *((one, other) for one in MEASURE for other in TRAIN),
]

# Third parties besides torch, and where they may be imported; elsewhere they are a mistake.
ANYWHERE_INSIDE = {
    "numpy": [
        "comm_lite.pid",
        "comm_lite.data",
        "comm_lite.worlds",
        "comm_lite.evaluate",
        "comm_lite.book",
        "comm_lite.alignment",
        "comm_lite.info",
    ],
    "scipy": ["comm_lite.pid"],
    "matplotlib": ["comm_lite.book.plot"],
    "plotly": ["comm_lite.book.plot"],
    "ipywidgets": ["comm_lite.book.plot"],
}
# These only inside a function, so that importing the module does not load them.
IN_FUNCTIONS = {
    "sklearn": ["comm_lite.evaluate", "comm_lite.pid"],
    "threadpoolctl": ["comm_lite.evaluate"],
    "transformers": ["comm_lite.nn.pretrained"],
    "huggingface_hub": ["comm_lite.nn.pretrained"],
    "PIL": ["comm_lite.nn.pretrained"],
    "tokenizers": ["comm_lite.data.tokenizer"],
    "safetensors": ["comm_lite.nn", "comm_lite.train"],
    "tqdm": ["comm_lite.train", "comm_lite.data.files"],
    "IPython": ["comm_lite.book"],
    "matplotlib_inline": ["comm_lite.book.plot"],
}


def inside(module, prefix):
    return module == prefix or module.startswith(prefix + ".")


def rank(module):
    if module == "comm_lite":  # the first page of the package offers what trains, and is imported by nobody inside
        return RANK["comm_lite.worlds"]
    fitting = [prefix for prefix in RANK if inside(module, prefix)]
    return RANK[max(fitting, key=len)] if fitting else None


def imports(source, known):
    """Pairs of imported module and whether the import stands inside a function."""
    tree = ast.parse(source)
    lazy = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield (full if full in known else node.module), id(node) in lazy


def violations(module, source, known):
    """Sentences about imports of ``module`` that the tables do not allow."""
    if rank(module) is None:
        return [f"{module} stands in no layer"]
    wrong = []
    for imported, lazy in imports(source, known):
        top = imported.split(".")[0]
        if top == "comm_lite":
            if imported == "comm_lite":
                wrong.append(f"{module} imports the whole package")
                continue
            if any(inside(module, a) and inside(imported, b) and not inside(module, b) for a, b in NEVER):
                wrong.append(f"{module} must never import {imported}")
            if rank(imported) is None:
                wrong.append(f"{imported} stands in no layer")
                continue
            same_package = module.split(".")[1:2] == imported.split(".")[1:2]
            if not (rank(imported) < rank(module) or (rank(imported) == rank(module) and same_package)):
                wrong.append(f"{module} imports {imported}, which is not below it")
        elif top not in sys.stdlib_module_names and top != "torch":
            places = ANYWHERE_INSIDE.get(top, []) + IN_FUNCTIONS.get(top, [])
            if not any(inside(module, place) for place in places):
                wrong.append(f"{module} must not import {top}")
            elif top in IN_FUNCTIONS and not lazy:
                wrong.append(f"{module} must import {top} inside a function")
    return wrong


def private_uses(source, known):
    """Names with an underscore that ``source`` takes from another module of ours: modules such as _check are shared."""
    tree, ours, found = ast.parse(source), set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "comm_lite":
            for alias in node.names:
                if f"{node.module}.{alias.name}" in known:
                    ours.add(alias.asname or alias.name)
                elif alias.name.startswith("_"):
                    found.append(f"{node.module}.{alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ours:
            found += [f"{node.value.id}.{node.attr}"] if node.attr.startswith("_") else []
    return found


KNOWN = {module_name(path) for path in FILES}


def test_the_walk_finds_the_package():
    assert {"comm_lite", "comm_lite._check", "comm_lite.losses.infonce", "comm_lite.evaluate.probe"} <= KNOWN
    found = {m for path in FILES for m, _ in imports(path.read_text(), KNOWN)}
    assert {"torch", "comm_lite._check", "comm_lite.losses.infonce", "sklearn.linear_model"} <= found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports(path):
    assert violations(module_name(path), path.read_text(), KNOWN) == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_private_name_crosses_a_module(path):
    assert private_uses(path.read_text(), KNOWN) == []


def test_a_private_name_is_seen():
    source = "from comm_lite import _check, info\nfrom comm_lite.pid.gates import _h2\n_check.shape\ninfo._log"
    assert private_uses(source, KNOWN) == ["comm_lite.pid.gates._h2", "info._log"]


def test_what_trains_loads_nothing_of_the_other_wings():
    wings = [*MEASURE, "comm_lite.worlds", "comm_lite.book"]
    code = f"import sys, {', '.join(TRAIN)}; print([m for m in sys.modules if m.startswith({(*wings,)!r})])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("module", "source", "sentence"),
    [
        ("comm_lite.losses.infonce", "from comm_lite.losses import clip", "which is not below it"),
        ("comm_lite.losses.comm", "from comm_lite.nn.heads import ProjectionHead", "must never import"),
        ("comm_lite.models", "from comm_lite.data import batches", "which is not below it"),
        ("comm_lite.train.loop", "def f():\n    from comm_lite.models import CoMM", "must never import"),
        ("comm_lite.evaluate.probe", "from comm_lite.book.plot import use_style", "which is not below it"),
        ("comm_lite.train.loop", "from comm_lite.worlds import render", "which is not below it"),
        ("comm_lite.evaluate.probe", "from comm_lite import info", "must never import"),
        ("comm_lite.pid.broja", "from comm_lite.losses.infonce import cosine", "must never import"),
        ("comm_lite.evaluate.probe", "import sklearn", "must import sklearn inside a function"),
        ("comm_lite.losses.clip", "def f():\n    import sklearn", "must not import sklearn"),
        ("comm_lite.losses.clip", "import scipy.optimize", "must not import scipy"),
        ("comm_lite.nn.heads", "import pandas", "must not import pandas"),
        ("comm_lite.nn.heads", "import comm_lite", "imports the whole package"),
        ("comm_lite.cellar", "", "stands in no layer"),
    ],
)
def test_a_wrong_import_is_seen(module, source, sentence):
    (found,) = [v for v in violations(module, source, KNOWN | {module, "comm_lite.losses.clip"}) if sentence in v]
    assert found
