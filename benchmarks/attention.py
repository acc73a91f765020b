r"""Why `nn/fusion.py` spells attention out on a CPU in half precision: forward and backward against the fused kernel.

The shapes are those of the controlled experiment (chapter 12): batches of 128 pairs, CLS and 16 tokens an image, so 17
tokens of one image or 33 of both, four heads of 32 (two layers) or 64 numbers (one layer). The last layer asks with one
token, the ones before it with all.

python benchmarks/attention.py [--device cpu] [--threads 1] [--seed 0]
"""

import statistics
from collections.abc import Callable

from measure import options, seconds  # isort: split

import torch
import torch.nn.functional as F
from torch import Tensor

BATCH, HEADS, RUNS = 128, 4, 21
SHAPES = [(length, asked, width) for width in (32, 64) for length in (33, 17) for asked in (length, 1)]


def plain(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return scores.softmax(dim=-1).to(v.dtype) @ v


def milliseconds(way: Callable[..., Tensor], parts: list[Tensor], device: str) -> tuple[float, float]:
    r"""Forward alone, and forward with backward; the least of all runs, since other work can only add to it."""
    weights = torch.ones_like(parts[0])

    def ahead() -> Tensor:
        return way(*parts)

    def both() -> None:
        torch.autograd.grad(ahead(), parts, weights)

    both()  # what the first call sets up is not counted
    return 1_000 * min(seconds(ahead, RUNS, device)), 1_000 * min(seconds(both, RUNS, device))


def main() -> None:
    given = options(__doc__)
    print(f"{BATCH} pairs, {HEADS} heads    device: {given.where}    torch {torch.__version__}    seed {given.seed}")
    print(f"forward and backward, least of {RUNS} runs; in brackets the forward pass alone\n")
    heads = f"{'plain, ms':>15}  {'fused, ms':>15}  fused / plain"
    print(f"{'precision':>9} {'tokens':>6} {'asking':>6} {'width':>5}  {heads}")
    generator = torch.Generator().manual_seed(given.seed)
    for dtype in (torch.bfloat16, torch.float32):
        ratios = []
        for length, asked, width in SHAPES:
            shapes = [(BATCH, HEADS, n, width) for n in (asked, length, length)]
            drawn = (torch.randn(shape, generator=generator) for shape in shapes)
            parts = [part.to(given.device, dtype).requires_grad_() for part in drawn]
            (ahead, both), (fused_ahead, fused) = (
                milliseconds(way, parts, given.device) for way in (plain, F.scaled_dot_product_attention)
            )
            ratios.append(fused / both)
            cells = [f"{both:.2f} ({ahead:.2f})", f"{fused:.2f} ({fused_ahead:.2f})"]
            name = str(dtype).removeprefix("torch.")
            print(f"{name:>9} {length:>6} {asked:>6} {width:>5}  {cells[0]:>15}  {cells[1]:>15}  {ratios[-1]:>11.1f} x")
        middle = statistics.geometric_mean(ratios)
        print(f"{name:>9} mean ratio {middle:.1f} x, from {min(ratios):.1f} to {max(ratios):.1f}\n")


if __name__ == "__main__":
    main()
