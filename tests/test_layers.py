"""Who may import whom, read off the syntax tree of every file."""

import ast
import sys

import pytest
from surface import FILES, module_name

# From the bottom up. A module may import from lower layers, and from its own package in its own layer. The longest
# prefix counts. The rooms that are still empty stand here too: who moves in finds the rule.
LAYERS = [
    ["comm_lite._check"],
    ["comm_lite.info", "comm_lite.losses.infonce", "comm_lite.nn", "comm_lite.ledger"],
    ["comm_lite.losses", "comm_lite.pid.gates", "comm_lite.data.augment", "comm_lite.bounds", "comm_lite.alignment"],
    ["comm_lite.pid", "comm_lite.models", "comm_lite.data"],
    ["comm_lite.evaluate"],
    ["comm_lite.train"],
    ["comm_lite._same"],
    ["comm_lite.plot", "comm_lite.teach", "comm_lite.controlled"],
    ["comm_lite.__main__", "comm_lite"],
]
RANK = {prefix: rank for rank, prefixes in enumerate(LAYERS) for prefix in prefixes}

# Importer, imported: never, whatever the layers say.
NEVER = [
    ("comm_lite.losses", "comm_lite.nn"),
    ("comm_lite.losses", "comm_lite.models"),
    ("comm_lite.nn", "comm_lite.losses"),
    ("comm_lite.models", "comm_lite.losses"),
    ("comm_lite.data", "comm_lite.models"),
    ("comm_lite.train", "comm_lite.losses"),
    ("comm_lite.train", "comm_lite.models"),
    ("comm_lite", "comm_lite.plot"),
]

# Third parties besides torch, and where they may be imported; elsewhere they are a mistake.
ANYWHERE_INSIDE = {
    "numpy": [
        "comm_lite.pid",
        "comm_lite.data",
        "comm_lite.evaluate",
        "comm_lite.plot",
        "comm_lite.alignment",
        "comm_lite.info",
    ],
    "scipy": ["comm_lite.pid"],
    "matplotlib": ["comm_lite.plot"],
    "plotly": ["comm_lite.plot"],
    "ipywidgets": ["comm_lite.plot"],
    "tyro": ["comm_lite.__main__"],
}
# These only inside a function, so that importing the module does not load them.
IN_FUNCTIONS = {
    "sklearn": ["comm_lite.evaluate", "comm_lite.pid.estimate", "comm_lite.pid.posterior"],
    "threadpoolctl": ["comm_lite.evaluate.probe"],
    "transformers": ["comm_lite.nn.pretrained"],
    "huggingface_hub": ["comm_lite.nn.pretrained"],
    "tokenizers": ["comm_lite.data.tokenizer"],
    "safetensors": ["comm_lite.nn.weights"],
    "tqdm": ["comm_lite.train", "comm_lite.data.files"],
    "IPython": ["comm_lite.teach", "comm_lite.plot"],
    "matplotlib_inline": ["comm_lite.plot"],
    "lightning": ["comm_lite.train.runtime"],
}


def inside(module, prefix):
    return module == prefix or module.startswith(prefix + ".")


def rank(module):
    fitting = [prefix for prefix in RANK if prefix != "comm_lite" and inside(module, prefix)]
    if not fitting and module != "comm_lite":
        return None
    return RANK[max(fitting, key=len, default="comm_lite")]


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


KNOWN = {module_name(path) for path in FILES}


def test_the_walk_finds_the_package():
    assert {"comm_lite", "comm_lite._check", "comm_lite.losses.infonce", "comm_lite.evaluate.probe"} <= KNOWN
    found = {m for path in FILES for m, _ in imports(path.read_text(), KNOWN)}
    assert {"torch", "comm_lite._check", "comm_lite.losses.infonce", "sklearn.linear_model"} <= found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports(path):
    assert violations(module_name(path), path.read_text(), KNOWN) == []


@pytest.mark.parametrize(
    ("module", "source", "sentence"),
    [
        ("comm_lite.losses.infonce", "from comm_lite.losses import clip", "which is not below it"),
        ("comm_lite.losses.comm", "from comm_lite.nn.heads import ProjectionHead", "must never import"),
        ("comm_lite.models", "import comm_lite.losses.comm", "must never import"),
        ("comm_lite.models", "from comm_lite.data import trifeatures", "which is not below it"),
        ("comm_lite.train.loop", "def f():\n    from comm_lite.models import CoMM", "must never import"),
        ("comm_lite.evaluate.probe", "from comm_lite.plot import use_style", "must never import"),
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
