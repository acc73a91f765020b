"""How fast one batch of views is: milliseconds for 256 images of 48 and 64 px, with and without blur.

Measured apart, on one thread at 48 px: kornia, the library that would do this for us, 371 ms; the two fused passes
that stand here now, 64 ms when first tried. The ratio of these two is why the package has an augmentation of its own.

python benchmarks/augment.py [--device cuda] [--threads 1] [--seed 0]
"""

import argparse
import statistics
import time

import torch

from comm_lite.data import ImageAugment

BATCH, RUNS = 256, 31
KORNIA_MS, FIRST_TRY_MS = 371.0, 64.0  # 256 images of 48 px, one thread


def milliseconds(view: ImageAugment, size: int, device: str, seed: int) -> list[float]:
    generator = torch.Generator(device).manual_seed(seed)
    images = torch.rand(BATCH, 3, size, size, generator=generator, device=device)
    view(images, generator=generator)  # what the first call sets up is not counted
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        view(images, generator=generator)
        if device != "cpu":
            torch.cuda.synchronize()
        taken.append(1_000 * (time.perf_counter() - start))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads on the CPU (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of images and draws (default: 0)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {options.threads} thread(s)"
    print(f"{BATCH} images    device: {where}    torch {torch.__version__}    seed {options.seed}")
    print(f"median of {RUNS} runs (range); rotation by up to 15 degrees included\n")
    print(f"{'side':>6}  {'blur':>5}  {'milliseconds':>22}  {'kornia at 48 px, 371 ms':>24}")
    for size in (48, 64):
        for chance in (0.0, 0.5):
            view = ImageAugment(rotation=15.0, blur_chance=chance)
            taken = milliseconds(view, size, options.device, options.seed)
            middle = statistics.median(taken)
            spread = f"{middle:.1f} ({min(taken):.1f}-{max(taken):.1f})"
            ratio = f"{KORNIA_MS / middle:.1f} x" if size == 48 else ""
            print(f"{size:>3} px  {'half' if chance else 'none':>5}  {spread:>22}  {ratio:>24}")
    print(
        f"\nAt 48 px the first try of the fused passes took {FIRST_TRY_MS:.0f} ms ({KORNIA_MS / FIRST_TRY_MS:.1f} x)."
    )


if __name__ == "__main__":
    main()
