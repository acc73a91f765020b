r"""What a chapter depends on in the package, read off the syntax tree: nothing is imported.

The rule: a chapter depends on the modules that *define* the names it imports, and on what those modules import in
turn. A package's ``__init__.py`` that only hands names on is looked through, so that one who takes `comm_loss` from
``comm_lite`` does not depend on `linear_probe`. In doubt more counts, never less: an ``__init__.py`` that does anything
else counts as a module, ``import comm_lite``, a star, an import by a computed name and a package that is passed on as
an object count as the whole package, and so does a cell that is no Python. Docstrings and comments do not count, but
for the comments of a module whose source the chapter shows (`teach.show_source`): they stand on the page.

With a module count the files of the package that its strings name, such as ``emoji.npz``.
"""

import ast
import functools
import hashlib

NAME = "comm_lite"
DYNAMIC = {"import_module", "__import__", "exec"}


@functools.cache
def parsed(source):
    r"""Return the tree of a source without docstrings, and without the strings that stand below a field."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for part in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, part, None), list):
                kept = [each for each in body if not _is_text(each)]
                setattr(node, part, kept if kept or not body else [ast.Pass()])
    return tree


def _is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@functools.cache
def nodes(tree):
    r"""Return every node of a tree; trees are walked once."""
    return tuple(ast.walk(tree))


@functools.cache
def fingerprint(source):
    r"""Return a hash of what a module does: equal for two sources that differ in docstrings and comments alone."""
    return hashlib.sha256(ast.dump(parsed(source)).encode()).hexdigest()


@functools.cache
def as_shown(source):
    r"""Return the lines of a module as `teach.show_source` shows them: with comments, without docstrings."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if _is_text(node):
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    return [line.rstrip() for line in lines if line.strip()]


def chapter_tree(cells):
    r"""Return the tree of a chapter's code cells, without lines for IPython; None if one is not Python."""
    body = []
    for source in cells:
        lines = ["pass" if line.startswith(("%", "!")) else line for line in source.splitlines()]
        try:
            body += parsed("\n".join(lines)).body
        except SyntaxError:
            return None
    return ast.Module(body, [])


