"""One wrong input for each public function and class: the list of names comes from the package, so none is left out.

The full set of refusals of a module is in its own test; here stands at least one, with the three parts of its text.
"""

import inspect
import re
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from surface import public_callables
from torch import nn

import comm_lite
from comm_lite import alignment, bounds, data, evaluate, info, losses, pid, train, worlds
from comm_lite import nn as parts
from comm_lite.book import controlled, ledger, plot, teach


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
    factors = worlds.combinations()[::97]
    return worlds.Images(torch.zeros(len(factors), 3, 8, 8, dtype=torch.uint8), factors)


def pairs():
    return worlds.Pairs(pictures(), torch.zeros(5, 2, dtype=torch.long), torch.arange(10))


def without_tensorboard():
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "torch.utils.tensorboard", None)
        train.tensorboard_writer("never-written")


def declaring(**roles):
    model = nn.Linear(2, 1)
    model.parameter_roles = roles
    return model


def one_modality():
    return {"image": nn.Identity()}, {"image": parts.TokenConverter(4, 8)}


FINITE = r"must be finite, got 16 NaN or infinite of 16 numbers; look for a division by zero"
WHOLE = r"must be at least 1, got 0; pass a larger one"

RECIPE = controlled.Recipe(16, 1, 1e-3)
SUMS_TO_2 = torch.full((2, 2), 0.5).numpy()
SUM = r"p must sum to 1, got 2; divide it by its sum"

