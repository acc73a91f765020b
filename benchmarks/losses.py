r"""Milliseconds of each loss, forward and backward, and the memory that it takes, at two sizes of a batch.

Usage: python benchmarks/losses.py [--sizes 256 4096] [--dim 256] [--repeats 5] [--losses nt_xent ...]

A case runs in a process of its own, so that its peak is its own: the memory is the highest resident size of that
process less what it held before the first call. Milliseconds are processor time of one thread, the fastest of the
repeats. "looks" are how often one call, forward and backward, reads a number, which on a GPU would make the program
wait; elsewhere than on the CPU no value is looked at, and the second figure counts what is left then.
"""

import argparse
import json
import os
import subprocess
import sys

NAMES = ("info_nce", "nt_xent", "clip_loss", "cmc_loss", "binding_loss", "cross_self_loss", "comm_loss", "supcon_loss")


def case(name, n, dim, repeats):
    r"""One line of the table, in this process."""
    import resource
    import time
    from collections import Counter

    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from comm_lite import _check, losses

    class Looks(TorchDispatchMode):
        count = Counter()

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            indexed = str(function).startswith("aten.index.") and any(i.dtype == torch.bool for i in args[1])
            self.count["looks"] += str(function).startswith("aten._local_scalar_dense") or indexed
            return function(*args, **(kwargs or {}))

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    z = [torch.randn(n, dim, generator=generator).requires_grad_() for _ in range(6)]
    loss = getattr(losses, name)
    calls = {
        "info_nce": lambda: loss(z[0], z[1], temperature=0.1),
        "nt_xent": lambda: loss(z[0], z[1]),
        "clip_loss": lambda: loss(z[0], z[1], logit_scale=10.0),
        "cmc_loss": lambda: loss({"a": z[0], "b": z[1], "c": z[2]}),
        "binding_loss": lambda: loss({"a": z[0], "b": z[1], "c": z[2]}, anchor="a"),
        "cross_self_loss": lambda: loss(*z[:4]),
        "comm_loss": lambda: loss(z[0], z[1], {"a": z[2], "b": z[3]}, {"a": z[4], "b": z[5]}),
        "supcon_loss": lambda: loss(z[0], torch.arange(n) % (n // 2)),
    }

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    torch.ones(8, 8, requires_grad=True).sum().backward()  # loads what every backward pass needs
    before, times = peak(), []
    for _ in range(repeats):
        start = time.process_time()
        calls[name]().backward()
        times.append(time.process_time() - start)
    memory = peak() - before
    with Looks() as looks:
        calls[name]().backward()
    seen = [looks.count.pop("looks")]
    if hasattr(_check, "values_of"):
        _check.values_of = lambda value: False  # as on another device
    with Looks() as looks:
        calls[name]().backward()
    print(json.dumps([1000 * min(times), memory, *seen, looks.count["looks"]]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 4096])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--losses", nargs="+", default=NAMES, choices=NAMES, metavar="LOSS")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        return case(given.case[0], int(given.case[1]), given.dim, given.repeats)
    quiet = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    print(f"{'loss':16} {'N':>5} {'ms':>9} {'peak MiB':>9} {'looks on the CPU':>17} {'elsewhere':>10}")
    for n in given.sizes:
        for name in given.losses:
            call = [sys.executable, __file__, "--case", name, str(n)]
            call += ["--dim", str(given.dim), "--repeats", str(given.repeats)]
            done = subprocess.run(call, capture_output=True, text=True, check=True, env=quiet)
            ms, memory, here, elsewhere = json.loads(done.stdout)
            print(f"{name:16} {n:5} {ms:9.1f} {memory:9.0f} {here:17} {elsewhere:10}", flush=True)


if __name__ == "__main__":
    main()
