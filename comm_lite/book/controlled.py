r"""The controlled experiment: one data set, one encoder, five objectives. Chapter 12 runs it, a benchmark repeats it.

What is compared is the objective. Data, encoder, views, optimiser and epochs are the same for all methods, and stand in
a `Setting` for each size of the experiment.

Source: Dufumier et al. (ICLR 2025), "What to align in multimodal contrastive learning?", section 4.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.data import ImageAugment
from comm_lite.data.batches import stream
from comm_lite.evaluate import Score, embed, linear_probe
from comm_lite.losses import FactorCL, comm_loss, comm_terms, cross_self_loss, nt_xent, supcon_loss
from comm_lite.models import CoMM, TwoTower
from comm_lite.nn import AlexNetFeatures, ConcatSelfAttention, PatchConverter, ProjectionHead, SmallCNN
from comm_lite.train import History, TrainConfig, fit
from comm_lite.worlds import Pairs, Trifeatures, TrifeaturesConfig, trifeatures

__all__ = [
    "LABELS", "METHODS", "Recipe", "Run", "SETTINGS", "SIDES", "STRENGTHS", "Setting", "TASKS", "build", "pretrain",
    "probe", "run",
]  # fmt: skip

_WEIGHTS, _VIEWS, _ORDER = range(600, 603)  # purposes of random numbers

SIDES = ("image1", "image2")
"""The two modalities: both are images, with an encoder each."""

TASKS = {"unbiased": ("R", "U1", "U2"), "biased": ("S", "S, weighted")}
"""What is read off the model that was pre-trained on each of the two kinds of pairs. ``"S, weighted"`` asks for the
label S with a probe that counts the rare class as much as the other."""

LABELS = ("R", "U1", "U2", "S")
"""The labels of a pair, which SupCon alone is told."""

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Values that the probe chooses its ``C`` from, inside the training part."""


@dataclass(frozen=True)
class Recipe:
    r"""How a model is built and trained on one kind of pairs, the same for all methods."""

    dim: int
    r"""Width D of tokens and of the representation."""
    epochs: int
    r"""Passes over the pairs."""
    lr: float
    r"""Largest learning rate of AdamW."""
    kernel_lr: float | None = None
    r"""Largest learning rate of Muon on the convolution kernels; None leaves them to AdamW, as the paper does."""
    layers: int = 1
    r"""Transformer layers of the fusion."""
    heads: int = 4
    r"""Attention heads; must divide ``dim``."""
    weight_decay: float = 0.3
    r"""AdamW's and Muon's decay of matrices and kernels."""
    deep_head: bool = True
    r"""Whether three layers stand between representation and loss, as in the paper, or one linear map."""
    augment: ImageAugment = field(default_factory=ImageAugment)
    r"""The views of an image."""

    def __post_init__(self) -> None:
        for name in ("dim", "epochs", "layers"):
            _check.whole(name, getattr(self, name))
        _check.heads(self.dim, self.heads)


@dataclass(frozen=True)
class Setting:
    r"""One size of the controlled experiment."""

    data: TrifeaturesConfig
    r"""Images and pairs."""
    unbiased: Recipe
    r"""For pairs that tell R, U1 and U2."""
    biased: Recipe
    r"""For pairs that all fit the map, which tell S."""
    encoder: Callable[[], nn.Module] = SmallCNN
    r"""Makes the encoder of one image; it has ``dim`` channels."""
    hidden: int = 512
    r"""Width of the hidden layers of a deep head."""
    out: int = 128
    r"""Width of the space that the loss compares in."""
    batch: int = 128
    r"""Pairs in a batch."""
    precision: str = "bfloat16"
    r"""As in `TrainConfig`."""

    def __post_init__(self) -> None:
        for name in ("hidden", "out", "batch"):
            _check.whole(name, getattr(self, name))
        if self.batch > self.data.train_pairs:
            raise ValueError(
                f"batch must be at most data.train_pairs, got batch={self.batch} and "
                f"train_pairs={self.data.train_pairs}; change one of the two fields"
            )


def _views(crop: float, *, blur: float = 0.0, size: int | None = None) -> ImageAugment:
    return ImageAugment(crop_scale=(crop, 1.0), blur_chance=blur, size=size)


_PAPER = Recipe(512, 100, 3e-4, heads=8, weight_decay=1e-4, augment=_views(0.08, blur=0.5))

