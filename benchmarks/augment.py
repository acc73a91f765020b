"""How fast one batch of views is: milliseconds for 256 images of 48 and 64 px, with and without blur.

Measured apart, on one thread at 48 px: kornia, the library that would do this for us, 371 ms; the two fused passes
that stand here now, 64 ms when first tried. The ratio of these two is why the package has an augmentation of its own.

python benchmarks/augment.py [--device cuda] [--threads 1] [--seed 0]
"""

import statistics

from measure import options, seconds  # isort: split

import torch

from comm_lite.data import ImageAugment

BATCH, RUNS = 256, 31
KORNIA_MS, FIRST_TRY_MS = 371.0, 64.0  # 256 images of 48 px, one thread


def milliseconds(view: ImageAugment, size: int, device: str, seed: int) -> list[float]:
    generator = torch.Generator(device).manual_seed(seed)
    images = torch.rand(BATCH, 3, size, size, generator=generator, device=device)
    view(images, generator=generator)  # what the first call sets up is not counted
    return [1_000 * each for each in seconds(lambda: view(images, generator=generator), RUNS, device)]


def main() -> None:
    given = options(__doc__)
    print(f"{BATCH} images    device: {given.where}    torch {torch.__version__}    seed {given.seed}")
    print(f"median of {RUNS} runs (range); rotation by up to 15 degrees included\n")
    print(f"{'side':>6}  {'blur':>5}  {'milliseconds':>22}  {'kornia at 48 px, 371 ms':>24}")
    for size in (48, 64):
        for chance in (0.0, 0.5):
            view = ImageAugment(rotation=15.0, blur_chance=chance)
            taken = milliseconds(view, size, given.device, given.seed)
            middle = statistics.median(taken)
            spread = f"{middle:.1f} ({min(taken):.1f}-{max(taken):.1f})"
            ratio = f"{KORNIA_MS / middle:.1f} x" if size == 48 else ""
            print(f"{size:>3} px  {'half' if chance else 'none':>5}  {spread:>22}  {ratio:>24}")
    print(
        f"\nAt 48 px the first try of the fused passes took {FIRST_TRY_MS:.0f} ms ({KORNIA_MS / FIRST_TRY_MS:.1f} x)."
    )


if __name__ == "__main__":
    main()
