r"""The ledger: rows that hold together, a file that is whole or the old one, and the rows of the book."""

import io
import json
import math
import os
import platform
import shlex
import statistics
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest

from comm_lite.book.ledger import PROFILES, Published, Row, append, latest, read_ledger
from comm_lite.book.ledger import file as ledger_file

BOOK = Path(__file__).resolve().parents[2] / "book" / "ledger.json"
EMPTY = Row(
    claim="CoMM, toy, R",
    experiment="toy",
    method="CoMM",
    profile="budget",
    task="R",
    paper=99.9,
    paper_spread=None,
    paper_source="Figure 4",
    published=(Published(99.9, 0.06, "CoMM, run again"),),
    ours=None,
    interval=None,
    seeds=(),
    values=(),
    seconds=(),
    unit="%",
    device=None,
    commit=None,
    date=None,
    command="python benchmarks/toy.py --seeds 0 1 2",
)
HOW = {"device": "CPU, 2 threads", "commit": "0123abc", "date": "2026-01-31"}
FULL = EMPTY.measured({0: 98.0, 1: 99.5, 2: 97.0}, {0: 60.0, 1: 61.0, 2: 59.0}, **HOW)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "ledger.json").write_text("[]")
    return tmp_path / "ledger.json"


# ---------------------------------------------------------------- a row


def test_mean_and_interval_are_computed_from_the_runs():
    assert math.isclose(FULL.ours, statistics.mean([98.0, 99.5, 97.0])) and FULL.interval == (97.0, 99.5)
    assert FULL.seeds == (0, 1, 2) and FULL.values == (98.0, 99.5, 97.0) and FULL.seconds == (60.0, 61.0, 59.0)
    assert FULL.command == EMPTY.command and EMPTY.ours is None
    assert EMPTY.measured({3: 50}, {3: 1}, command="python other.py", **HOW).command == "python other.py"
    thrice = EMPTY.measured(dict.fromkeys(range(3), 0.1), dict.fromkeys(range(3), 1.0), **HOW)
    assert thrice.interval[0] <= thrice.ours <= thrice.interval[1]  # a sum that rounds must not leave the interval
    with pytest.raises(FrozenInstanceError):
        FULL.ours = 100.0


@pytest.mark.parametrize(
    ("row", "change", "error", "text"),
    [
        (FULL, {"ours": "98"}, TypeError, "ours must be a number, got '98'"),
        (FULL, {"ours": True}, TypeError, "ours must be a number, got True"),
        (FULL, {"ours": math.nan}, ValueError, "ours must be finite, got nan"),
        (FULL, {"paper": math.inf}, ValueError, "paper must be finite, got inf"),
        (FULL, {"paper": 10**400}, ValueError, "paper must be finite, got 1000"),
        (FULL, {"values": (98.0, math.nan, 97.0)}, ValueError, "values of seed 1 must be finite"),
        (FULL, {"values": [98.0, 99.5, 97.0]}, TypeError, "values must be a tuple of numbers, got .*; pass a tuple"),
        (FULL, {"seeds": (0, 1, True)}, TypeError, "seeds must be a tuple of ints"),
        (FULL, {"seeds": (0, 1.0, 2)}, TypeError, "seeds must be a tuple of ints"),
        (FULL, {"published": (99.9,)}, TypeError, "published must be a tuple of Publisheds"),
        (FULL, {"ours": 99.9}, ValueError, r"must be mean, lowest and highest .*, got \(99.9, 97.0, 99.5\); use"),
        (FULL, {"interval": (0.0, 100.0)}, ValueError, "must be mean, lowest and highest of values, wanted"),
        (FULL, {"interval": None}, TypeError, r"interval must be a tuple \(low, high\), got None"),
        (FULL, {"interval": (97.0, "99.5")}, TypeError, "interval must be a number, got '99.5'"),
        (FULL, {"seeds": ()}, ValueError, "seeds must name each run once, .* got .*'seeds': 0.*; enter every run"),
        (FULL, {"seeds": (0, 1)}, ValueError, "seeds must name each run once"),
        (FULL, {"seeds": (0, 1, 1)}, ValueError, "seeds must name each run once"),
        (FULL, {"seconds": ()}, ValueError, "seeds must name each run once"),
        (FULL, {"seconds": (60.0, 0.0, 59.0)}, ValueError, "seconds must be above zero, got 0.0"),
        (FULL, {"date": "31.01.2026"}, ValueError, "date must be a date such as '2026-01-31', got '31.01.2026'"),
        (FULL, {"date": "2026-02-30"}, ValueError, "date must be a day of the calendar, got '2026-02-30'"),
        (FULL, {"date": None}, TypeError, "date must be a text, got NoneType"),
        (FULL, {"commit": "HEAD"}, ValueError, "commit must be 7 to 40 hexadecimal digits"),
        (FULL, {"device": None}, TypeError, "device must be a text, got NoneType"),
        (FULL, {"device": "/dev/nvidia0"}, ValueError, "device must be words such as 'CPU, 2 threads', without a path"),
        (FULL, {"device": "me@cluster"}, ValueError, "device must be words"),
        (FULL, {"device": "CPU\n"}, ValueError, "device must be one printable line"),
        (FULL, {"command": "python /home/me/toy.py"}, ValueError, "command must hold no path of a machine"),
        (FULL, {"command": "python toy.py --out=~/x"}, ValueError, "command must hold no path of a machine"),
        (FULL, {"command": r"python C:\toy.py"}, ValueError, "command must hold no path of a machine"),
        (FULL, {"claim": ""}, ValueError, "claim must be one printable line, got ''"),
        (FULL, {"claim": "\ud800"}, ValueError, "claim must be one printable line"),
        (FULL, {"method": 3}, TypeError, "method must be a text, got int"),
        (FULL, {"experiment": "Two Words"}, ValueError, "experiment must be lower case"),
        (FULL, {"profile": "smoke"}, ValueError, "profile must be one of .*, got 'smoke'; choose one of these"),
        (FULL, {"paper": None, "paper_spread": 1.0}, ValueError, "paper_spread must be None where paper is, got 1.0"),
        (FULL, {"paper_source": " "}, ValueError, "paper_source must be one printable line"),
        (EMPTY, {"date": "2026-01-31"}, ValueError, "ours must be given where date is, got None for 'CoMM, toy, R'"),
        (EMPTY, {"seeds": (0,)}, ValueError, "ours must be given where seeds is"),
    ],
)
def test_a_row_that_does_not_hold_together_is_refused(row, change, error, text):
    with pytest.raises(error, match=text) as caught:
        replace(row, **change)
    assert ";" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "seconds", "text"),
    [
        ({0: 98.0}, {1: 60.0}, r"seconds must be given for the seeds of values, wanted \[0\], got \[1\]"),
        ({0: math.nan}, {0: 60.0}, "values of seed 0 must be finite, got nan"),
        ({0: 187.0}, {0: 60.0}, r"values in % must lie in \[0, 100\], got \(187.0,\); check the unit"),
        ({}, {}, "ours must be given where device is"),
    ],
)
def test_a_measurement_that_is_none_is_refused(values, seconds, text):
    with pytest.raises(ValueError, match=text):
        EMPTY.measured(values, seconds, **HOW)


