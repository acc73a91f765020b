"""One wrong input for each public function and class: the list of names comes from the package, so none is left out.

The full set of refusals of a module is in its own test; here stands at least one, with the three parts of its text.
"""

import inspect
import re
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from surface import public_callables
from torch import nn

import comm_lite
from comm_lite import data, evaluate, losses, plot, teach, train
from comm_lite import nn as parts


class Wrong(NamedTuple):
    call: Callable[[], object]
    error: type[Exception]
    text: str


Z = torch.eye(4)
BAD = Z * float("nan")
IMAGES = torch.rand(2, 3, 8, 8)
BYTES = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


def generator():
    return torch.Generator().manual_seed(0)


def pictures():
    factors = data.combinations()[::97]
    return data.Images(torch.zeros(len(factors), 3, 8, 8, dtype=torch.uint8), factors)


def pairs():
    return data.Pairs(pictures(), torch.zeros(5, 2, dtype=torch.long), torch.arange(10))


def one_modality():
    return {"image": nn.Identity()}, {"image": parts.TokenConverter(4, 8)}


FINITE = r"must be finite, got 16 NaN or infinite of 16 numbers; look for a division by zero"
WHOLE = r"must be at least 1, got 0; pass a larger one"

WRONG = {
    "losses.clip_loss": [Wrong(lambda: losses.clip_loss(Z, BAD, logit_scale=1.0), ValueError, f"text {FINITE}")],
    "losses.clip_terms": [Wrong(lambda: losses.clip_terms(BAD, Z, logit_scale=1.0), ValueError, f"image {FINITE}")],
    "losses.cmc_loss": [Wrong(lambda: losses.cmc_loss({"a": Z, "b": BAD}), ValueError, FINITE)],
    "losses.cmc_terms": [
        Wrong(lambda: losses.cmc_terms({"a": Z}), ValueError, r"at least 2 modalities, got \['a'\]; add")
    ],
    "losses.comm_loss": [Wrong(lambda: losses.comm_loss(Z, BAD, {"a": Z}, {"a": Z}), ValueError, f"fused2 {FINITE}")],
    "losses.comm_terms": [
        Wrong(
            lambda: losses.comm_terms(Z, Z, {"a": Z}, {"b": Z}), ValueError, r"wanted \['a'\], got \['b'\]; take both"
        )
    ],
    "losses.cosine": [
        Wrong(lambda: losses.cosine(Z, Z[0]), ValueError, r"b must have shape \(B, D\), got \(4,\); bring")
    ],
    "losses.cross_self_loss": [
        Wrong(lambda: losses.cross_self_loss(Z, Z, BAD, Z), ValueError, f"first_views {FINITE}")
    ],
    "losses.cross_self_terms": [Wrong(lambda: losses.cross_self_terms(Z, BAD, Z, Z), ValueError, f"second {FINITE}")],
    "losses.info_nce": [
        Wrong(
            lambda: losses.info_nce(Z, Z, temperature=0.0), ValueError, r"temperature must be .* got 0.0; pass a value"
        ),
        Wrong(
            lambda: losses.info_nce(Z, Z[:, 1:], temperature=0.1), ValueError, r"wanted \(4, 4\), got \(4, 3\); row i"
        ),
    ],
    "losses.nt_xent": [
        Wrong(
            lambda: losses.nt_xent(Z[:1], Z[:1]), ValueError, r"z1 must hold at least 2 rows, got 1; a contrastive loss"
        ),
    ],
    "evaluate.embed": [
        Wrong(lambda: evaluate.embed(nn.Identity(), []), ValueError, r"at least one pair .* got none; a")
    ],
    "evaluate.linear_probe": [
        Wrong(
            lambda: evaluate.linear_probe(Z, torch.arange(4) % 2, Z, torch.arange(4)),
            ValueError,
            r"test_y must hold only classes seen in training, got unknown \[2, 3\]; check the split",
        )
    ],
    "data.Batches": [Wrong(lambda: data.Batches(pairs(), 0), ValueError, f"batch_size {WHOLE}")],
    "data.ImageAugment": [
        Wrong(
            lambda: data.ImageAugment(hue=0.7),
            ValueError,
            r"hue must lie in \[0.0, 0.5\], got 0.7; pass a value inside",
        ),
        Wrong(
            lambda: data.ImageAugment(crop_scale=(0.9, 0.1)),
            ValueError,
            r"crop_scale\[0\] must not exceed crop_scale\[1\], got \(0.9, 0.1\); swap them",
        ),
    ],
    "data.TrifeaturesConfig": [
        Wrong(lambda: data.TrifeaturesConfig(size=8), ValueError, r"size must be at least 16, got 8; pass a larger one")
    ],
    "data.blur": [
        Wrong(
            lambda: data.blur(IMAGES, sigma=torch.tensor([1.0, -1.0])),
            ValueError,
            r"sigma must be at least 0 pixels, got -1.0; pass 0 to keep an image as it is",
        )
    ],
    "data.pair_up": [
        Wrong(
            lambda: data.pair_up(pictures(), 3, mapping=torch.zeros(10).long(), generator=generator()),
            ValueError,
            r"mapping must be a permutation of 0..9, got .*; draw one with torch.randperm\(10\)",
        )
    ],
    "data.recolour": [
        Wrong(
            lambda: data.recolour(BYTES, hue=torch.zeros(2)),
            TypeError,
            r"images must hold floats in \[0, 1\], got torch.uint8; divide uint8 images by 255 first",
        )
    ],
    "data.render": [
        Wrong(
            lambda: data.render(torch.tensor([[0, 0, 10]]), generator=generator()),
            ValueError,
            r"factors must have shape \(B, 3\) with values in 0..9, got .*",
        )
    ],
    "data.trifeatures": [
        Wrong(
            lambda: data.trifeatures(data.TrifeaturesConfig(), seed=-1), ValueError, r"seed must be at least 0, got -1"
        )
    ],
    "data.warp": [
        Wrong(
            lambda: data.warp(IMAGES, boxes=torch.zeros(3, 4)),
            ValueError,
            r"boxes must have shape \(2, 4\), one entry an image, got \(3, 4\); make one draw an image",
        )
    ],
    "nn.AlexNetFeatures": [
        Wrong(
            lambda: parts.AlexNetFeatures()(torch.rand(1, 3, 32, 32)),
            ValueError,
            r"images must be at least 63 x 63 pixels for AlexNet, got \(32, 32\);",
        )
    ],
    "nn.ConcatSelfAttention": [
        Wrong(
            lambda: parts.ConcatSelfAttention(["image"], dim=32, heads=5),
            ValueError,
            r"heads must divide dim, got heads=5 and dim=32; choose for example heads=",
        )
    ],
    "nn.PatchConverter": [Wrong(lambda: parts.PatchConverter(0, 8), ValueError, f"channels {WHOLE}")],
    "nn.ProjectionHead": [
        Wrong(
            lambda: parts.ProjectionHead(8, hidden=8, out=4)(torch.rand(2, 5)),
            ValueError,
            r"z must have width 8, got shape \(2, 5\); project what fuse returned",
        )
    ],
    "nn.SmallCNN": [
        Wrong(
            lambda: parts.SmallCNN(width=8)(torch.rand(2, 1, 64, 64)),
            ValueError,
            r"images must have 3 channels, got shape \(2, 1, 64, 64\); move the channels to axis 1",
        )
    ],
    "nn.TokenConverter": [Wrong(lambda: parts.TokenConverter(0, 8), ValueError, f"features {WHOLE}")],
    "nn.sincos_2d": [
        Wrong(lambda: parts.sincos_2d(2, 2, 6), ValueError, r"dim must be a multiple of 4, got 6; sines and cosines")
    ],
    "models.CoMM": [
        Wrong(
            lambda: comm_lite.CoMM({"image": nn.Identity()}, {}, nn.Identity(), nn.Identity()),
            ValueError,
            r"converters must name the modalities of encoders, wanted \['image'\], got \[\]; give every modality one",
        )
    ],
    "models.TwoTower": [
        Wrong(
            lambda: comm_lite.TwoTower(*one_modality(), {"text": nn.Identity()}),
            ValueError,
            r"heads must name the modalities of encoders, wanted \['image'\], got \['text'\]; give every modality one",
        )
    ],
    "train.TrainConfig": [
        Wrong(
            lambda: train.TrainConfig(precision="float8"),
            ValueError,
            r"precision must be one of \['float32', 'bfloat16'\], got 'float8'; choose one of these",
        )
    ],
    "train.Muon": [
        Wrong(
            lambda: train.Muon([nn.Parameter(torch.zeros(3))]),
            ValueError,
            r"params must have at least two axes, got shape \(3,\) at position 0; leave biases and norms to AdamW",
        ),
    ],
    "train.orthogonalise": [
        Wrong(
            lambda: train.orthogonalise(torch.zeros(3)),
            ValueError,
            r"matrix must have shape \(m, n\), got \(3,\); bring it to 2 axes with reshape or unsqueeze",
        ),
    ],
    "train.fit": [
        Wrong(
            lambda: train.fit(nn.Linear(2, 1), lambda m, x: m(x).sum(), [], train.TrainConfig(progress=False)),
            ValueError,
            r"data must hold at least one batch, got none; use a smaller batch or more samples",
        )
    ],
    "plot.gallery": [
        Wrong(
            lambda: plot.gallery(IMAGES[:0], columns=2), ValueError, r"needs at least one image .* got 0 images and 0"
        )
    ],
    "plot.loss_curves": [
        Wrong(lambda: plot.loss_curves({}, title="none"), ValueError, r"losses must .*, got none; pass")
    ],
    "plot.score_bars": [
        Wrong(
            lambda: plot.score_bars({"CoMM": {"R": (1, 0, 2)}}, chance={"S": 50}, reference={}, title="t", alt="a"),
            ValueError,
            r"scores\['CoMM'\] must name only \['S'\], got unknown \['R'\]; drop or rename them",
        )
    ],
    "teach.Settings": [
        Wrong(
            lambda: setattr(teach.settings("smoke", smoke={"n": 1}, laptop={"n": 2}, gpu={"n": 3}), "n", 4),
            AttributeError,
            r"settings are fixed for a run, so n cannot be set; choose another profile",
        )
    ],
    "teach.assert_same": [
        Wrong(
            lambda: teach.assert_same(torch.sum, torch.sum, [Z]),
            TypeError,
            r"inputs must be a dict or a tuple, got list; write \(x,\) for one argument",
        )
    ],
    "teach.record": [
        Wrong(
            lambda: teach.record("2 words", 1),
            ValueError,
            r"name must begin with a letter .*, got '2 words'; choose one such as",
        )
    ],
    "teach.settings": [
        Wrong(
            lambda: teach.settings("desktop", smoke={}, laptop={}, gpu={}),
            ValueError,
            r"profile must be one of \['smoke', 'laptop', 'gpu'\], got 'desktop'; choose one of these",
        )
    ],
    "teach.show_source": [
        Wrong(
            lambda: teach.show_source(3),
            TypeError,
            r"obj must be a function, method or class written in Python, got 3;",
        )
    ],
}

