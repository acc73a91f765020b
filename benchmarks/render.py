"""How fast the Trifeatures renderer is: images a second, and the data set of the paper beside its authors' 465 s.

python benchmarks/render.py [--device cuda] [--threads 1] [--seed 0]
"""

import statistics

from measure import options, seconds  # isort: split

import torch

from comm_lite.worlds import combinations, render

PAPER_IMAGES, PAPER_SIDE = 2_600, 224  # 800 combinations three times, 200 once
TARGET_SECONDS, AUTHORS_SECONDS = 5.0, 465.0
RUNS = 3


def timed(count: int, size: int, device: str, seed: int) -> list[float]:
    factors = combinations().repeat(1 + count // 1_000, 1)[:count]
    generator = torch.Generator(device).manual_seed(seed)
    render(factors[:64], size=size, generator=generator)  # what the first call sets up is not counted
    return seconds(lambda: render(factors, size=size, generator=generator), RUNS, device)


def main() -> None:
    given = options(__doc__)
    print(f"device: {given.where}    torch {torch.__version__}    seed {given.seed}    median of {RUNS} runs (range)\n")
    print(f"{'side':>6}  {'images':>7}  {'seconds':>22}  {'images/s':>9}")
    for size, count in ((64, PAPER_IMAGES), (PAPER_SIDE, PAPER_IMAGES)):
        taken = timed(count, size, given.device, given.seed)
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
