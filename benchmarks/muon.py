r"""What Muon on the convolution kernels is worth: accuracy after equally many epochs, beside AdamW on everything.

Usage: python benchmarks/muon.py [--epochs 6] [--seeds 3] [--device cpu]

A `SmallCNN` learns shape, texture and colour of single Trifeatures images with labels, from crops; the accuracy is that
on combinations that are in neither the training nor the test split. About 40 s a run on one core.
"""

import argparse
import statistics
import time

from measure import torch  # isort: split

import torch.nn.functional as F
from torch import nn

from comm_lite.data import ImageAugment
from comm_lite.nn import SmallCNN
from comm_lite.train import TrainConfig, fit
from comm_lite.worlds import TrifeaturesConfig, trifeatures

BATCH = 64


def run(kernel_lr, seed, epochs, device):
    config = TrifeaturesConfig(validation_combinations=160, train_pairs=100, test_pairs=100)
    data = trifeatures(config, seed=seed, device=device)
    train, held_out = data.train.images, data.validation.images
    torch.manual_seed(seed)
    encoder = SmallCNN()
    model = nn.Sequential(encoder, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(encoder.dim, 30))
    augment, draws = ImageAugment(crop_scale=(0.2, 1.0), blur_chance=0.0), torch.Generator(device).manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)

    def step(model, rows):
        logits = model(augment(train.pixels[rows] / 255, generator=draws)).float().view(-1, 3, 10)
        return F.cross_entropy(logits.flatten(0, 1), train.factors[rows].flatten())

    class Rows:
        def __len__(self):
            return len(train.pixels) // BATCH

        def __iter__(self):
            order = torch.randperm(len(train.pixels), generator=shuffle)
            yield from order[: len(self) * BATCH].view(-1, BATCH)

    settings = TrainConfig(
        epochs=epochs,
        lr=2e-3,
        kernel_lr=kernel_lr,
        weight_decay=1e-2,
        precision="bfloat16",
        device=device,
        progress=False,
    )
    start = time.perf_counter()
    fit(model, step, Rows(), settings)
    seconds = time.perf_counter() - start
    with torch.no_grad():
        found = torch.cat([model(part / 255).view(-1, 3, 10).argmax(2) for part in held_out.pixels.split(200)])
    return [100 * value for value in (found == held_out.factors).float().mean(0).tolist()], seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    print(f"torch {torch.__version__}, {given.device}, {torch.get_num_threads()} threads, {given.epochs} epochs")
    print(f"{'optimiser':16} {'seeds':>5}  shape %          texture %        colour %         seconds")
    means = {}
    for name, kernel_lr in (("AdamW", None), ("AdamW and Muon", 0.02)):
        runs = [run(kernel_lr, seed, given.epochs, given.device) for seed in range(given.seeds)]
        columns = []
        for values in zip(*(accuracy for accuracy, _ in runs), strict=True):
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            columns.append(f"{statistics.mean(values):5.1f} ± {spread:4.1f}    ")
        seconds = statistics.mean(seconds for _, seconds in runs)
        means[name] = [statistics.mean(values) for values in zip(*(accuracy for accuracy, _ in runs), strict=True)]
        print(f"{name:16} {given.seeds:>5}  {'  '.join(columns)} {seconds:6.1f}", flush=True)
    gain = [with_ - without for with_, without in zip(means["AdamW and Muon"], means["AdamW"], strict=True)]
    print(f"gain in points: shape {gain[0]:+.1f}, texture {gain[1]:+.1f}, colour {gain[2]:+.1f}")


if __name__ == "__main__":
    main()
