"""Every public function and class explains itself in the same order, and its example runs."""

import ast
import doctest
import re

import pytest
from surface import FILES, module_name, modules

TREES = {module_name(path): ast.parse(path.read_text()) for path in FILES}
SOURCES = {module_name(path): path.read_text() for path in FILES}


def is_public(module, name):
    return not any(part.startswith("_") for part in [*module.split("."), name])


DOCUMENTED = [
    (module, node)
    for module, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
]
FUNCTIONS = [
    pytest.param(node, id=f"{module}.{node.name}")
    for module, tree in TREES.items()
    for node in tree.body
    if isinstance(node, ast.FunctionDef) and is_public(module, node.name)
]
CLASSES = [
    pytest.param(node, id=f"{module}.{node.name}")
    for module, tree in TREES.items()
    for node in tree.body
    if isinstance(node, ast.ClassDef) and is_public(module, node.name)
]


def test_the_walk_finds_the_package():
    assert len(DOCUMENTED) > 40 and len(FUNCTIONS) > 10 and len(CLASSES) > 3


def test_docstrings_are_raw():
    cooked = []
    for module, node in DOCUMENTED:
        literal = node.body[0].value
        if not ast.get_source_segment(SOURCES[module], literal).startswith('r"""'):
            cooked.append(f"{module}:{literal.lineno}")
    assert cooked == []


def section_names(node):
    """The section headings of a docstring, in their order."""
    lines = (ast.get_docstring(node) or "").splitlines()
    return [line[:-1] for line in lines if line.endswith(":") and line[:-1].isidentifier() and line[0].isupper()]


def refuses(function):
    """Whether the function itself raises or calls one of our checks."""
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "_check")
        for node in ast.walk(function)
    )


BODIES = {node.name: node for tree in TREES.values() for node in tree.body if isinstance(node, ast.FunctionDef)}


def checks(function):
    """Whether the function refuses something, itself or by a function of ours that it calls."""
    called = {node.func.id for node in ast.walk(function) if isinstance(node, ast.Call) and hasattr(node.func, "id")}
    return refuses(function) or any(checks(BODIES[name]) for name in called & BODIES.keys() - {function.name})


SHARED = re.compile(r":func:`(\w+)`, whose arguments it takes( and whose errors it raises\.|, without checking them\.)")


def explained_by(function):
    """The function that explains the arguments: itself, or the one that its docstring names with the same ones."""
    shared = SHARED.search(ast.get_docstring(function) or "")
    if not shared:
        return function
    named = next(node for tree in TREES.values() for node in tree.body if getattr(node, "name", "") == shared[1])
    assert [a.arg for a in ast.walk(named.args) if isinstance(a, ast.arg)] == [
        a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)
    ]
    assert checks(function) == shared[2].startswith(" and")
    return named


def test_some_docstrings_share_their_arguments():
    assert sum(explained_by(param.values[0]) is not param.values[0] for param in FUNCTIONS) >= 8


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_say_what_goes_in_and_what_comes_out(function):
    found = section_names(function)
    whole = explained_by(function) is function
    wanted = ["Args"] if ast.unparse(function.args) and whole else []
    if function.returns and ast.unparse(function.returns) != "None":
        wanted.append("Yields" if "Iterator" in ast.unparse(function.returns) else "Returns")
    if refuses(function) and whole:
        wanted.append("Raises")
    wanted.append("Example")
    assert [name for name in found if name in wanted] == wanted, f"headings are {found}"
    assert ">>> " in ast.get_docstring(function)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_argument_is_explained(function):
    text = (ast.get_docstring(explained_by(function)) or "").split("Args:")[-1]
    arguments = [a.arg for a in function.args.posonlyargs + function.args.args + function.args.kwonlyargs]
    assert [name for name in arguments if f"\n    {name}: " not in text] == []


@pytest.mark.parametrize("node", CLASSES)
def test_classes_explain_their_fields_or_arguments(node):
    text = ast.get_docstring(node)
    assert text
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        bare = [
            ast.unparse(field.target)
            for field, after in zip(node.body, [*node.body[1:], None], strict=True)
            if isinstance(field, ast.AnnAssign)
            and not (isinstance(after, ast.Expr) and isinstance(getattr(after.value, "value", None), str))
        ]
        assert bare == [], "a docstring under each field"
        return
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            arguments = [a.arg for a in method.args.args[1:] + method.args.kwonlyargs]
            assert [name for name in arguments if f"\n    {name}: " not in text] == []


MODULES = modules()


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    count = sum(len(test.examples) for module in MODULES.values() for test in finder.find(module))
    assert count > 30


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    lines = []
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(verbose=False)
    for test in finder.find(MODULES[name]):
        runner.run(test, out=lines.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(lines)
