"""How fast the Trifeatures renderer is: images a second, and the data set of the paper beside its authors' 465 s.

python benchmarks/render.py [--device cuda] [--threads 1] [--seed 0]
"""

import argparse
import statistics
import time

import torch

from comm_lite.data import combinations, render

PAPER_IMAGES, PAPER_SIDE = 2_600, 224  # 800 combinations three times, 200 once
TARGET_SECONDS, AUTHORS_SECONDS = 5.0, 465.0
RUNS = 3


def seconds(count: int, size: int, device: str, seed: int) -> list[float]:
    factors = combinations().repeat(1 + count // 1_000, 1)[:count]
    generator = torch.Generator(device).manual_seed(seed)
    render(factors[:64], size=size, generator=generator)  # what the first call sets up is not counted
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        render(factors, size=size, generator=generator)
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads on the CPU (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the images (default: 0)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} thread(s)"
    print(f"device: {where}    torch {torch.__version__}    seed {options.seed}    median of {RUNS} runs (range)\n")
    print(f"{'side':>6}  {'images':>7}  {'seconds':>22}  {'images/s':>9}")
    for size, count in ((64, PAPER_IMAGES), (PAPER_SIDE, PAPER_IMAGES)):
        taken = seconds(count, size, options.device, options.seed)
        middle = statistics.median(taken)
        spread = f"{middle:.2f} ({min(taken):.2f}-{max(taken):.2f})"
        print(f"{size:>3} px  {count:>7,}  {spread:>22}  {count / middle:>9,.0f}")
    print(f"\n{PAPER_IMAGES:,} images of {PAPER_SIDE} px, the data set of the paper:")
    print(f"  this renderer    {middle:8.2f} s")
    print(f"  target           {TARGET_SECONDS:8.2f} s    {'met' if middle <= TARGET_SECONDS else 'MISSED'}")
    print(
        f"  authors' code    {AUTHORS_SECONDS:8.2f} s    (one core, measured apart): {AUTHORS_SECONDS / middle:,.0f} x"
    )


if __name__ == "__main__":
    main()
