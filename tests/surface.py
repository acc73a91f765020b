"""What the package offers to a reader: its public modules and the names in their ``__all__``."""

import importlib
import pkgutil
from pathlib import Path

import comm_lite

PACKAGE = Path(comm_lite.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules():
    """All modules of the package, imported, by name."""
    found = [name for _, name, _ in pkgutil.walk_packages(comm_lite.__path__, "comm_lite.")]
    return {name: importlib.import_module(name) for name in ["comm_lite", *found] if not name.endswith("__main__")}


def public_modules():
    """``comm_lite`` and the modules and subpackages right below it and ``comm_lite.book``, without the underscored."""
    return {
        name: module
        for name, module in modules().items()
        if name.replace("comm_lite.book.", "book.").count(".") <= 1
        and name != "comm_lite.book"
        and not name.split(".")[-1].startswith("_")
    }


def names(module):
    """What a module offers: its ``__all__``, and of a single file without one what it defines without underscore."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    assert not hasattr(module, "__path__"), f"{module.__name__} is a package, so it needs an __all__"
    mine = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    return [name for name in mine if not name.startswith("_")]


def public_callables():
    """Functions and classes that public modules offer, each once, under the module right below ``comm_lite``."""
    found, seen = {}, set()
    for name, module in sorted(public_modules().items(), key=lambda item: -item[0].count(".")):
        for public in names(module):
            value = getattr(module, public)
            if callable(value) and id(value) not in seen:
                seen.add(id(value))
                found[f"{name.rsplit('.', 1)[-1]}.{public}"] = value
    return found