SETTINGS = {
    "smoke": Setting(
        data=TrifeaturesConfig(size=48, train_renders=2, test_renders=2, train_pairs=1000, test_pairs=1000),
        unbiased=Recipe(32, 3, 2e-3, 0.01, augment=_views(0.3)),
        biased=Recipe(32, 2, 2e-3, 0.01, deep_head=False, augment=_views(0.3)),
        encoder=lambda: SmallCNN(width=8), hidden=64, out=32, batch=50, precision="float32",
    ),
    "laptop": Setting(
        data=TrifeaturesConfig(),
        unbiased=Recipe(256, 7, 2e-3, 0.01, augment=_views(0.3)),
        biased=Recipe(256, 5, 3e-3, 0.02, deep_head=False, augment=_views(0.1, size=48)),
    ),
    "budget": Setting(
        data=TrifeaturesConfig(),
        unbiased=Recipe(256, 16, 2e-3, 0.01, augment=_views(0.3)),
        biased=Recipe(256, 15, 3e-3, 0.02, deep_head=False, augment=_views(0.1, size=48)),
    ),
    "gpu": Setting(
        data=TrifeaturesConfig(size=224, texture_period=10.0, train_renders=3),
        unbiased=_PAPER, biased=_PAPER, encoder=AlexNetFeatures, out=256, batch=64,
    ),
}  # fmt: skip
"""From seconds to the paper's scale: ``smoke`` shows that it runs, ``laptop`` is cut short for the book, ``budget``
takes at most ten minutes a pre-training on two cores, ``gpu`` is the paper's setting."""


