r"""What runs elsewhere, read here: every command of a workflow or hook exists, and nothing may do more than it must."""

import ast
import importlib.util
import itertools
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import lowest
from run_chapters import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = {path.name: path for path in sorted((GITHUB / "workflows").glob("*.yml"))}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
SCRIPTS = Path(sys.executable).parent


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def unknown(command):
    r"""Return what a command line names that is not there, or None."""
    first, *rest = shlex.split(re.sub(r"\$\{\{.*?\}\}", "", command))
    if first == "make":
        return next((word for word in rest if "=" not in word and word not in TARGETS), None)
    if first.startswith(".venv/bin/") and (tool := first.removeprefix(".venv/bin/")) != "python":
        return None if any((SCRIPTS / f"{tool}{end}").is_file() for end in ("", ".exe")) else first
    if first not in ("python", ".venv/bin/python", "bash"):
        return first
    if rest[0] == "-m":
        return None if importlib.util.find_spec(rest[1]) else rest[1]
    return next((w for w in rest if re.fullmatch(r"[\w./-]+/[\w.-]+", w) and not (ROOT / w).exists()), None)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_command_of_a_workflow_exists(name):
    commands = [line for step in steps(read(WORKFLOWS[name])) for line in step.get("run", "").splitlines()]
    assert {command: unknown(command) for command in commands if unknown(command)} == {}


@pytest.mark.parametrize("wrong", ["make nothing", "python tools/no.py", "python -m nowhere", ".venv/bin/no", "curl x"])
def test_a_command_that_does_not_exist_is_seen(wrong):
    assert unknown(wrong)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_is_pinned_bounded_and_may_only_read(name):
    workflow = read(WORKFLOWS[name])
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 240
        more = job.get("permissions", {})
        assert more == {} or (more == {"pages": "write", "id-token": "write"} and len(job["steps"]) == 1)
    used = re.findall(r"uses: (.*)", WORKFLOWS[name].read_text(encoding="utf-8"))
    assert len(used) == sum("uses" in step for step in steps(workflow)) > 0
    assert [line for line in used if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v[\d.]+", line)] == []


def test_the_package_is_tested_on_three_systems_with_every_python_that_it_names():
    matrix = read(WORKFLOWS["test.yml"])["jobs"]["package"]["strategy"]["matrix"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    oldest = re.search(r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")).group(1)
    assert matrix["python"][0] == oldest and len(matrix["python"]) == 3


def test_the_lowest_versions_are_tried_with_the_oldest_python():
    job = read(WORKFLOWS["test.yml"])["jobs"]["lowest"]
    oldest = re.search(r'requires-python = ">=(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8")).group(1)
    assert job["steps"][1]["with"]["python-version"] == oldest and job["steps"][-1]["run"] == "make lowest"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert lowest.TESTS.keys() == {"alone", *extras}
    named = [name for names in [*lowest.TESTS.values(), *lowest.LEFT_OUT.values()] for name in names]
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
    assert "torch==2.4" in lowest.pins("alone") and "torch==2.13.0" in lowest.pins("plot", "2.13.0")
    assert set(lowest.pins("alone")) < set(lowest.pins("text"))
    with pytest.raises(ValueError, match="numpy must name the lowest version that was tried, such as numpy>=1.26"):
        lowest.lowest(["numpy"])


def test_what_the_package_imports_is_declared():
    """Of a dependency's dependencies none counts: `transformers` brings safetensors, which alone would be missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    names = {re.split("[>=]", each)[0].replace("-", "_") for each in declared}
    names |= {"sklearn", "IPython", "PIL"}  # scikit-learn, ipython, pillow as they are imported
    by_another = {"matplotlib_inline": "ipython", "huggingface_hub": "transformers"}  # each documents that it brings it
    found = set()
    for path in (ROOT / "comm_lite").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    found -= {*sys.stdlib_module_names, "comm_lite"}
    assert {"torch", "safetensors"} <= found and found - names - by_another.keys() == set()


def test_make_works_from_another_folder_whatever_its_name(tmp_path):
    (tmp_path / "a folder" / "test").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path / "a folder")
    for folder, file in ((tmp_path, "a folder/Makefile"), (tmp_path / "a folder", tmp_path / "a folder" / "Makefile")):
        command = ["make", "--no-print-directory", "-f", file]
        help_ = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        assert "make talk" not in help_ and {line.split()[0] for line in help_.splitlines()} >= {"book", "lowest"}
        (tmp_path / "a folder" / "_build").mkdir()
        subprocess.run([*command, "clean"], cwd=folder, capture_output=True, check=True)
        assert not (tmp_path / "a folder" / "_build").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_says_how_threads_wait_before_torch_is_loaded(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        name for node in tree.body for name in imported(node) if name in ("measure", "kernels", "torch", "comm_lite")
    ]
    first = "kernels" if path.stem == "measure" else "measure"
    # one that starts each case in a process of its own loads torch there
    assert found[:1] in ([], [first]), f"{path.name} must import from {first} before it imports {found[0]}"


def imported(node):
    if isinstance(node, ast.Import):
        return [each.name.split(".")[0] for each in node.names]
    return [node.module.split(".")[0]] if isinstance(node, ast.ImportFrom) else []


def test_every_hook_exists_and_is_one_of_make_lint():
    hooks = [hook for repo in read(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    assert hooks
    for hook in hooks:
        assert unknown(hook["entry"]) is None and hook["entry"].split(" --")[0] in lint


def test_the_forms_for_issues_are_complete():
    forms = [read(path) for path in sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"]
    assert len(forms) == 3
    for form in forms:
        assert {"name", "description", "labels", "body"} == set(form) and form["body"]
        for field in form["body"]:
            assert set(field["attributes"]) <= {"label", "description", "placeholder", "options"}
            assert field["attributes"]["label"] and field["id"]