def test_what_others_published_is_checked_too():
    with pytest.raises(TypeError, match="value must be a number, got None"):
        Published(None, None, "somebody")
    with pytest.raises(ValueError, match="what must be one printable line"):
        Published(1.0, None, "two\nlines")


# ---------------------------------------------------------------- the file


def test_what_is_appended_is_read_again_and_stays(path):
    rows = [EMPTY, FULL, replace(FULL, claim="CoMM, 玩具, ≥ R")]
    for count, row in enumerate(rows, 1):
        assert append(path, row) is True
        assert read_ledger(path) == rows[:count]
    assert append(path, FULL) is False and read_ledger(path) == rows  # the very same row is entered once
    later = replace(FULL, commit="fedcba9")
    assert append(path, later) is True and read_ledger(path) == [*rows, later]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2 + 4  # a row a line, for git diff
    assert [p.name for p in path.parent.iterdir()] == ["ledger.json"]


def test_a_link_to_the_ledger_stays_a_link(path, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(path)
    append(link, FULL)
    assert link.is_symlink() and read_ledger(path) == [FULL]


def hostile(change=None, **fields):
    row = {**json.loads(json.dumps(asdict(FULL))), **fields}
    return json.dumps([change(row) if change else row])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "must hold a whole JSON list, got what cannot be read"),
        (hostile()[:-40], "must hold a whole JSON list"),
        ('[{"claim": "\ud800"', "must hold a whole JSON list"),
        (hostile(ours=math.nan), "must hold a whole JSON list, .*NaN is no number of JSON"),
        (hostile().replace('"ours"', '"claim"', 1), "a key stands twice"),
        ("[" * 100_000, "must hold a whole JSON list"),
        ("[1" + "0" * 5000 + "]", "must hold a whole JSON list"),
        ("{}", r"must hold a list of rows, got dict; a new ledger holds \[\]"),
        ("[3]", r"row 0 of .*ledger.json \(None\) is wrong: a Row must be an object, got int"),
        (hostile(ours=1e308 * 10).replace("Infinity", "1e999"), "ours must be finite, got inf"),
        (hostile(lambda row: {k: v for k, v in row.items() if k != "unit"}), r"missing \['unit'\], unknown \[\]"),
        (hostile(extra=1), r"missing \[\], unknown \['extra'\]; add or drop these"),
        (hostile(published=[{"value": 1}]), "a Published must have exactly its fields"),
        (hostile(published="none"), "published must be a tuple"),
        (hostile(seeds=None), "seeds must be a tuple"),
        (hostile(values=[[1], [2], [3]]), "values must be a tuple"),
        (hostile(profile=["gpu"]), "profile must be one of"),
        (hostile(claim={"a": 1}), "claim must be a text, got dict"),
        (hostile(interval=[97.0]), r"interval must be a tuple \(low, high\)"),
        (hostile(ours=10**400), "ours must be finite"),
    ],
)  # fmt: skip
def test_a_broken_ledger_is_refused_and_not_touched(path, text, wanted):
    content = text.encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    for act in (lambda: read_ledger(path), lambda: append(path, FULL)):
        with pytest.raises(ValueError, match=wanted):
            act()
        assert path.read_bytes() == content and [p.name for p in path.parent.iterdir()] == ["ledger.json"]