def build(method: str, setting: Setting, pairs: str, *, seed: int = 0) -> nn.Module:
    r"""Make the model of one method: encoders and converters are the same, what comes behind them is not.

    Args:
        method: one of `METHODS`.
        setting: see `SETTINGS`.
        pairs: ``"unbiased"`` or ``"biased"``: which recipe of the setting to follow.
        seed: of the first weights.

    Returns:
        A `TwoTower`, or a `CoMM` for the methods that fuse (CoMM and SupCon).

    Raises:
        ValueError: if ``method`` or ``pairs`` is unknown.

    Example:
        >>> model = build("CoMM", SETTINGS["smoke"], "unbiased")
        >>> model({side: torch.rand(2, 3, 48, 48) for side in SIDES}).shape
        torch.Size([2, 32])
    """
    _check.one_of("method", method, METHODS)
    _check.one_of("pairs", pairs, TASKS)
    of: Recipe = getattr(setting, pairs)

    def head(out: int) -> nn.Module:
        return ProjectionHead(of.dim, hidden=setting.hidden, out=out) if of.deep_head else nn.Linear(of.dim, out)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, _WEIGHTS).initial_seed())
        encoders = {side: setting.encoder() for side in SIDES}
        converters = {side: PatchConverter(encoders[side].dim, of.dim) for side in SIDES}
        if method.startswith("CoMM") or method == "SupCon":
            fusion = ConcatSelfAttention(SIDES, dim=of.dim, layers=of.layers, heads=of.heads)
            heads = head(setting.out)
            if method == "SupCon":
                heads = _Heads({label: head(setting.out) for label in LABELS})
            return CoMM(encoders, converters, fusion, heads)
        if not method.startswith("FactorCL"):
            return TwoTower(encoders, converters, {side: head(setting.out) for side in SIDES})
        model = TwoTower(encoders, converters, {side: nn.Identity() for side in SIDES})
        model.objective = FactorCL(SIDES, of.dim, out=setting.out // 2)  # has heads and critics for each term
        return model


class _Heads(nn.ModuleDict):
    r"""One projection a label, of the same representation."""

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        return {label: head(z) for label, head in self.items()}


View = Callable[..., dict[str, Tensor]]


def _cross(model: TwoTower, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""Align the two images of a pair: what only one of them shows cannot help."""
    p = model.project(model(view()))
    return nt_xent(*p.values())


def _cross_self(model: TwoTower, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""Align the two images, and each image with another view of itself."""
    p, q = (model.project(model(view())) for _ in range(2))
    return cross_self_loss(*p.values(), *q.values())


def _factor_cl(model: TwoTower, view: View, labels: dict[str, Tensor], *, unique: bool = True) -> Tensor:
    r"""Estimate the shared and the unique parts apart, each bound with heads and a critic of its own.

    With ``unique`` views the second image is not cropped, as the authors ran it: a view must keep what the first image
    does not tell, I(X2; X2' | X1) = I(X2; Y | X1), see Liang et al. (2023), section 3.3.
    """
    first, second = (model.project(model(view(unique=unique))) for _ in range(2))
    model.objective.fit_critics(first, second)
    return model.objective(first, second)


def _factor_cl_crops(model: TwoTower, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""FactorCL with small crops of both images, where its authors crop one."""
    return _factor_cl(model, view, labels, unique=False)


def _last_terms(model: TwoTower) -> dict[str, float]:
    return {term: value.item() for term, value in model.objective.last.items()}


def _comm(model: CoMM, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""Fuse first: align two views of the whole pair, and each image alone with the pair."""
    tokens = [model.encode(view()) for _ in range(2)]
    fused = [model.project(model.fuse(t)) for t in tokens]
    alone = [{side: model.project(model.fuse(t, keep=(side,))) for side in SIDES} for t in tokens]
    return comm_loss(*fused, *alone)


def _comm_joint(model: CoMM, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""The first term of CoMM's loss by itself: two views of the whole pair."""
    return nt_xent(*(model.project(model(view())) for _ in range(2)))


def _comm_alone(model: CoMM, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""The other terms of CoMM's loss by themselves: each image alone with the whole pair."""
    tokens = [model.encode(view()) for _ in range(2)]
    fused = [model.project(model.fuse(t)) for t in tokens]
    alone = [{side: model.project(model.fuse(t, keep=(side,))) for side in SIDES} for t in tokens]
    terms = comm_terms(*fused, *alone)
    return sum(terms[side] for side in SIDES)


def _supcon(model: CoMM, view: View, labels: dict[str, Tensor]) -> Tensor:
    r"""The supervised row: fused views of pairs with the same label are alike, one projection a label."""
    p, q = (model.project(model(view())) for _ in range(2))
    return sum(supcon_loss(torch.cat([p[name], q[name]]), labels[name].repeat(2)) for name in p)


METHODS = {
    "Cross": _cross,
    "Cross+Self": _cross_self,
    "FactorCL": _factor_cl,
    "FactorCL (crops on both sides)": _factor_cl_crops,
    "SupCon": _supcon,
    "CoMM": _comm,
    "CoMM (L only)": _comm_joint,
    "CoMM (sum of L_i only)": _comm_alone,
}
"""The loss of each method, as a function of the model, a source of views, and labels that only SupCon looks at."""


def pretrain(
    method: str, setting: Setting, data: Trifeatures, pairs: str, *, seed: int = 0, progress: bool = True,
    evaluate: Callable[[nn.Module], object] | None = None,
) -> tuple[nn.Module, History]:  # fmt: skip
    r"""Train one method on one kind of pairs.

    Args:
        method: one of `METHODS`.
        setting: see `SETTINGS`.
        data: from `trifeatures`; training runs on the device where its images are.
        pairs: ``"unbiased"`` or ``"biased"``, which names the recipe, too. SupCon is given unbiased pairs with either,
            since that a pair fits is one of its labels.
        seed: of weights, order and views, a generator each.
        progress: whether to show a progress bar.
        evaluate: as in `fit`; for FactorCL it is by default the six terms of the last batch of an epoch, in nats.

    Returns:
        The trained model, in ``eval()``, and the `History` of its training.

    Raises:
        ValueError: if ``method`` or ``pairs`` is unknown, or training diverges.

    Example:
        >>> tiny = replace(SETTINGS["smoke"], data=TrifeaturesConfig(size=32, train_renders=1, train_pairs=100))
        >>> model, history = pretrain("Cross", tiny, trifeatures(tiny.data), "biased", progress=False)
        >>> len(history.loss)
        2
    """
    model = build(method, setting, pairs, seed=seed)
    if evaluate is None and method.startswith("FactorCL"):
        evaluate = _last_terms
    of: Recipe = getattr(setting, pairs)
    train: Pairs = data.train_biased if pairs == "biased" and method != "SupCon" else data.train
    device = train.images.pixels.device
    draws, order = stream(seed, _VIEWS, device=device), stream(seed, _ORDER)
    config = TrainConfig(
        epochs=of.epochs, lr=of.lr, kernel_lr=of.kernel_lr, weight_decay=of.weight_decay,
        precision=setting.precision, device=str(device), progress=progress,
    )  # fmt: skip

    def step(model: nn.Module, batch: tuple[dict[str, Tensor], dict[str, Tensor]]) -> Tensor:
        x, y = batch

        def view(*, unique: bool = False) -> dict[str, Tensor]:
            second = replace(of.augment, crop_scale=(1.0, 1.0)) if unique else of.augment
            augments = zip(SIDES, (of.augment, second), strict=True)
            return {side: augment(x[side], generator=draws) for side, augment in augments}

        return METHODS[method](model, view, y)

    history = fit(model, step, train.batches(setting.batch, generator=order), config, evaluate=evaluate)
    return model.eval(), history


def probe(
    model: nn.Module, data: Trifeatures, tasks: Iterable[str], *, part: str = "test", precision: str = "float32",
    seed: int = 0,
) -> dict[str, Score]:  # fmt: skip
    r"""Read tasks off a frozen model: trained on unbiased training pairs, scored on pairs of held-out combinations.

    Args:
        model: from `pretrain`.
        data: what it was trained on.
        tasks: among those of `TASKS`.
        part: ``"test"``, or ``"validation"`` to choose settings on.
        precision: of the representation, that of the training: half of it takes half the time.
        seed: of the probe.

    Returns:
        A `Score` a task; its interval resamples combinations.

    Raises:
        ValueError: if a task, ``part`` or ``precision`` is unknown, or the part was not split off.

    Example:
        >>> smoke = SETTINGS["smoke"]
        >>> scores = probe(build("Cross", smoke, "unbiased"), trifeatures(smoke.data), ("R",))
        >>> scores["R"].chance
        0.1
    """
    tasks = tuple(tasks)
    for task in tasks:
        _check.one_of("tasks", task, TASKS["unbiased"] + TASKS["biased"])
    _check.one_of("part", part, ("test", "validation"))
    _check.one_of("precision", precision, ("float32", "bfloat16"))
    held_out: Pairs | None = getattr(data, part)
    if held_out is None:
        raise ValueError("part must have been split off, got no validation pairs; set validation_combinations")

    def represent(x: dict[str, Tensor]) -> Tensor:
        with torch.autocast(next(iter(x.values())).device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            if not hasattr(model, "objective"):
                return model(x)
            return model.objective.represent(model.project(model(x)))  # FactorCL's heads, as it is read in its paper

    train_z, train_y = embed(model, data.train.batches(500), function=represent)
    test_z, test_y = embed(model, held_out.batches(500), function=represent)
    items, train_items = held_out.combination().cpu(), data.train.combination().cpu()
    scores = {}
    for task in tasks:
        label, *weighted = task.split(", ")
        scores[task] = linear_probe(
            train_z, train_y[label], test_z, test_y[label], items=items, train_items=train_items, Cs=STRENGTHS,
            class_weight="balanced" if weighted else None, seed=seed,
        )  # fmt: skip
    return scores


@dataclass(frozen=True)
class Run:
    r"""One pre-training with what was read off it."""

    scores: dict[str, Score]
    r"""By task."""
    history: History
    r"""Of the training."""
    seconds: float
    r"""Rendering and training together, without the probes."""


def run(
    method: str, setting: Setting, pairs: str, *, seed: int = 0, device: str | torch.device = "cpu",
    part: str = "test", progress: bool = True,
) -> Run:  # fmt: skip
    r"""Render, pre-train and probe once: a cell of the table of the controlled experiment.

    Args:
        method: one of `METHODS`.
        setting: see `SETTINGS`.
        pairs: ``"unbiased"`` or ``"biased"``.
        seed: of everything.
        device: where to render, augment and train.
        part: ``"test"``, or ``"validation"`` to choose settings on.
        progress: whether to show a progress bar.

    Returns:
        The `Run`.

    Raises:
        ValueError: as `pretrain` and `probe`.

    Example:
        >>> brief = replace(SETTINGS["smoke"], biased=replace(SETTINGS["smoke"].biased, epochs=1))
        >>> sorted(run("Cross", brief, "biased", progress=False).scores)
        ['S', 'S, weighted']
    """
    start = time.perf_counter()
    data = trifeatures(setting.data, seed=seed, device=device)
    model, history = pretrain(method, setting, data, pairs, seed=seed, progress=progress)
    seconds = time.perf_counter() - start
    scores = probe(model, data, TASKS[pairs], part=part, precision=setting.precision, seed=seed)
    return Run(scores, history, seconds)
