r"""The controlled experiment of chapter 12 as a table: method x task, with seconds and the spread over seeds.

Usage: python benchmarks/trifeatures.py [--profile budget] [--methods CoMM Cross ...] [--seeds 0 1 2]
                                        [--pairs unbiased biased] [--part test] [--ledger]
       python benchmarks/trifeatures.py --part validation --change unbiased.augment.hue=0.2 biased.weight_decay=0.5 ...

Profiles: smoke (seconds), laptop (chapter 12's), budget (at most ten minutes a pre-training on two cores), gpu (the
paper's: 224 pixels, AlexNet, batch 64, 100 epochs; everything on the device). Each pre-training is written to
_build/benchmarks/trifeatures/ as it ends and is not run again, so an interrupted table goes on where it stopped, and
two processes may share the seeds. --force runs again. The method Untrained probes Cross's towers before their first
step: the floor under all figures. --part validation scores on 160 combinations taken out of the
training ones, to choose settings on, and takes changes of the setting's fields to try. --ledger enters the table into
book/ledger.json once every seed is there.
"""

import argparse
import ast
import datetime
import json
import platform
import shlex
import statistics
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from measure import torch  # isort: split

from comm_lite.book.controlled import METHODS, SETTINGS, TASKS, Run, build, probe, run
from comm_lite.book.ledger import PROFILES, Row, append, latest, read_ledger
from comm_lite.train import History
from comm_lite.worlds import trifeatures

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / "benchmarks" / "trifeatures"
UNTRAINED = "Untrained"
ALL = (UNTRAINED, *METHODS)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="budget", choices=SETTINGS)
    parser.add_argument("--methods", nargs="+", default=ALL, choices=ALL, metavar="METHOD")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--pairs", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--part", default="test", choices=("test", "validation"))
    parser.add_argument("--change", nargs="+", default=[], metavar="FIELD=VALUE", help="with --part validation only")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="threads on the CPU (default: 2)")
    parser.add_argument("--force", action="store_true", help="run again what was run before")
    parser.add_argument("--ledger", action="store_true", help="enter the table into book/ledger.json")
    given = parser.parse_args()
    if given.change and given.part != "validation":
        parser.error("--change tries settings, and those are chosen on --part validation only")
    return given


def changed(config, change):
    r"""A setting with ``a.b=value`` changed, whatever depth the field lies at."""
    path, _, value = change.partition("=")
    name, _, deeper = path.partition(".")
    inside = getattr(config, name)
    new = changed(inside, f"{deeper}={value}") if deeper else ast.literal_eval(value)
    return replace(config, **{name: new})


def commit():
    call = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def device_name(given):
    if given.device.startswith("cuda"):
        return torch.cuda.get_device_name(given.device)
    return f"CPU, {given.threads} thread{'s' * (given.threads > 1)}"


def floor(setting, pairs, *, seed, device, part):
    r"""What the probes read from towers that saw no training; the seconds are those of rendering."""
    start = time.perf_counter()
    data = trifeatures(setting.data, seed=seed, device=device)
    seconds = time.perf_counter() - start
    model = build("Cross", setting, pairs, seed=seed).to(device)
    scores = probe(model, data, TASKS[pairs], part=part, precision=setting.precision, seed=seed)
    return Run(scores, History(), seconds)