class Package:
    r"""The modules and files of the package, by their contents: path below ``comm_lite/``, bytes."""

    def __init__(self, contents):
        self.files = {path: content for path, content in contents if not path.endswith(".py")}
        self.source, self.package = {}, set()
        for path, content in contents:
            if path.endswith(".py"):
                parts = [NAME, *path.removesuffix(".py").split("/")]
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.source[name] = content.decode("utf-8")
                self.package |= {name} if parts[-1] == "__init__" else set()
        self.further, self.named_files = map(functools.cache, (self.further, self.named_files))

    def below(self, module):
        r"""Return a module, or a package with all that is in it."""
        return {name for name in self.source if name == module or name.startswith(f"{module}.")}

    @functools.cached_property
    def handed_on(self):
        r"""For each ``__init__.py`` that only hands names on: where each name comes from, (module, name there)."""
        found = {}
        for module in self.package:
            names, only = {}, True
            for node in parsed(self.source[module]).body:
                if isinstance(node, ast.ImportFrom) and not node.level and node.names[0].name != "*":
                    names |= {each.asname or each.name: (node.module, each.name) for each in node.names}
                elif not isinstance(node, ast.Pass):
                    targets = getattr(node, "targets", [getattr(node, "target", None)])  # = and +=
                    only &= all(isinstance(of, ast.Name) and of.id in ("__all__", "__version__") for of in targets)
            if only:
                found[module] = names
        return found

    def defining(self, module, name):
        r"""Return the module that defines what ``from module import name`` gives; a package if that is what it is."""
        if name in (names := self.handed_on.get(module, {})):
            return self.defining(*names[name])
        whole = f"{module}.{name}"
        return whole if whole in self.source else module

    def imported(self, tree, within=""):
        r"""Return what a tree takes from the package: by each name that it binds, the modules that define it."""
        if tree is None:
            return {"": self.below(NAME)}
        found, bound = {"": set()}, {}
        named = {n.id if isinstance(n, ast.Name) else n.attr for n in nodes(tree) if _names(n)}
        if named & DYNAMIC and not within:
            found[""] = self.below(NAME)
        for node in nodes(tree):
            if isinstance(node, ast.Import):
                if any(each.name.split(".")[0] == NAME for each in node.names):
                    found[""] = self.below(NAME)
            elif isinstance(node, ast.ImportFrom):
                above = ".".join(within.split(".")[: -node.level]) if node.level else ""
                module = ".".join(filter(None, [above, node.module]))
                for each in node.names if module.split(".")[0] == NAME else []:
                    if each.name == "*":
                        found[""] |= self.below(module)
                        continue
                    bound.setdefault(each.asname or each.name, set()).add(self.defining(module, each.name))
        for name, modules in bound.items():
            found[name] = set().union(*(self.used(tree, name, module) for module in modules))
        return found

    def used(self, tree, name, module):
        r"""Return the modules behind a bound name: of a package, those of the attributes that are asked for."""
        if module not in self.handed_on:
            return {module} & self.source.keys()
        loads = sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load) for n in nodes(tree))
        asked = [n.attr for n in nodes(tree) if isinstance(n, ast.Attribute) and _is_name(n.value, name)]
        if loads != len(asked):
            return self.below(module)
        return {each for attr in asked for each in self.below(self.defining(module, attr))}

    def further(self, module):
        r"""Return what a module imports, and the packages above it that do more than hand names on."""
        above = [module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1)]
        found = {each for each in above if each in self.source and each not in self.handed_on}
        return found.union(*self.imported(parsed(self.source[module]), module).values())

    def closure(self, modules):
        r"""Return modules with all that they import, and what those import."""
        reached, left = set(), set(modules)
        while left:
            reached.add(module := left.pop())
            left |= self.further(module) - reached
        return reached

    def shown(self, tree):
        r"""Return the modules of which a chapter shows source."""
        if tree is None:
            return set()
        of, found = self.imported(tree), set()
        for call in nodes(tree):
            if isinstance(call, ast.Call) and _names(call.func, "show_source"):
                names = {n.id for each in call.args for n in ast.walk(each) if isinstance(n, ast.Name)}
                found |= set().union(*(of[name] for name in (names & of.keys()) or of.keys()))
        return found

    def named_files(self, module):
        r"""Return the files of the package that a module's strings name."""
        tree = parsed(self.source[module])
        texts = [n.value for n in nodes(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        return {path for path in self.files if any(path.rsplit("/", 1)[-1] in text for text in texts)}


def _names(node, wanted=None):
    name = getattr(node, "id", None) if isinstance(node, ast.Name) else getattr(node, "attr", None)
    return isinstance(node, ast.Name | ast.Attribute) and wanted in (None, name)


def _is_name(node, name):
    return isinstance(node, ast.Name) and node.id == name


_package = functools.lru_cache(maxsize=2)(Package)  # one a book: its trees are walked once for all chapters


def dependencies(cells, root):
    r"""Return what the code cells of a chapter depend on in ``root/comm_lite``: by module or file, its fingerprint."""
    found = sorted(path for path in (root / NAME).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    package = _package(tuple((path.relative_to(root / NAME).as_posix(), path.read_bytes()) for path in found))
    tree = chapter_tree(cells)
    modules = package.closure(set().union(*package.imported(tree).values()))
    found = {module: fingerprint(package.source[module]) for module in modules}
    found |= {f"{module}, shown": as_shown(package.source[module]) for module in package.shown(tree)}
    for path in set().union(*map(package.named_files, modules)):
        found[path] = hashlib.sha256(package.files[path]).hexdigest()
    return found
