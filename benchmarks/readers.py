r"""How long one reading takes: seconds of each family on 10 000 rows of 512 numbers in ten classes, with its null.

The target is 10 seconds for the strong reader (mlp) on one thread. Seconds are those of the processor, so that other
work on the machine does not count; the wall clock stands beside them.

python benchmarks/readers.py [--device cpu] [--threads 1] [--seed 0]
"""

import time

from measure import options  # isort: split

import torch

from comm_lite.evaluate.readers import READERS, usable_information

ROWS, TEST, WIDTH, CLASSES, SIGNAL = 10_000, 3_000, 512, 10, 0.1


def main() -> None:
    given = options(__doc__)
    generator = torch.Generator().manual_seed(given.seed)
    y = torch.randint(CLASSES, (ROWS + TEST,), generator=generator)
    centres = torch.randn(CLASSES, WIDTH, generator=generator)
    z = SIGNAL * centres[y] + torch.randn(ROWS + TEST, WIDTH, generator=generator)
    train, test = ((z[rows, : WIDTH // 2], z[rows, WIDTH // 2 :]) for rows in (slice(ROWS), slice(ROWS, None)))
    print(f"{ROWS} x {WIDTH}, {CLASSES} classes, {TEST} test rows    {given.where}    torch {torch.__version__}\n")
    for reader in READERS:
        cpu, wall = time.process_time(), time.perf_counter()
        found = usable_information(train, y[:ROWS], test, y[ROWS:], reader=reader, seed=given.seed)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        print(f"{cpu:5.1f} s (wall {wall:5.1f})  {found}")


if __name__ == "__main__":
    main()
