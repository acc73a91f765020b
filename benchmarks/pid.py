"""The exact PID solver: seconds and certified gap beside Clarabel, a batch of small problems, and 2 000 hard cases.

python benchmarks/pid.py [--threads 1] [--seed 0] [--device cuda] [--cases 2000]
"""

import argparse
import math
import statistics
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "pid"))

from clarabel_oracle import least_information  # noqa: E402
from joints import hard_joints  # noqa: E402

from comm_lite.pid import broja, broja_batch  # noqa: E402

# shape, samples (0: the distribution itself)
SIZES = [
    ((2, 2, 2), 0),
    ((5, 5, 5), 0),
    ((10, 10, 10), 0),
    ((20, 20, 2), 2_000),
    ((20, 20, 7), 2_000),
    ((50, 50, 10), 0),
]
RUNS = 5


def joint(shape: tuple[int, int, int], samples: int, rng: np.random.Generator) -> np.ndarray:
    p = rng.dirichlet(np.ones(math.prod(shape)))
    if samples:
        p = np.bincount(rng.choice(p.size, samples, p=p), minlength=p.size) / samples
    return p.reshape(shape)


def timed(call, runs: int) -> tuple[float, object]:
    taken, result = [], None
    for _ in range(runs):
        start = time.perf_counter()
        result = call()
        taken.append(time.perf_counter() - start)
    return min(taken), result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="of the batch of small problems")
    parser.add_argument("--cases", type=int, default=2_000)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(given.seed)

    print(f"torch {torch.__version__}, {given.threads} thread(s), seed {given.seed}; best of {RUNS}; gaps in nats")
    print(f"\n{'shape':>12} {'ours, s':>9} {'gap':>8} {'Clarabel, s':>12} {'gap':>8} {'ratio':>7} {'apart, bits':>12}")
    for shape, samples in SIZES:
        p = joint(shape, samples, rng)
        mine, found = timed(lambda p=p: broja(p), RUNS)
        theirs, (nats, gap) = timed(lambda p=p: least_information(p), RUNS if math.prod(shape) < 3_000 else 1)
        apart = abs(found.total - found.synergy - nats / math.log(2))
        name = "x".join(map(str, shape))
        print(
            f"{name:>12} {mine:>9.4f} {found.gap * math.log(2):>8.0e} {theirs:>12.4f} {gap:>8.0e} "
            f"{theirs / mine:>7.1f} {apart:>12.0e}"
        )

    p = torch.from_numpy(np.stack([joint((2, 2, 2), 0, rng) for _ in range(2_000)])).to(given.device)
    mine, found = timed(lambda: broja_batch(p), RUNS)
    print(
        f"\n2 000 problems 2x2x2 at once on {given.device}: {mine:.3f} s, largest gap {float(found.gap.max()):.0e} bits"
    )

    failed, steps = Counter(), []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for kind, table in hard_joints(given.cases, given.seed):
            start = time.perf_counter()
            if not broja(table).certified:
                failed[kind] += 1
            steps.append(time.perf_counter() - start)
    good = given.cases - sum(failed.values())
    print(
        f"\n{given.cases} hard cases: {good} certified to 1e-7 nats ({100 * good / given.cases:.2f} %), "
        f"{len(told)} warnings; not certified: {dict(failed) or 'none'}; median {statistics.median(steps):.4f} s, "
        f"longest {max(steps):.2f} s"
    )


if __name__ == "__main__":
    main()
