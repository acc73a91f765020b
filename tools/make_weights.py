r"""Train the three small models of the talk and write their weights into book/talk_weights, with a list of checksums.

Usage: python tools/make_weights.py [NAME ...]

The models are built by the cells of book/talk.ipynb that are tagged `weights`, so that the talk loads what it shows;
they are trained here as chapter 2 trains its CLIP on emoji and as the opening chapter trains Cross and CoMM on movies.
One thread, seed 0; two runs on one machine write the same bytes. It takes about two minutes of processor time.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import replace

import torch

from comm_lite import TrainConfig, clip_loss, comm_loss, fit
from comm_lite._files import write_atomically
from comm_lite.data import ImageAugment, TextAugment
from comm_lite.nn import save_weights
from comm_lite.worlds import make_movies
from kernels import in_utf8
from run_chapters import ROOT

TALK, FOLDER, LIST = (ROOT / "book" / name for name in ("talk.ipynb", "talk_weights", "talk_weights.json"))
SIDES = ("image", "text")


def cells_tagged(tag):
    cells = json.loads(TALK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if tag in cell["metadata"].get("tags", [])]


def talk():
    r"""Return what the cells of the talk define that are tagged `weights`."""
    names = {}
    for cell in cells_tagged("weights"):
        exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    return names


def clip(talk):
    r"""The two towers of chapter 2: pictures cropped, three words in ten left out."""
    crop = ImageAugment(crop_scale=(0.6, 1.0), jitter_chance=0.0, gray_chance=0.0, blur_chance=0.0)
    leave_out, draws = TextAugment(drop_chance=0.3), torch.Generator().manual_seed(6)

    def step(model, batch):
        x = batch[0]
        view = dict(zip(("text", "text_mask"), leave_out(x["text"], x["text_mask"], generator=draws), strict=True))
        z = model.project(model(view | {"image": crop(x["image"], generator=draws)}))
        return clip_loss(z["image"], z["text"], logit_scale=model.log_scale.clamp(max=math.log(100)).exp())

    pairs = talk["emoji"].captioned("train", talk["words"], keywords=True, length=32)
    config = TrainConfig(epochs=32, lr=2e-3, kernel_lr=0.02, weight_decay=0.3, progress=False)
    torch.manual_seed(0)
    model = talk["clip"]()
    return model, fit(model, step, pairs.batches(128, generator=torch.Generator().manual_seed(7)), config)


def views_of_movies():
    see = ImageAugment(
        crop_scale=(0.4, 1.0), brightness=0.5, contrast=0.5, saturation=0.5, hue=0.02, gray_chance=0.0, blur_chance=0.0
    )
    hear, draws = TextAugment(drop_chance=0.4), torch.Generator().manual_seed(1)

    def view(x):
        text, _ = hear(x["text"], x["text_mask"], generator=draws)
        return {"image": see(x["image"], generator=draws), "text": text}

    return view


def on_movies(talk, method, epochs, step):
    r"""Train on movies in which faces and plot always go together, as the opening chapter does."""
    biased = make_movies(replace(talk["config"], biased=True), seed=100, tokenizer=talk["movies"].tokenizer).train
    config = TrainConfig(epochs=epochs, lr=6e-3, kernel_lr=0.01, weight_decay=0.01, progress=False)
    torch.manual_seed(0)
    model = talk["movie_model"](method)
    return model, fit(model, step, biased.batches(128, generator=torch.Generator().manual_seed(2)), config)


def cross(talk):
    view = views_of_movies()

    def step(model, batch):
        p = model.project(model(view(batch[0])))
        return clip_loss(p["image"], p["text"], logit_scale=10.0)

    return on_movies(talk, "Cross", 20, step)


def comm(talk):
    view = views_of_movies()

    def step(model, batch):
        views = [model.encode(view(batch[0])) for _ in range(2)]
        both = [model.project(model.fuse(tokens)) for tokens in views]
        alone = [{side: model.project(model.fuse(t, keep=(side,))) for side in SIDES} for t in views]
        return comm_loss(*both, *alone)

    return on_movies(talk, "CoMM", 30, step)


MODELS = {"clip": clip, "cross": cross, "comm": comm}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}; default: all")
    names = parser.parse_args(arguments).names
    if unknown := sorted(set(names) - set(MODELS)):
        parser.error(f"unknown model {', '.join(unknown)}; the models are {', '.join(MODELS)}")
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    sums = json.loads(LIST.read_text(encoding="utf-8")) if LIST.is_file() else {}
    models = talk()
    for name in names or MODELS:
        begin = time.process_time()
        model, history = MODELS[name](models)
        path = FOLDER / f"{name}.safetensors"
        sums[path.name] = save_weights(model, path)
        seconds, kilobytes = time.process_time() - begin, path.stat().st_size / 1000
        losses = f"loss {history.loss[0]:.2f} to {history.loss[-1]:.2f}"
        print(f"{path.name}  {losses}, {seconds:.0f} s of processor time, {kilobytes:.0f} kB", flush=True)
        write_atomically(LIST, (json.dumps(dict(sorted(sums.items())), indent=1) + "\n").encode())
    return 0


if __name__ == "__main__":
    in_utf8()
    sys.exit(main())
