r"""The exact PID solver beside Clarabel, a cone solver: sizes, a copy, many small problems, and hard tables.

python benchmarks/pid.py [--threads 1] [--seed 0] [--cases 2000] [--largest 50]

Times are the best of some runs, wall-clock. Gaps are bounds on the error, in nats.
"""

import argparse
import math
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from measure import torch  # isort: split

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "pid"))

from clarabel_oracle import least_information  # noqa: E402
from joints import binned_gaussian, hard_joints  # noqa: E402

from comm_lite.pid import broja, broja_batch, plug_in  # noqa: E402

# shape, samples (0: the distribution itself)
SIZES = [
    ((2, 2, 2), 0),
    ((2, 2, 7), 0),
    ((3, 3, 3), 0),
    ((5, 5, 5), 0),
    ((10, 10, 10), 0),
    ((20, 20, 2), 2_000),
    ((20, 20, 7), 2_000),
    ((50, 50, 10), 0),
]


def joint(shape: tuple[int, int, int], samples: int, rng: np.random.Generator) -> np.ndarray:
    p = rng.dirichlet(np.ones(math.prod(shape)))
    if samples:
        p = np.bincount(rng.choice(p.size, samples, p=p), minlength=p.size) / samples
    return p.reshape(shape)


def copy(n1: int, n2: int) -> np.ndarray:
    r"""The label is the pair of both symbols."""
    return np.eye(n1 * n2).reshape(n1, n2, n1 * n2) / (n1 * n2)


def best(call, budget: float = 2.0) -> tuple[float, object]:
    r"""Least seconds of as many calls as fit into the budget, at most 50."""
    least, result, began = math.inf, None, time.perf_counter()
    for _ in range(50):
        start = time.perf_counter()
        result = call()
        least = min(least, time.perf_counter() - start)
        if time.perf_counter() - began > budget:
            break
    return least, result


def beside(name: str, p: np.ndarray) -> None:
    mine, found = best(lambda: broja(p))
    theirs, (nats, gap) = best(lambda: least_information(p))
    apart = abs(found.union - nats / math.log(2))
    print(
        f"{name:>14} {1e3 * mine:>10.3f} {found.gap * math.log(2):>8.0e} {1e3 * theirs:>13.3f} {gap:>8.0e} "
        f"{theirs / mine:>7.2f} {apart:>12.0e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--largest", type=int, default=50, help="leave out tables with more symbols a source")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(given.seed)

    print(f"torch {torch.__version__}, numpy {np.__version__}, {given.threads} thread(s), seed {given.seed}\n")
    print(f"{'table':>14} {'ours, ms':>10} {'gap':>8} {'Clarabel, ms':>13} {'gap':>8} {'ratio':>7} {'apart, bits':>12}")
    for shape, samples in SIZES:
        if max(shape) <= given.largest:
            beside("x".join(map(str, shape)), joint(shape, samples, rng))
    beside("COPY 20x10x200", copy(20, 10))
    beside("Gaussian 12^3", binned_gaussian(12, 0))

    p = torch.from_numpy(np.stack([joint((2, 2, 2), 0, rng) for _ in range(4_000)]))
    mine, found = best(lambda: broja_batch(p))
    print(f"\n4 000 problems 2x2x2 in one call: {1e3 * mine:.0f} ms, largest gap {float(found.gap.max()):.0e} bits")
    generator = torch.Generator().manual_seed(given.seed)
    x1, x2, y = (torch.randint(k, (700,), generator=generator) for k in (350, 350, 2))
    mine, _ = best(lambda: plug_in(x1, x2, y, permutations=9, generator=generator))
    print(f"plug_in, 700 samples of 350 symbols, 9 shuffles: {mine:.2f} s")
    gaussians = [broja(binned_gaussian(bins, seed)).gap for bins in (6, 12, 18) for seed in range(10)]
    print(f"30 binned Gaussians up to 18^3: largest gap {max(gaussians) * math.log(2):.0e} nats")

    failed, start = Counter(), time.perf_counter()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for kind, table in hard_joints(given.cases, given.seed):
            failed[kind] += not broja(table).certified
    taken = time.perf_counter() - start
    print(
        f"{given.cases} hard tables: {given.cases - failed.total()} certified to 1e-7 nats, {len(told)} warnings, "
        f"{1e3 * taken / max(given.cases, 1):.1f} ms each; not certified: {dict(+failed) or 'none'}"
    )


if __name__ == "__main__":
    main()
