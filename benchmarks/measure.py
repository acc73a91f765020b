r"""What the timing scripts share: their options, the name of the device, and a clock that waits for a GPU.

A script imports it before torch, whose threads then wait as in a chapter: without spinning (see README.md).
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from kernels import wait_passively

wait_passively()

import torch


def options(description: str) -> argparse.Namespace:
    r"""Read --device, --threads and --seed, and set the number of threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads on the CPU (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of images and draws (default: 0)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.where = torch.cuda.get_device_name() if given.device == "cuda" else f"CPU, {given.threads} thread(s)"
    return given


def seconds(call: Callable[[], object], runs: int, device: str) -> list[float]:
    r"""Time ``runs`` calls, each until the device is done."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return taken