def one(given, method, pairs, seed):
    r"""The scores in per cent and the seconds of one pre-training, from the cache where it is there."""
    where = CACHE / given.profile / given.part / "-".join([method, pairs, str(seed), *given.change])
    where = where.with_name(where.name + ".json")
    setting = SETTINGS[given.profile]
    if given.part == "validation":
        setting = replace(setting, data=replace(setting.data, validation_combinations=160))
    for change in given.change:
        setting = changed(setting, change)
    made_by = f"{getattr(setting, pairs)} {setting.data} {setting.batch} {setting.precision}"
    if where.exists() and not given.force:
        found = json.loads(where.read_text(encoding="utf-8"))
        if found["made_by"] == made_by:
            return found
        print(f"{where.name} is of another recipe and is run again", flush=True)
    started_at = commit()  # the code that runs; HEAD may move on meanwhile
    how = {"seed": seed, "device": given.device, "part": given.part}
    if method == UNTRAINED:
        result = floor(setting, pairs, **how)
    else:
        result = run(method, setting, pairs, **how, progress=False)
    found = {
        "scores": {
            task: [100 * value for value in (score.balanced_accuracy, score.low, score.high)]
            for task, score in result.scores.items()
        },
        "converged": all(score.converged for score in result.scores.values()),
        "seconds": result.seconds,
        "loss": result.history.loss,
        "terms": result.history.evaluations,  # FactorCL's, after each epoch
        "device": device_name(given),
        "commit": started_at,
        "date": datetime.date.today().isoformat(),
        "made_by": made_by,
    }
    where.parent.mkdir(parents=True, exist_ok=True)
    part = where.with_name(where.name + ".part")
    part.write_text(json.dumps(found, indent=1), encoding="utf-8")
    part.replace(where)
    return found


def spread(values):
    return statistics.stdev(values) if len(values) > 1 else float("nan")


def main():
    given = options()
    torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {device_name(given)}, {given.profile}")
    print(f"{'method':11} {'pairs':9} {'seed':>4} {'seconds':>8}  scores in % on {given.part} combinations [95 %]")
    table = {}
    for seed in given.seeds:  # seeds outside: a table that is stopped early holds every method
        for method in given.methods:
            for pairs in given.pairs:
                found = table[method, pairs, seed] = one(given, method, pairs, seed)
                text = "  ".join(f"{t} {v:.1f} [{lo:.1f}, {hi:.1f}]" for t, (v, lo, hi) in found["scores"].items())
                print(f"{method:11} {pairs:9} {seed:4} {found['seconds']:8.0f}  {text}", flush=True)
    print()
    for method in given.methods:
        line = []
        for pairs in given.pairs:
            runs = [table[method, pairs, seed]["scores"] for seed in given.seeds]
            for task in runs[0]:
                values = [scores[task][0] for scores in runs]
                line.append(f"{task} {statistics.mean(values):.1f} ± {spread(values):.1f}")
        print(f"{method:11} {'   '.join(line)}   (mean ± standard deviation of {len(given.seeds)} seeds)")
    if given.ledger:
        enter(given, table)


def enter(given, table):
    r"""Append a row for R, U (the mean of U1 and U2) and S of each method to the ledger."""
    if given.part != "test" or given.profile not in PROFILES:
        raise SystemExit(f"--ledger takes test figures of {', '.join(PROFILES)}, got {given.profile}, {given.part}")
    path = ROOT / "book" / "ledger.json"
    known = latest(read_ledger(path))
    for method in given.methods:
        for task, pairs in (("R", "unbiased"), ("U", "unbiased"), ("S", "biased")):
            if pairs not in given.pairs:
                continue
            runs = {seed: table[method, pairs, seed] for seed in given.seeds}
            parts = ("U1", "U2") if task == "U" else (task,)
            claim = f"{method}, Trifeatures, {task}"
            command = f"python benchmarks/trifeatures.py --profile {given.profile} --methods {shlex.quote(method)} "
            command += f"--seeds {' '.join(map(str, given.seeds))} --ledger"
            row = known.get((claim, given.profile)) or Row(
                claim, "trifeatures", method, given.profile, task, None, None, None, (), None, None, (), (), (), "%",
                None, None, None, command,
            )  # fmt: skip
            first = runs[given.seeds[0]]
            measured = row.measured(
                {seed: statistics.mean(found["scores"][t][0] for t in parts) for seed, found in runs.items()},
                {seed: found["seconds"] for seed, found in runs.items()},
                device=first["device"],
                commit=first["commit"],
                date=max(found["date"] for found in runs.values()),
                command=command,
            )
            print(f"{claim}: {'entered' if append(path, measured) else 'stands there already'}")


if __name__ == "__main__":
    main()