# Results that the package builds and hands out; a reader reads them and never makes one. Who makes it, for each.
RESULTS = {
    "evaluate.Score": "evaluate.linear_probe",
    "data.Images": "data.trifeatures",
    "data.Pairs": "data.pair_up",
    "data.Trifeatures": "data.trifeatures",
    "train.History": "train.fit",
}
PUBLIC = public_callables()


def takes_nothing(function):
    return inspect.isfunction(function) and not inspect.signature(function).parameters


def test_every_public_callable_has_a_wrong_input_here():
    wanted = {name for name, value in PUBLIC.items() if not takes_nothing(value)} - set(RESULTS)
    assert len(wanted) > 20
    assert sorted(wanted - set(WRONG)) == [], "add a row for each"
    assert sorted(set(WRONG) - wanted) == [], "these are no longer public: take the rows out"
    assert all(WRONG.values())


def test_results_are_dataclasses_that_some_function_makes():
    for name, maker in RESULTS.items():
        assert hasattr(PUBLIC[name], "__dataclass_fields__")
        assert maker in WRONG


@pytest.mark.parametrize(
    "wrong", [pytest.param(wrong, id=f"{name}-{i}") for name, rows in WRONG.items() for i, wrong in enumerate(rows)]
)
def test_a_wrong_input_is_refused_with_its_text(wrong):
    with pytest.raises(wrong.error) as caught:
        wrong.call()
    assert type(caught.value) is wrong.error
    assert re.search(wrong.text, str(caught.value)), str(caught.value)
    # What was wanted, what came, what to do: the text has a second half.
    assert ";" in str(caught.value)
