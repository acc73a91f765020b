r"""Train in a process of one's own, kill it again and again, and go on: ``python killed.py folder seed random inside``.

The parent imports torch once and forks, so that a trial takes a fraction of a second. It prints one line of JSON: the
kills that met a training, the digests of what is left at the end, with kills and without.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from comm_lite.train import Checkpoints, TrainConfig, fit, latest_checkpoint, save

CONFIG = TrainConfig(epochs=4, lr=3e-3, kernel_lr=0.02, accumulate=2, clip_norm=1.0, progress=False)


class Shuffled:
    """Batches in an order of their own each epoch."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(1)
        self.x = torch.randn(90, 3, 8, 8, generator=torch.Generator().manual_seed(2))

    def __len__(self):
        return 9

    def __iter__(self):
        for rows in torch.randperm(90, generator=self.generator).view(9, 10):
            yield self.x[rows] + 0.1 * torch.randn(3, 8, 8)  # torch's own generator, at each fetch


def build(width):
    return nn.Sequential(
        nn.Conv2d(3, width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(36 * width, 4),
    )


def train(folder, pause=0.0):
    torch.manual_seed(0)
    model, noise = build(8).to(memory_format=torch.channels_last), torch.Generator().manual_seed(3)

    def step(model, x):
        time.sleep(pause)
        z = model(x + torch.randn(x.shape, generator=noise))
        spread = z.var(0).mean()
        return (z - x.mean((2, 3))[:, :1]).square().mean(), {"spread": spread}

    history = fit(
        model,
        step,
        Shuffled(),
        CONFIG,
        generators=[noise],
        evaluate=lambda model: model(torch.ones(2, 3, 8, 8)).mean().item(),
        guess=0.01,
        checkpoints=Checkpoints(folder, every=1, keep=2),
        resume=latest_checkpoint(folder),
    )
    save(model, Path(folder, "model"), {"width": 8})
    told = {name: value for name, value in vars(history).items() if "second" not in name}
    Path(folder, "history").write_text(json.dumps([told, torch.rand(1).item(), torch.rand(1, generator=noise).item()]))


def digests(folder):
    return [hashlib.sha256(Path(folder, name).read_bytes()).hexdigest() for name in ("model", "history")]


def child(folder, pause, inside):
    """Fork; the child trains, and dies by its own hand in the middle of its write number ``inside``."""
    process = os.fork()
    if process:
        return process
    writes, flush = [], os.fsync

    def fsync(handle):
        writes.append(1)
        if len(writes) == inside:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        flush(handle)

    os.fsync = fsync
    try:
        train(folder, pause)
    except BaseException as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def main(folder, seed, at_random, inside):
    draw, kills, longest = random.Random(seed), 0, 0.6
    train(Path(folder, "whole"))
    work = Path(folder, "killed")
    plan = draw.sample(["random"] * at_random + ["inside"] * inside, at_random + inside)
    while plan:
        kind = plan.pop()
        # in between, a pause: 20 kills must fit into 20 steps
        process = child(work, 0.1, draw.randint(1, 2) if kind == "inside" else None)
        if kind == "random":
            time.sleep(draw.uniform(0.0, longest))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            kills += 1
        elif os.WEXITSTATUS(status):
            raise SystemExit(1)
        else:  # it got through: begin again, so that every kill meets a training
            plan.append(kind)
            for path in work.iterdir():
                path.unlink()
    process = child(work, 0.0, None)
    if os.waitpid(process, 0)[1]:
        raise SystemExit(1)
    left = sorted(path.name for path in work.iterdir())
    print(json.dumps({"kills": kills, "whole": digests(Path(folder, "whole")), "killed": digests(work), "left": left}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], *map(int, sys.argv[2:]))
