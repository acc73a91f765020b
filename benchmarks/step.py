r"""One training step of CoMM at the paper's size: how long it takes, and how much of it is augmentation.

The model is that of the controlled experiment's gpu profile: two AlexNets at 224 pixels, tokens of 512 numbers, one
fusion layer with eight heads, a head of 512, 512 and 256, 64 pairs in a batch, the paper's views (blur included),
bfloat16, channels last, AdamW. A floor is timed in the same run: the two AlexNets by themselves, forward and backward,
in torch's own operators, with no fusion, loss or optimiser. The authors' code took 4.7 s for such a step and 0.55 s to
load it, on two cores of another machine; the same model merely in bfloat16 and channels last 2.05 s.

The multiply-adds of the model alone, over the whole step, are set beside what one large square product of bfloat16
matrices reaches on the same device in the same run: a step in which nothing but arithmetic took time would come to
that. On a GPU they are set beside the card's dense bfloat16 peak as well; that of an H100 or H200 is known, another can
be given.

python benchmarks/step.py [--device cuda] [--threads 2] [--steps 5] [--seed 0] [--peak 989] [--profile]
"""

import argparse
import time

from measure import seconds  # isort: split

import torch
from torch.utils.flop_counter import FlopCounterMode

from comm_lite.data import ImageAugment
from comm_lite.losses import comm_loss
from comm_lite.models import CoMM
from comm_lite.nn import AlexNetFeatures, ConcatSelfAttention, PatchConverter, ProjectionHead
from comm_lite.train import TrainConfig, parameter_groups

SIDES, PAIRS, SIZE, WIDTH = ("image1", "image2"), 64, 224, 512
AUTHORS, MERELY = 4.7 + 0.55, 2.05  # seconds on two CPU cores
PEAKS = {"H100": 989.0, "H200": 989.0}  # TFLOP/s, dense bfloat16


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads on the CPU (default: 1)")
    parser.add_argument("--steps", type=int, default=5, help="steps that are timed (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, images and draws (default: 0)")
    parser.add_argument("--peak", type=float, help="dense bfloat16 peak of the card in TFLOP/s (default: looked up)")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, operator by operator")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.where = torch.cuda.get_device_name() if given.device == "cuda" else f"CPU, {given.threads} thread(s)"
    if given.peak is None and given.device == "cuda":
        given.peak = next((peak for name, peak in PEAKS.items() if name in given.where), None)
    return given


