r"""What a chapter needs to teach: record a number, show source, compare two functions, choose a profile."""

from __future__ import annotations

import ast
import inspect
import json
import math
import re
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from comm_lite import _check
from comm_lite.book.same import assert_same

__all__ = ["Settings", "assert_same", "record", "settings", "show_source"]

_PREFIX = "application/papermill.record/"  # what {glue:} of MyST-NB looks for
_MIME = "application/vnd.comm-lite.record+json"  # what tests look for
_PROFILES = ("smoke", "laptop", "gpu")


def _shell():
    ipython = sys.modules.get("IPython")  # never import it: a script that calls record() does not need it
    return ipython.get_ipython() if ipython else None


def record(name: str, value: Any, *, format: str | None = None) -> None:
    r"""Store a result in the cell's output, if there is one, for ``{glue:text}`name``` in the prose and for the tests.

    Args:
        name: letters, digits, ``_`` and ``-``, beginning with a letter; once a chapter.
        value: a number, a string, a boolean, or lists and dicts of these; finite.
        format: how a number is written in the prose, such as ``".1f"``; default: as Python writes it.

    Raises:
        TypeError: if ``value`` holds something else, such as a tensor.
        ValueError: if ``name`` cannot be named in prose, or a number is NaN or infinite.

    Example:
        >>> record("accuracy", 71.63, format=".1f")
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise ValueError(
            f"name must begin with a letter and go on with letters, digits, _ and -, got {name!r}; "
            f"choose one such as 'accuracy_comm'"
        )
    _require_json(name, value)
    if format is None:
        text = value if isinstance(value, str) else json.dumps(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"format is for one number, got {type(value).__name__} in {name!r}; leave format out")
    else:
        text = value.__format__(format)
    if (shell := _shell()) is not None:
        data = {_PREFIX + "text/plain": _survives_glue(text), _MIME: value}
        metadata = {"scrapbook": {"name": name, "mime_prefix": _PREFIX}}
        shell.display_pub.publish(data=data, metadata=metadata)


def _survives_glue(text: str) -> str:
    try:  # the reader of glue evaluates the text, and a bare 71.60 would lose its last digit
        return text if str(ast.literal_eval(text)) == text else repr(text)
    except (SyntaxError, ValueError):
        return text


def _require_json(name: str, value: Any) -> None:
    if isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if isinstance(value, Mapping) and not isinstance(key, str):
                raise TypeError(f"keys of {name} must be strings, got {key!r}; write {str(key)!r}")
            _require_json(f"{name}[{key!r}]", item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}; find where it came from before you record it")
    elif type(value) not in (bool, int, float, str):
        raise TypeError(
            f"{name} must be a number, string, list or dict, got {type(value).__name__}; "
            f"turn a tensor or array into plain numbers with .item() or .tolist()"
        )


def show_source(obj: Any) -> None:
    r"""Show the lines of a function, method or class as they run, under their file, without docstrings.

    Args:
        obj: a function, method or class that was written in Python.

    Raises:
        TypeError: if ``obj`` has no Python source, as built-in functions and instances have none.

    Example:
        >>> from comm_lite.book import teach
        >>> teach.show_source(teach.record)  # doctest: +SKIP
    """
    target = inspect.unwrap(obj) if callable(obj) else obj
    try:
        lines, first = inspect.getsourcelines(target)
        path = Path(inspect.getsourcefile(target) or "")
    except (TypeError, OSError) as error:
        raise TypeError(
            f"obj must be a function, method or class written in Python, got {obj!r}; "
            f"of an instance, pass its class or one of its methods"
        ) from error
    root = Path(__file__).resolve().parents[2]
    where = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    where = "this notebook" if _shell() is not None and not path.is_file() else f"{where}:{first}"
    code = f"# {where}\n{_without_docstrings(textwrap.dedent(''.join(lines)))}"
    if _shell() is None:
        print(code)
    else:
        from IPython.display import Code, display

        display(Code(data=code, language="python"))


def _without_docstrings(source: str) -> str:
    kept = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and len(node.body) > 1:
            if ast.get_docstring(node, clean=False) is not None:
                start, stop = node.body[0].lineno - 1, node.body[0].end_lineno
                following = kept[stop : stop + 1]
                stop += following == [""]  # the empty line after a docstring goes with it
                kept[start:stop] = [None] * (stop - start)
    return "\n".join(line for line in kept if line is not None)


class Settings(SimpleNamespace):
    r"""The values of one profile, by attribute; they cannot be changed."""

    def __setattr__(self, name: str, value: Any):
        raise AttributeError(f"settings are fixed for a run, so {name} cannot be set; choose another profile")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # IPython would call it a namespace

    def __delattr__(self, name: str):
        self.__setattr__(name, None)


def settings(profile: str, *, smoke: Mapping[str, Any], laptop: Mapping[str, Any], gpu: Mapping[str, Any]) -> Settings:
    r"""Choose a chapter's values for one of the three profiles.

    Under papermill it also checks that each injected parameter is one that the chapter has: ``-p profle smoke``
    must not quietly run the laptop profile.

    Args:
        profile: ``"smoke"`` (seconds, for tests), ``"laptop"`` (what the book shows) or ``"gpu"`` (the paper's scale).
        smoke: values by name.
        laptop: values under the same names.
        gpu: values under the same names.

    Returns:
        An object with one attribute per name, and ``profile``.

    Raises:
        ValueError: if the profile or a parameter is unknown, or the three do not name the same values.

    Example:
        >>> settings("smoke", smoke={"epochs": 1}, laptop={"epochs": 24}, gpu={"epochs": 100})
        Settings(profile='smoke', epochs=1)
    """
    values = dict(zip(_PROFILES, (smoke, laptop, gpu), strict=True))
    _check.one_of("profile", profile, _PROFILES)
    every = set().union(*values.values())
    lacking = {name: sorted(every - set(chosen)) for name, chosen in values.items() if every - set(chosen)}
    if lacking:
        raise ValueError(f"all three profiles must name the same values; {lacking} are missing; add them")
    if "profile" in every:
        raise ValueError("profile is the name of the profile itself; rename that value")
    _check_injected()
    return Settings(profile=profile, **values[profile])


def _check_injected():
    if (shell := _shell()) is None:
        return
    cells = shell.user_ns.get("In", [])
    for index, cell in enumerate(cells):
        if cell.startswith("# Parameters"):
            known = set().union(*map(_assigned, cells[:index]))
            if unknown := sorted(_assigned(cell) - known):
                raise ValueError(f"unknown parameter {unknown}; this chapter takes {sorted(known)}")


def _assigned(source: str) -> set[str]:
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a cell with a magic
        return set()
    targets = [target for s in statements if isinstance(s, ast.Assign) for target in s.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}