WRONG = {
    "bounds.SeparableCritic": [Wrong(lambda: bounds.SeparableCritic(0, 2), ValueError, f"dim_x {WHOLE}")],
    "bounds.club": [Wrong(lambda: bounds.club(BAD), ValueError, f"log_likelihood {FINITE}")],
    "bounds.donsker_varadhan": [Wrong(lambda: bounds.donsker_varadhan(BAD), ValueError, f"scores {FINITE}")],
    "bounds.gaussian_pair": [
        Wrong(
            lambda: bounds.gaussian_pair(2, -1.0, 8, generator=generator()),
            ValueError,
            r"information must lie in \[0.0, 20.0\], got -1.0; pass a value inside",
        )
    ],
    "bounds.info_nce_bound": [
        Wrong(
            lambda: bounds.info_nce_bound(Z[:1]), ValueError, r"at least 2 pairs, .* got shape \(1, 4\); pass a square"
        )
    ],
    "bounds.nce_club": [Wrong(lambda: bounds.nce_club(BAD), ValueError, f"scores {FINITE}")],
    "bounds.nwj": [
        Wrong(lambda: bounds.nwj(Z.long()), TypeError, r"floating-point scores, got torch.int64; call .float")
    ],
    "bounds.smile": [Wrong(lambda: bounds.smile(Z, clip=0.0), ValueError, r"clip must be .* got 0.0; pass a value")],
    "controlled.Recipe": [
        Wrong(
            lambda: controlled.Recipe(16, 1, 1e-3, heads=3),
            ValueError,
            r"heads=3 and dim=16; choose for example heads=8",
        )
    ],
    "controlled.Setting": [
        Wrong(
            lambda: controlled.Setting(worlds.TrifeaturesConfig(), RECIPE, RECIPE, batch=20_000),
            ValueError,
            r"batch=20000 and train_pairs=10000; change one of the two fields",
        )
    ],
    "controlled.build": [
        Wrong(
            lambda: controlled.build("SimCLR", controlled.SETTINGS["smoke"], "biased"),
            ValueError,
            r"method must be one of .* got 'SimCLR'; choose",
        )
    ],
    "controlled.pretrain": [
        Wrong(
            lambda: controlled.pretrain("CoMM", controlled.SETTINGS["smoke"], None, "skewed"),
            ValueError,
            r"pairs must be one of .* got 'skewed'; choose",
        )
    ],
    "controlled.probe": [
        Wrong(lambda: controlled.probe(None, None, ("R",), part="train"), ValueError, r"got 'train'; choose one of")
    ],
    "controlled.run": [
        Wrong(
            lambda: controlled.run("CoMM", controlled.SETTINGS["smoke"], "biased", seed=-1),
            ValueError,
            r"seed must be at least 0, got -1; pass a larger one",
        )
    ],
    "info.co_information": [
        Wrong(lambda: info.co_information(SUMS_TO_2), ValueError, r"shape \(X1, X2, Y\), got .*; one")
    ],
    "info.conditional_entropy": [Wrong(lambda: info.conditional_entropy(SUMS_TO_2), ValueError, SUM)],
    "info.conditional_mutual_information": [
        Wrong(
            lambda: info.conditional_mutual_information(SUMS_TO_2), ValueError, r"shape \(X, Y, Z\), got .*; one axis"
        )
    ],
    "info.distribution": [Wrong(lambda: info.distribution([1, 0]), TypeError, r"as floats, got int64; divide counts")],
    "info.entropy": [Wrong(lambda: info.entropy(SUMS_TO_2), ValueError, SUM)],
    "info.joint": [
        Wrong(lambda: info.joint([(0, 1), (0,)]), ValueError, r"of one length, got lengths \[1, 2\]; pass one value"),
        Wrong(lambda: info.joint([]), ValueError, r"tuples of one length, got lengths \[\]; pass one value a variable"),
        Wrong(lambda: info.joint({("a",): 0.4}), ValueError, r"outcomes must sum to 1, got 0.4; divide it by its sum"),
    ],
    "info.kl_divergence": [
        Wrong(lambda: info.kl_divergence([1.0], [0.5, 0.5]), ValueError, r"wanted \(1,\), got \(2,\); list the same")
    ],
    "info.mutual_information": [Wrong(lambda: info.mutual_information(SUMS_TO_2), ValueError, SUM)],
    "losses.binding_loss": [
        Wrong(lambda: losses.binding_loss({"a": Z, "b": BAD}, anchor="a"), ValueError, FINITE),
        Wrong(
            lambda: losses.binding_loss({"a": Z, "b": Z}, anchor="c"),
            ValueError,
            r"anchor must be one of \['a', 'b'\], got 'c'; choose one of these",
        ),
    ],
    "losses.binding_terms": [
        Wrong(
            lambda: losses.binding_terms({"a": Z}, anchor="a"), ValueError, r"at least 2 modalities, got \['a'\]; add"
        )
    ],
    "ledger.Published": [Wrong(lambda: ledger.Published(1.0, None, ""), ValueError, r"line, got ''; rewrite")],
    "ledger.Row": [
        Wrong(
            lambda: ledger.Row("a", "a", "a", "smoke", *"a" * 15),
            ValueError,
            r"profile must be one of .*, got 'smoke'; choose",
        )
    ],
    "ledger.append": [
        Wrong(lambda: ledger.append("ledger.json", {}), TypeError, r"row must be a Row, got dict; make one, or fill")
    ],
    "ledger.latest": [Wrong(lambda: ledger.latest([3]), TypeError, r"rows must hold only Rows, got int; pass what")],
    "ledger.read_ledger": [
        Wrong(lambda: ledger.read_ledger(__file__), ValueError, r"JSON list, got what cannot be read .*; the file")
    ],
    "losses.FactorCL": [Wrong(lambda: losses.FactorCL(("a", "b"), 0), ValueError, f"dim {WHOLE}")],
    "losses.supcon_loss": [
        Wrong(lambda: losses.supcon_loss(Z, torch.arange(4)), ValueError, r"comes twice, got 4 different ones; use a")
    ],
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
    "evaluate.present": [
        Wrong(lambda: evaluate.present({"a": Z}, ["b"]), ValueError, r"keep must name only \['a'\], got .*; drop or")
    ],
    "evaluate.probe_subsets": [
        Wrong(
            lambda: evaluate.probe_subsets(nn.Identity(), [], [], modalities="ab", tasks=["t"]),
            TypeError,
            r"modalities must be a list of texts, got 'ab'; put a single one into a list",
        )
    ],
    "evaluate.subsets": [
        Wrong(lambda: evaluate.subsets(["a", "a"]), ValueError, r"modalities must differ, got .*; name each of them")
    ],
    "evaluate.linear_probe": [
        Wrong(
            lambda: evaluate.linear_probe(Z, torch.arange(4) % 2, Z, torch.arange(4)),
            ValueError,
            r"test_y must hold only classes seen in training, got unknown \[2, 3\]; check the split",
        )
    ],
    "evaluate.clip_score": [
        Wrong(lambda: evaluate.clip_score(Z, Z, weight=0), ValueError, r"weight must be .* got 0; pass a value")
    ],
    "evaluate.minimal_pair_scores": [
        Wrong(lambda: evaluate.minimal_pair_scores(Z), ValueError, r"must have shape \(T, A, B\), got \(4, 4\); bring")
    ],
    "evaluate.retrieval": [
        Wrong(
            lambda: evaluate.retrieval(Z, Z, query_items=torch.arange(4), key_items=torch.arange(1, 5)),
            ValueError,
            r"key_items must hold the item of every query, got none for 1 queries, such as item 0; add",
        )
    ],
    "evaluate.retrieval_ranks": [
        Wrong(
            lambda: evaluate.retrieval_ranks(Z, Z[:, 1:] + 1),
            ValueError,
            r"keys must have the width of queries, wanted 4, got 3; take both from one shared space",
        )
    ],
    "evaluate.bleu": [
        Wrong(lambda: evaluate.bleu("a", []), TypeError, r"candidates must be a list of texts, got 'a'; put a single")
    ],
    "evaluate.cider": [
        Wrong(lambda: evaluate.cider(["a"], []), ValueError, r"references must hold one list for .*, got 0; put the")
    ],
    "evaluate.tuple_f1": [
        Wrong(lambda: evaluate.tuple_f1([[1]], [[]]), ValueError, r"true must name one .*, got 1 images, .*; drop")
    ],
    "evaluate.usable_information": [
        Wrong(
            lambda: evaluate.usable_information(Z, torch.arange(4) % 2, reader="cosine"),
            ValueError,
            r"z must be a tuple .* got one t",
        )
    ],
    "evaluate.zero_shot": [
        Wrong(
            lambda: evaluate.zero_shot(Z, Z[:3], torch.arange(4)),
            ValueError,
            r"labels must lie in 0..2, got 0..3; number them as classes",
        )
    ],
    "evaluate.zero_shot_classifier": [
        Wrong(
            lambda: evaluate.zero_shot_classifier(len, ["dog", "bee"], ["a photo"]),
            ValueError,
            r"templates must have one {} for the name, got 'a photo'; write 'a photo of a {}.'",
        )
    ],
    "data.Table": [
        Wrong(lambda: data.Table({}, {}), ValueError, "x must hold at least 1 modalities, got"),
        Wrong(
            lambda: data.Table({"a": torch.ones(3, 2), "b": torch.ones(2, 2)}, {}),
            ValueError,
            r"x\['b'\] must have one entry for each of the 3 rows, got shape \(2, 2\);",
        ),
        Wrong(
            lambda: data.Table({"a": torch.ones(3, 2)}, {"t": torch.ones(2)}),
            ValueError,
            r"y\['t'\] must have one entry for each of the 3 rows, got shape \(2,\);",
        ),
    ],
    "data.stream": [
        Wrong(lambda: data.stream(-1), ValueError, "seed must be at least 0, got -1;"),
        Wrong(lambda: data.stream(0, 1.5), TypeError, "purpose must be an integer, got float;"),
    ],
    "data.Batches": [Wrong(lambda: data.Batches(pairs(), 0), ValueError, f"batch_size {WHOLE}")],
    "worlds.CaptionsConfig": [
        Wrong(
            lambda: worlds.CaptionsConfig(kinds=("colour",)),
            ValueError,
            r"kinds must name only \['one', 'count', 'pair', 'relation'\], got unknown \['colour'\]; drop or rename",
        )
    ],
    "worlds.Phrase": [
        Wrong(lambda: worlds.Phrase("pair", ()), ValueError, r"relation must be one of .*, got ''; choose one of these")
    ],
    "worlds.draw_scenes": [
        Wrong(
            lambda: worlds.draw_scenes(Z.long(), Z.long(), place=Z, box=Z, angle=Z),
            ValueError,
            r"place must have shape \(4, 4, 2\), got \(4, 4\); give each object of shape one",
        )
    ],
    "worlds.hard_negative": [
        Wrong(
            lambda: worlds.hard_negative(worlds.Phrase("one", (("red", "star"),)), "count"),
            ValueError,
            r"kind='count' needs a phrase of kind count, got 'one'; choose another change or another phrase",
        )
    ],
    "worlds.lay_out": [
        Wrong(
            lambda: worlds.lay_out(BYTES[0], torch.ones(2).long(), torch.ones(2).long(), generator=generator()),
            ValueError,
            r"count must have one entry for each of the 3 rows, got shape \(2,\); take both",
        )
    ],
    "data.load_emoji": [
        Wrong(lambda: data.load_emoji(__file__), ValueError, r"must have sha256 .*; the file is damaged or of another")
    ],
    "worlds.make_captions": [
        Wrong(
            lambda: worlds.make_captions(worlds.CaptionsConfig(), seed=-1),
            ValueError,
            r"seed must be at least 0, got -1",
        )
    ],
    "worlds.minimal_pairs": [
        Wrong(
            lambda: worlds.minimal_pairs(None, "colour"), ValueError, r"kind must be one of .* got 'colour'; choose one"
        )
    ],
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
    "worlds.TrifeaturesConfig": [
        Wrong(
            lambda: worlds.TrifeaturesConfig(size=8), ValueError, r"size must be at least 16, got 8; pass a larger one"
        )
    ],
    "alignment.kept_by_alignment": [
        Wrong(lambda: alignment.kept_by_alignment(SUMS_TO_2), ValueError, "one axis a var")
    ],
    "alignment.optimal_critic": [
        Wrong(
            lambda: alignment.optimal_critic([[0.5, 0.0], [0.5, 0.0]]),
            ValueError,
            r"p must give every symbol a chance above 0, got a row or column of zeros; drop that symbol",
        )
    ],
    "alignment.view_gaps": [
        Wrong(lambda: alignment.view_gaps(SUMS_TO_2), ValueError, r"shape \(X1, X2, Y\), got .*; one axis")
    ],
    "worlds.MoviesConfig": [
        Wrong(
            lambda: worlds.MoviesConfig(shared=1.5),
            ValueError,
            r"shared must lie in \[0.0, 1.0\], got 1.5; pass a value",
        )
    ],
    "data.TextAugment": [
        Wrong(
            lambda: data.TextAugment(drop_chance=1.0), ValueError, r"drop_chance must lie in .*, got 1.0; pass a value"
        )
    ],
    "worlds.PlantedConfig": [
        Wrong(
            lambda: worlds.PlantedConfig(modalities=1),
            ValueError,
            r"modalities must be at least 2, got 1; pass a larger",
        )
    ],
    "data.VectorAugment": [
        Wrong(
            lambda: data.VectorAugment(drop_chance=1.0),
            ValueError,
            r"drop_chance must lie in .*, got 1.0; pass a value",
        )
    ],
    "worlds.planted_vectors": [
        Wrong(
            lambda: worlds.planted_vectors(worlds.PlantedConfig(), seed=-1),
            ValueError,
            r"seed must be at least 0, got -1;",
        )
    ],
    "worlds.draw_posters": [
        Wrong(
            lambda: worlds.draw_posters(torch.full((2, 4), 3), torch.rand(2, 25)),
            ValueError,
            r"scenes must have shape \(B, 4\) with columns below \[4, 3, 2, 2\], got shape \(2, 4\) with .*; the",
        )
    ],
    "worlds.exact_atoms": [
        Wrong(
            lambda: worlds.exact_atoms(worlds.MoviesConfig(romance=-0.1)),
            ValueError,
            r"romance must lie in .*, got -0.1;",
        )
    ],
    "worlds.latent_joint": [
        Wrong(
            lambda: worlds.latent_joint(worlds.MoviesConfig(), "Western"),
            ValueError,
            r"genre must be one of \['Romance', .*\], got 'Western'; choose one of these",
        )
    ],
    "worlds.make_movies": [
        Wrong(
            lambda: worlds.make_movies(worlds.MoviesConfig(), seed=-1), ValueError, r"seed must be at least 0, got -1;"
        )
    ],
    "data.blur": [
        Wrong(
            lambda: data.blur(IMAGES, sigma=torch.tensor([1.0, -1.0])),
            ValueError,
            r"sigma must be at least 0 pixels, got -1.0; pass 0 to keep an image as it is",
        )
    ],
    "worlds.pair_up": [
        Wrong(
            lambda: worlds.pair_up(pictures(), 3, mapping=torch.zeros(10).long(), generator=generator()),
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
    "worlds.render": [
        Wrong(
            lambda: worlds.render(torch.tensor([[0, 0, 10]]), generator=generator()),
            ValueError,
            r"factors must have shape \(B, 3\) with columns below \[10, 10, 10\], got .*",
        )
    ],
    "worlds.TriplesConfig": [Wrong(lambda: worlds.TriplesConfig(test=0), ValueError, f"test {WHOLE}")],
    "worlds.make_triples": [
        Wrong(
            lambda: worlds.make_triples(worlds.TriplesConfig(), seed=-1), ValueError, r"seed must be at least 0, got -1"
        )
    ],
    "worlds.triple_bits": [
        Wrong(
            lambda: worlds.triple_bits(["smell"]), ValueError, r"modalities must name only .*, got unknown .*; drop or"
        )
    ],
    "worlds.trifeatures": [
        Wrong(
            lambda: worlds.trifeatures(worlds.TrifeaturesConfig(), seed=-1),
            ValueError,
            r"seed must be at least 0, got -1",
        )
    ],
    "data.Tokenizer": [
        Wrong(
            lambda: data.train_tokenizer(["a b c"])(["a b c"], length=4),
            ValueError,
            r"must fit into length=4 with start and end, got 5 tokens in text 0, 'a b c'; raise length or",
        )
    ],
    "data.train_tokenizer": [
        Wrong(lambda: data.train_tokenizer([" "]), ValueError, r"at least one word, got 1 empty texts; check the")
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
    "nn.PerToken": [
        Wrong(
            lambda: parts.PerToken(torch.relu),
            TypeError,
            "module must be a torch.nn.Module, got builtin_function_or_method; wrap it in one",
        ),
    ],
    "nn.PretrainedCLIP": [
        Wrong(
            lambda: parts.PretrainedCLIP(nn.Identity(), None, None),
            TypeError,
            r"model must be a transformers.CLIPModel, got Identity; load one with from_pretrained",
        )
    ],
    **{
        f"nn.{name}": [
            Wrong(
                lambda name=name: getattr(parts, name)(["a", "a"], dim=8),
                ValueError,
                r"modalities must differ, got \['a', 'a'\]; name each of them once",
            )
        ]
        for name in (
            "BilinearFusion",
            "ConcatFusion",
            "CrossAttentionFusion",
            "FiLMFusion",
            "LateFusion",
            "LowRankFusion",
            "ProductFusion",
        )
    },
    **{
        f"nn.{name}": [
            Wrong(
                lambda name=name: getattr(parts, name)(9, heads=2),
                ValueError,
                "heads must divide dim, got heads=2 and dim=9; choose for example heads=3",
            )
        ]
        for name in ("GatedCrossAttention", "PerceiverResampler", "QFormer")
    },
    "nn.last_image": [
        Wrong(lambda: parts.last_image(torch.zeros(2), 1), ValueError, r"ids must have shape \(B, L\), got \(2,\)")
    ],
    "nn.qformer_mask": [
        Wrong(lambda: parts.qformer_mask(1, 1, "mlm"), ValueError, r"mode must be one of \['itc', 'itm', 'itg'\], got")
    ],
    "nn.PretrainedImages": [
        Wrong(
            lambda: parts.PretrainedImages(nn.Identity(), None),
            ValueError,
            "model must be one of .*, got Identity of type Identity; load it with PretrainedImages.from_pretrained",
        ),
    ],
    "nn.PretrainedTexts": [
        Wrong(
            lambda: parts.PretrainedTexts(nn.Identity(), None),
            ValueError,
            "model must be one of .*, got Identity of type Identity; load it with PretrainedTexts.from_pretrained",
        ),
    ],
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
            r"images must have 3 channels \(red, green, blue\), got 1 in shape \(2, 1, 64, 64\); move the",
        )
    ],
    "nn.TextTransformer": [
        Wrong(
            lambda: parts.TextTransformer(8)(torch.full((1, 2), 8)),
            ValueError,
            r"ids must lie in 0..7, got 8..8; build the encoder with the vocabulary of the tokenizer",
        )
    ],
    "nn.TokenConverter": [Wrong(lambda: parts.TokenConverter(0, 8), ValueError, f"features {WHOLE}")],
    "nn.cached_tokens": [
        Wrong(
            lambda: parts.cached_tokens(nn.Identity(), ["a"], "features"),
            TypeError,
            "tower must be a PretrainedImages or a PretrainedTexts, got Identity; load one with from_pretrained",
        ),
    ],
    "nn.load_weights": [
        Wrong(
            lambda: parts.load_weights(nn.Identity(), __file__, sha256="0" * 64),
            ValueError,
            r"test_errors.py must have sha256 000000000000…, got .* bytes; the file is damaged or of another version",
        )
    ],
    "nn.save_weights": [
        Wrong(
            lambda: parts.save_weights(nn.Embedding.from_pretrained(BAD), "never-written"),
            ValueError,
            f"weight in half precision {FINITE}",
        )
    ],
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
            r"precision must be one of \['float32', 'bfloat16', 'float16'\], got 'float8'; choose one of these",
        )
    ],
    "train.parameter_groups": [
        Wrong(
            lambda: train.parameter_groups(declaring(weigth="matrix"), train.TrainConfig()),
            ValueError,
            r"parameter_roles of the model must name its own parameters, got 'weigth'; declare it in the module that",
        )
    ],
    "train.PlateauWarning": [
        Wrong(
            lambda: train.fit(
                nn.Linear(2, 1),
                lambda m, x: 0 * m(x).sum() + 1,
                [torch.ones(1, 2)],
                train.TrainConfig(progress=False),
                guess=1.0,
            ),
            train.PlateauWarning,
            r"the loss is 1.000 after 25% of the steps, within 2 % of 1.000, that of a model that .*; raise lr",
        )
    ],
    "train.Checkpoints": [Wrong(lambda: train.Checkpoints("runs", keep=0), ValueError, f"keep {WHOLE}")],
    "train.latest_checkpoint": [
        Wrong(
            lambda: train.latest_checkpoint(__file__),
            ValueError,
            r"folder must be .*, got the file .*; pass its folder",
        )
    ],
    "train.save": [
        Wrong(
            lambda: train.save(nn.Linear(2, 1), "never-written", {"width": Z}),
            TypeError,
            r"a model must hold tensors and what JSON can hold, got .*Tensor is not JSON serializable; let evaluate",
        )
    ],
    "train.load": [
        Wrong(
            lambda: train.load(__file__, nn.Linear),
            ValueError,
            r"must be a whole model, got another thing .*; take one",
        )
    ],
    "train.jsonl_writer": [
        Wrong(
            lambda: train.jsonl_writer("nowhere/log.jsonl"),
            FileNotFoundError,
            r"found none at nowhere/log.jsonl; make it",
        )
    ],
    "train.tensorboard_writer": [
        Wrong(
            without_tensorboard, ImportError, r"must have the package tensorboard, got .*; pip install it or use jsonl"
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
    "pid.broja": [
        Wrong(lambda: pid.broja(torch.ones(2, 2, 2)), ValueError, r"p must sum to 1, got 8; divide it by its sum"),
    ],
    "pid.broja_batch": [
        Wrong(lambda: pid.broja_batch(torch.full((1, 1, 1, 1), 1.0)), TypeError, r"float64, got torch.float32; call"),
    ],
    "pid.additive": [Wrong(lambda: pid.additive(0), ValueError, r"bins must be at least 1, got 0; pass a larger one")],
    "pid.batch": [
        Wrong(
            lambda: pid.batch(Z, Z, torch.arange(4) % 2, generator=generator()),
            ValueError,
            r"size must be at most the number of samples, 4, got 128; lower it",
        )
    ],
    "pid.cluster": [
        Wrong(
            lambda: pid.cluster(Z, Z, torch.arange(4) % 2, generator=generator()),
            ValueError,
            r"x1 must have at least 20 samples and width 5, got \(4, 4\); lower clusters",
        )
    ],
    "pid.plug_in": [
        Wrong(
            lambda: pid.plug_in(torch.arange(4), torch.arange(4), torch.zeros(4)),
            TypeError,
            r"y must hold integers, got torch.float32; call .long\(\) first",
        )
    ],
    "pid.plug_in_bias": [Wrong(lambda: pid.plug_in_bias(Z.numpy()[None] / 4, 0), ValueError, f"samples {WHOLE}")],
    "pid.posterior": [
        Wrong(
            lambda: pid.posterior(Z, Z, torch.zeros(4).long(), generator=generator()),
            ValueError,
            r"y must hold at least two classes, got \[0\]; there is nothing to tell about",
        )
    ],
    "pid.posterior_pid": [
        Wrong(
            lambda: pid.posterior_pid(Z, Z, Z, torch.arange(4) % 2, bins=2, generator=generator()),
            ValueError,
            r"p1 must hold 2 probabilities a row that sum to 1, got torch.float32 \(4, 4\); pass what predict_proba",
        )
    ],
    "pid.sinkhorn": [
        Wrong(
            lambda: pid.sinkhorn(Z[None], Z[:1], Z[:1] * 2),
            ValueError,
            r"columns must have the total of rows for each class, wanted \[1.0\], got \[2.0\]; scale one",
        )
    ],
    "pid.combine": [
        Wrong(
            lambda: pid.combine(synergy=1.5),
            ValueError,
            r"synergy must lie in \[0.0, 1.0\], got 1.5; pass a value inside",
        )
    ],
    "pid.gain_angle": [
        Wrong(lambda: pid.gain_angle(120.0), ValueError, r"degrees must lie in \[0.0, 90.0\], got 120.0; pass a value")
    ],
    "pid.gaussian_scalar": [
        Wrong(
            lambda: pid.gaussian_scalar(corr_yx1=0.9, corr_yx2=0.9, corr_x1x2=-0.9),
            ValueError,
            r"the three correlations must belong to variables with noise of their own, got .*; pass weaker ones",
        )
    ],
    "pid.gaussian_vector": [
        Wrong(
            lambda: pid.gaussian_vector(torch.eye(3).numpy(), (1, 1, 2)),
            ValueError,
            r"covariance must have shape \(4, 4\) for sizes \(1, 1, 2\), got \(3, 3\); order it as X1, X2, Y",
        )
    ],
    "pid.imin": [
        Wrong(lambda: pid.imin(Z.numpy() / 4), ValueError, r"p must have shape \(X1, X2, Y\), got \(4, 4\); one axis a")
    ],
    "pid.measures": [
        Wrong(lambda: pid.measures(Z.numpy() / 4), ValueError, r"p must have shape \(X1, X2, Y\), got \(4, 4\); one")
    ],
    "pid.mmi": [
        Wrong(lambda: pid.mmi(0.5, 0.75, 0.6), ValueError, r"together must be at least 0.75, .*, got 0.6; check")
    ],
    "plot.atom_bars": [
        Wrong(
            lambda: plot.atom_bars({"AND": {"R": 1.0}}, title="t", alt="a"),
            ValueError,
            r"rows\['AND'\] must hold \['R', 'U1', 'U2', 'S'\], got \['R'\]; pass the atoms of a PID",
        )
    ],
    "plot.attention_map": [
        Wrong(
            lambda: plot.attention_map({"all": Z}, {"CLS": ["CLS"]}, title="t", alt="a"),
            ValueError,
            r"weights\['all'\] must be a table of the 1 tokens in parts, got shape \(4, 4\); put NaN where a token is",
        )
    ],
    "plot.contrastive_batch": [
        Wrong(
            lambda: plot.contrastive_batch(Z[:2], 0.1, names=["cat", "dog"]),
            ValueError,
            r"cosines must be a square table of two pairs or more .*, got shape \(2, 4\) .*; take one name a pair",
        )
    ],
    "plot.gate_mixer": [
        Wrong(
            lambda: plot.gate_mixer({"R": 0.5}),
            ValueError,
            r"strengths must hold \['R', 'U1', 'U2', 'S'\], got \['R'\]; measure the same everywhere",
        )
    ],
    "plot.infonce_gradient": [
        Wrong(
            lambda: plot.infonce_gradient(90, [0, 180], [0.1, 1.0], negative=[10, 20, 30]),
            ValueError,
            r"only one of temperature and negative can be moved, got 2 and 3 values; pass one number for the other",
        )
    ],
    "plot.loss_terms": [
        Wrong(
            lambda: plot.loss_terms({"both": {"joint": [1.0]}}, [1, 2], guess=5.0, alt="a"),
            ValueError,
            r"terms\['both'\] must hold up to 6 terms with 2 numbers each, .*, got {'joint': 1}; measure all terms",
        )
    ],
    "plot.mi_bounds": [
        Wrong(
            lambda: plot.mi_bounds({8: {"NWJ": ([1.0], [0.1])}}, [1.0, 2.0], title="t", alt="a"),
            ValueError,
            r"estimates\[8\] must hold up to 6 names with 2 means .*, got {'NWJ': \[1, 1\]}; measure all",
        )
    ],
    "plot.mixture_probe": [
        Wrong(
            lambda: plot.mixture_probe({"1": {}}, {"2": {}}, name="R", title="t", alt="a"),
            ValueError,
            r"found must hold \['1'\], got \['2'\]; measure the same everywhere",
        )
    ],
    "plot.sensor_angle": [
        Wrong(
            lambda: plot.sensor_angle(200), ValueError, r"degrees must lie in \[0, 180\], got 200; pass a value inside"
        )
    ],
    "plot.slider": [
        Wrong(
            lambda: plot.slider(str, [1, 2], name="k", start=3),
            ValueError,
            r"start must be one of the values \['1', '2'\], got 3; choose one of these",
        )
    ],
    "plot.embedding_map": [
        Wrong(
            lambda: plot.embedding_map({}, colours={}, title="t", alt="a"),
            ValueError,
            r"groups must .*, got none; pass",
        )
    ],
    "plot.search_results": [
        Wrong(
            lambda: plot.search_results(BYTES, {"q": []}, captions=["a", "b"], title="t", alt="a"),
            ValueError,
            r"found must hold as many rows for each query, at least 1, got \[0\]; cut to one k",
        )
    ],
    "plot.explore": [
        Wrong(
            lambda: plot.explore(print, share=(0.0, 1.0)),
            ValueError,
            r"share must be \(lowest, highest, start\), got \(0.0, 1.0\); pass for instance \(0.0, 1.0, 0.5\)",
        )
    ],
    "plot.iq_contour": [
        Wrong(
            lambda: plot.iq_contour([0.0, 0.1], [0.0], [[1.0]], points={}, title="t", alt="a"),
            ValueError,
            r"bits must have 1 rows of 2 numbers, one row a value of y; transpose it",
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
    "same.assert_same": [
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
    "controlled.Run": "controlled.run",
    "pid.Estimate": "pid.plug_in",
    "pid.PIDBatch": "pid.broja_batch",
    "pid.PID": "pid.broja",
    "pid.Gate": "pid.combine",
    "bounds.GaussianPair": "bounds.gaussian_pair",
    "evaluate.MinimalPairs": "evaluate.minimal_pair_scores",
    "evaluate.Retrieval": "evaluate.retrieval",
    "evaluate.Score": "evaluate.linear_probe",
    "evaluate.Usable": "evaluate.usable_information",
    "evaluate.ZeroShot": "evaluate.zero_shot",
    "worlds.Images": "worlds.trifeatures",
    "worlds.CaptionSplits": "worlds.make_captions",
    "data.Captioned": "data.load_emoji",
    "worlds.Described": "worlds.make_captions",
    "data.Emoji": "data.load_emoji",
    "worlds.Movies": "worlds.make_movies",
    "worlds.MovieSplits": "worlds.make_movies",
    "worlds.Pairs": "worlds.pair_up",
    "worlds.Planted": "worlds.planted_vectors",
    "worlds.PlantedSplits": "worlds.planted_vectors",
    "worlds.Trifeatures": "worlds.trifeatures",
    "worlds.Triples": "worlds.make_triples",
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