class Training:
    r"""The model, its data and its optimiser; `step` is one step, and `views` the part of it that augments."""

    def __init__(self, device: str, seed: int) -> None:
        torch.manual_seed(seed)
        encoders = {side: AlexNetFeatures() for side in SIDES}
        converters = {side: PatchConverter(encoders[side].dim, WIDTH) for side in SIDES}
        fusion = ConcatSelfAttention(SIDES, dim=WIDTH, layers=1, heads=8)
        self.model = CoMM(encoders, converters, fusion, ProjectionHead(WIDTH, hidden=512, out=256))
        self.model.to(device).train()
        groups = parameter_groups(self.model, TrainConfig(lr=3e-4, weight_decay=1e-4))
        self.optimizer = torch.optim.AdamW([{k: v for k, v in group.items() if k != "muon"} for group in groups])
        self.augment = ImageAugment()  # its defaults are the paper's: crops from 0.08, blur for half
        self.draws = torch.Generator(device).manual_seed(seed)
        shape = (PAIRS, 3, SIZE, SIZE)
        self.pixels = {
            side: torch.randint(256, shape, generator=self.draws, device=device, dtype=torch.uint8) for side in SIDES
        }
        self.autocast = torch.autocast(device, torch.bfloat16)

    def views(self) -> list[dict[str, torch.Tensor]]:
        r"""Two views of every pair, from bytes; under autocast, as `train.fit` runs a step."""
        with self.autocast:
            x = {side: self.pixels[side] / 255 for side in SIDES}
            return [{s: self.augment(image, generator=self.draws) for s, image in x.items()} for _ in range(2)]

    def learn(self, views: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        r"""Forward, loss, backward and the optimiser's step, for views that are made already."""
        model = self.model
        with self.autocast:
            tokens = [model.encode(view) for view in views]
            fused = [model.project(model.fuse(of)) for of in tokens]
            alone = [{side: model.project(model.fuse(of, keep=(side,))) for side in SIDES} for of in tokens]
            loss = comm_loss(*fused, *alone)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss

    def encode_only(self, views: list[dict[str, torch.Tensor]]) -> None:
        r"""The encoders forward and backward, and nothing else: no step of this model can take less."""
        with self.autocast:
            total = sum(self.model.encoders[s](view[s]).float().mean() for view in views for s in SIDES)
        total.backward()

    def flops(self, views: list[dict[str, torch.Tensor]]) -> int:
        r"""Multiplications and additions of the model's matrix products and convolutions in one step."""
        with FlopCounterMode(display=False) as counter:
            self.learn(views)
        return counter.get_total_flops()

    def step(self) -> torch.Tensor:
        r"""One whole step."""
        return self.learn(self.views())


def of_a_product(device: str, runs: int) -> float:
    r"""What one product of two square bfloat16 matrices reaches on the device, in TFLOP/s."""
    n = 8192 if device == "cuda" else 4096
    a, b = (torch.randn(n, n, device=device).bfloat16() for _ in range(2))
    a @ b
    return 2 * n**3 / min(seconds(lambda: a @ b, runs, device)) / 1e12


def profiled(training: Training, device: str) -> None:
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with profile(activities=kinds, record_shapes=True) as seen:
        training.step()
    order = f"self_{device}_time_total"
    print(seen.key_averages(group_by_input_shape=True).table(sort_by=order, row_limit=25, max_shapes_column_width=60))


def main() -> None:
    given = options()
    training = Training(given.device, given.seed)
    for _ in range(2):
        training.step()  # what the first steps set up is not counted
    if given.profile:
        profiled(training, given.device)
    taken, busy = [], []
    for _ in range(given.steps):
        start = time.process_time()
        taken += seconds(training.step, 1, given.device)
        busy.append(time.process_time() - start)
    whole = min(taken)
    augmenting = min(seconds(training.views, given.steps, given.device))
    made = training.views()
    encoding = min(seconds(lambda: training.encode_only(made), given.steps, given.device))
    print(f"{PAIRS} pairs of {SIZE} px    device: {given.where}    torch {torch.__version__}    seed {given.seed}")
    print(f"least of {given.steps} steps    {whole:.3f} s, of which augmentation {augmenting:.3f} s", end=" ")
    print(f"({100 * augmenting / whole:.0f} %)")
    print(f"encoders by themselves    {encoding:.3f} s")
    print(f"images                {4 * PAIRS / whole:,.0f} views/s, {2 * PAIRS / whole:,.0f} images/s")
    flops = training.flops(made)
    achieved, product = flops / whole / 1e12, of_a_product(given.device, given.steps)
    print(f"arithmetic            {flops / 1e12:.2f} TFLOP a step, {achieved:.3g} TFLOP/s,", end=" ")
    print(f"{100 * achieved / product:.0f} % of what a large matrix product reaches here ({product:.3g} TFLOP/s),")
    print(f"                      at whose speed the step would take {flops / product / 1e12:.3f} s")
    if given.device == "cuda":
        share = f"{100 * achieved / given.peak:.1f} % of {given.peak:.0f}" if given.peak else "unknown, see --peak"
        print(f"milliseconds          {1e3 * whole:.1f} a step, {1e3 * augmenting:.1f} of them augmentation")
        print(f"share of the peak     {share}")
        return
    print(f"processor time        {min(busy):.3f} s a step, all threads together, least")
    print(f"against the authors'  {AUTHORS / whole:.1f} x, against theirs in bfloat16 {MERELY / whole:.1f} x")
    print("                      (theirs on two idle cores of another machine: compare with --threads 2, idle)")


if __name__ == "__main__":
    main()