def test_a_ledger_that_is_not_there_is_not_made_up(path):
    path.unlink()
    for act in (lambda: read_ledger(path), lambda: append(path, FULL)):
        with pytest.raises(FileNotFoundError):
            act()
        assert list(path.parent.iterdir()) == []


def test_only_a_row_is_appended_and_it_names_no_host(path, monkeypatch):
    with pytest.raises(TypeError, match="row must be a Row, got dict; make one"):
        append(path, asdict(FULL))
    monkeypatch.setattr(platform, "node", lambda: "node-17.example.org")
    with pytest.raises(ValueError, match="device must not name this host, got 'GPU of Node-17'; say"):
        append(path, replace(FULL, device="GPU of Node-17"))
    assert append(path, replace(FULL, device="GPU of Node-170"))


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_ledger(path, monkeypatch, where):
    append(path, EMPTY)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    class Half(io.FileIO):
        def write(self, content):
            super().write(content[: len(content) // 2])
            full()

    with monkeypatch.context() as patched:
        if where == "write":
            patched.setattr("builtins.open", lambda name, *_, **__: Half(name, "x"))
        else:
            patched.setattr(os, where, full)
        with pytest.raises(OSError, match="No space left"):
            append(path, FULL)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["ledger.json"]
    assert append(path, FULL) and read_ledger(path) == [EMPTY, FULL]  # and nobody is locked out


def test_processes_that_append_at_once_lose_nothing(path):
    each = 12
    code = (
        "import sys; from dataclasses import replace; from comm_lite.book.ledger import append, read_ledger\n"
        "path, name = sys.argv[1:]; row = read_ledger(path)[0]\n"
        f"for k in range({each}): append(path, replace(row, claim=f'{{name}} {{k}}'))"
    )
    append(path, FULL)
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in ("one", "two", "three")]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    claims = [row.claim for row in read_ledger(path)]
    assert claims[0] == FULL.claim and len(claims) == 1 + 3 * each
    for name in ("one", "two", "three"):
        assert [c for c in claims if c.startswith(name)] == [f"{name} {k}" for k in range(each)]


def test_a_lock_that_was_left_behind_says_what_to_do(path):
    lock = path.with_name(".ledger.json.lock")
    lock.touch()
    with pytest.raises(TimeoutError, match=r"\.ledger\.json\.lock must go away .* delete the file"):
        with ledger_file._alone(path, patience=0.05):
            pass
    assert lock.exists() and read_ledger(path) == []


def test_latest_picks_the_newest_of_each_claim_and_profile():
    day = {date: replace(FULL, date=date) for date in ("2026-01-30", "2026-02-01")}
    twin = replace(FULL, commit="fedcba9")
    other = replace(FULL, profile="gpu", date="2025-01-01")
    rows = [EMPTY, day["2026-02-01"], FULL, day["2026-01-30"], other]
    assert latest(rows) == {(FULL.claim, "budget"): day["2026-02-01"], (FULL.claim, "gpu"): other}
    assert latest([FULL, twin]) == {(FULL.claim, "budget"): twin}  # of one day, what was entered last
    assert latest([FULL, EMPTY]) == {(FULL.claim, "budget"): FULL}  # a measurement is not undone
    assert latest([EMPTY]) == {(FULL.claim, "budget"): EMPTY}


# ---------------------------------------------------------------- the rows of the book

ROWS = read_ledger(BOOK)


def test_the_book_has_a_row_for_each_method_task_and_size():
    named = set(latest(ROWS))
    for profile in ("budget", "gpu"):
        for method in ("Cross", "Cross+Self", "FactorCL", "CoMM"):
            assert {(f"{method}, Trifeatures, {task}", profile) for task in "RUS"} <= named
    for method in ("CoMM (L only)", "CoMM (sum of L_i only)"):
        assert {(f"{method}, Trifeatures, {task}", "gpu") for task in "RUS"} <= named


def test_the_paper_says_the_same_at_every_size():
    figures = {}
    for row in ROWS:
        figures.setdefault((row.method, row.task), set()).add((row.paper, row.paper_spread))
    assert all(len(found) == 1 for found in figures.values())
    assert figures["CoMM", "S"] == {(71.9, 2.05)} and figures["Cross", "U"] == {(11.6, 0.9)}
    assert figures["CoMM (L only)", "S"] == {(54.4, None)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.claim}, {row.profile}")
def test_the_command_of_a_row_measures_that_row(row):
    script, *given = shlex.split(row.command.removeprefix("python "))
    assert (BOOK.parent.parent / script).is_file()
    options = {}
    for word in given:
        if word.startswith("--"):
            options[word] = values = []
        else:
            values.append(word)
    assert row.profile in PROFILES and options["--profile"] == [row.profile]
    assert row.method in options["--methods"] and "--ledger" in options
    assert row.claim == f"{row.method}, Trifeatures, {row.task}"
