import copy
import itertools
import math

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensor, FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeCopyMode

from comm_lite import _check
from comm_lite.losses import clip_loss, comm_loss, nt_xent
from comm_lite.models import CoMM, TwoTower
from comm_lite.nn import (
    ConcatSelfAttention,
    PatchConverter,
    PerToken,
    ProjectionHead,
    SmallCNN,
    TextTransformer,
    TokenConverter,
)
from comm_lite.nn.modalities import ByModality

DIM = 16
NAMES = ["image", "text", "sound"]
PADDED = ("text", "sound")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Mixing(nn.Module):
    """A sequence encoder in which every token sees the mean of all real ones."""

    def __init__(self, inward, outward):
        super().__init__()
        self.own, self.mean = nn.Linear(inward, outward), nn.Linear(inward, outward)

    def forward(self, x, mask=None):
        mask = torch.ones(x.shape[:2], dtype=torch.bool) if mask is None else mask
        weight = mask[:, :, None].float()
        mean = (x * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
        return self.own(x) + self.mean(mean)


def parts(count):
    encoders = {"image": SmallCNN(width=4), "text": PerToken(nn.Embedding(20, 6)), "sound": Mixing(3, 10)}
    converters = {"image": PatchConverter(16, DIM), "text": TokenConverter(6, DIM), "sound": TokenConverter(10, DIM)}
    names = NAMES[:count]
    return {name: encoders[name] for name in names}, {name: converters[name] for name in names}


def comm(count, *, seed=0, layers=1):
    torch.manual_seed(seed)
    fusion = ConcatSelfAttention(NAMES[:count], dim=DIM, layers=layers, heads=4)
    return CoMM(*parts(count), fusion, ProjectionHead(DIM, hidden=12, out=8))


def with_text(build, count):
    """The model with the package's own text encoder, whose padding goes through attention."""
    model = build(count)
    torch.manual_seed(1)
    model.encoders = ByModality(
        "encoders", dict(model.encoders.items()) | {"text": TextTransformer(20, width=6, heads=2)}
    )
    return model


def towers(count, *, seed=0):
    torch.manual_seed(seed)
    return TwoTower(*parts(count), {name: ProjectionHead(DIM, hidden=12, out=8) for name in NAMES[:count]})


def batch(count, size=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    real = torch.tensor([7, 3, 1, 5, 7, 2])[torch.arange(size) % 6]
    x = {
        "image": torch.rand(size, 3, 32, 32, generator=generator),
        "text": torch.randint(0, 20, (size, 7), generator=generator),
        "text_mask": torch.arange(7)[None] < real[:, None],
        "sound": torch.randn(size, 7, 3, generator=generator),
        "sound_mask": torch.arange(7)[None] < real.flip(0)[:, None],
    }
    return {name: value for name, value in x.items() if name.removesuffix("_mask") in NAMES[:count]}


def subsets(count):
    return [keep for size in range(1, count + 1) for keep in itertools.combinations(NAMES[:count], size)]


def without(x, *names):
    return {name: value for name, value in x.items() if name.removesuffix("_mask") not in names}


def everything(model, x, count):
    """The joint path and every subset, from one encoding and from the call."""
    tokens = model.encode(x)
    out = {keep: model.fuse(tokens, keep) for keep in subsets(count)}
    return out | {None: model(x), "fused": model.fuse(tokens)}


def assert_alike(one, other, atol=0.0):
    assert one.keys() == other.keys()
    assert len(one) >= 5
    for keep, z in one.items():
        assert torch.isfinite(z).all()
        assert torch.allclose(z, other[keep], atol=atol, rtol=0), keep


each_model = pytest.mark.parametrize("build", [comm, towers])
each_count = pytest.mark.parametrize("count", [2, 3])
each_mode = pytest.mark.parametrize("training", [True, False])


# --- shapes


@each_count
@each_mode
def test_comm_shapes(count, training):
    model, x = comm(count).train(training), batch(count)
    tokens = model.encode(x)
    assert {name: value.shape for name, value in tokens.items() if not name.endswith("_mask")} == {
        name: (6, {"image": 4}.get(name, 7), DIM) for name in NAMES[:count]
    }
    assert {name for name in tokens if name.endswith("_mask")} == {f"{name}_mask" for name in NAMES[1:count]}
    for keep in [None, *subsets(count)]:
        z = model.fuse(tokens, keep)
        assert z.shape == (6, DIM)
        assert model.project(z).shape == (6, 8)


@each_count
@each_mode
def test_tower_shapes(count, training):
    model, x = towers(count).train(training), batch(count)
    tokens = model.encode(x)
    for keep in subsets(count):
        z = model.fuse(tokens, keep)
        assert z.shape == (6, DIM * len(keep))
        assert {name: p.shape for name, p in model.project(z, keep).items()} == {name: (6, 8) for name in keep}
    assert list(model.project(model(x))) == NAMES[:count]


# --- padding, in training and evaluation alike


@each_model
@each_count
@each_mode
@pytest.mark.parametrize("filling", [19, -1, 1e6, math.nan])
def test_padding_content_changes_nothing(build, count, training, filling):
    model, x = build(count).train(training), batch(count)
    other = dict(x)
    for name in set(PADDED) & set(x):
        mask, value = x[f"{name}_mask"], x[name].clone()
        assert (~mask).sum() > 10
        # an index that the table of words does not have is no reason to fail
        value[~mask] = filling if value.is_floating_point() else int(19 if math.isnan(filling) else filling)
        other[name] = value
    assert_alike(everything(model, x, count), everything(model, other, count))


@each_model
@each_count
@each_mode
def test_more_padding_changes_nothing(build, count, training):
    model, x = build(count).train(training), batch(count)
    longer = dict(x)
    for name in set(PADDED) & set(x):
        more = torch.ones_like(x[name][:, :3])
        longer[name] = torch.cat([x[name], more], dim=1)
        longer[f"{name}_mask"] = torch.cat([x[f"{name}_mask"], torch.zeros(6, 3, dtype=torch.bool)], dim=1)
    assert_alike(everything(model, x, count), everything(model, longer, count), atol=1e-5)


@each_model
@each_count
def test_padding_sends_no_gradient_not_even_nan(build, count):
    gradients = []
    for filling in (0.0, math.nan):
        model, x = build(count), batch(count)
        if "sound" in x:
            x["sound"] = x["sound"].masked_fill(~x["sound_mask"][:, :, None], filling)
        x["text"] = x["text"].masked_fill(~x["text_mask"], 0 if filling == 0 else 19)
        model(x).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(gradients[0]) > 10
    for one, other in zip(*gradients, strict=True):
        assert torch.isfinite(one).all()
        assert torch.equal(one, other)


@each_model
@each_count
def test_real_tokens_do_count(build, count):
    model, x = build(count).eval(), batch(count)
    moved = dict(x, text=torch.where(x["text_mask"], (x["text"] + 1) % 20, x["text"]))
    assert ((model(moved) - model(x)).abs().amax(1) > 1e-3).all()


@each_model
def test_masks_reach_every_path(build):
    """With its mask dropped a padded sequence means something else: so no path may drop it."""
    model, x = build(3).eval(), batch(3)
    naked = {name: value for name, value in x.items() if not name.endswith("_mask")}
    masked, bare = everything(model, x, 3), everything(model, naked, 3)
    for keep, z in masked.items():
        if keep != ("image",):
            assert (z - bare[keep]).abs().amax(1)[2:4].min() > 1e-3, keep


# --- which modalities


@each_model
@each_count
@each_mode
def test_the_order_of_names_changes_nothing(build, count, training):
    model, x = build(count).train(training), batch(count)
    wanted = everything(model, x, count)
    for order in itertools.islice(itertools.permutations(x), 0, None, 7):
        assert_alike(wanted, everything(model, {name: x[name] for name in order}, count))
    for order in itertools.permutations(NAMES[:count]):
        assert torch.equal(model(x, keep=order), wanted[None])


@each_model
@each_count
def test_a_missing_modality_equals_keep_without_it(build, count):
    model, x = build(count).eval(), batch(count)
    for keep in subsets(count):
        left = without(x, *(set(NAMES) - set(keep)))
        z = model(x, keep=keep)
        assert torch.equal(model(left), z)
        assert torch.equal(model(left, keep=keep), z)
        assert torch.equal(model.fuse(model.encode(x), keep), z)


@each_model
@each_count
def test_subsets_differ(build, count):
    model, x = build(count).eval(), batch(count)
    width = DIM * (count if build is towers else 1)
    seen = torch.stack([nn.functional.pad(model(x, keep=keep)[0], (0, width))[:width] for keep in subsets(count)])
    assert len(seen) == 2**count - 1
    assert torch.pdist(seen).min() > 1e-2


def test_tower_representation_is_the_mean_of_real_tokens():
    model, x = towers(3).eval(), batch(3)
    tokens, z = model.encode(x), model(x)
    for sample in range(6):
        wanted = []
        for name in NAMES:
            real = [
                token
                for position, token in enumerate(tokens[name][sample])
                if name == "image" or x[f"{name}_mask"][sample, position]
            ]
            wanted.append(sum(real) / len(real))
        assert torch.allclose(z[sample], torch.cat(wanted), atol=1e-6)


# --- modes and mates


@each_model
@each_count
def test_training_and_evaluation_take_the_same_path(build, count):
    """Without an image encoder there is no batch normalisation before the head, so both modes must agree exactly."""
    model, x = build(count), without(batch(count), "image")
    trained, evaluated = model.train()(x), model.eval()(x)
    assert torch.equal(trained, evaluated)
    tokens = model.train().encode(x)
    for keep in subsets(count):
        if "image" not in keep:
            assert torch.equal(model.train().fuse(tokens, keep), model.eval()(x, keep=keep))


@each_model
@each_count
def test_batch_mates_change_nothing_in_evaluation(build, count):
    model, x = build(count), batch(count)
    model(x)  # moves the running statistics
    model.eval()
    together = model(x)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    assert torch.allclose(model({name: value[order] for name, value in x.items()}), together[order], atol=1e-5)
    for k in range(6):
        alone = model({name: value[k : k + 1] for name, value in x.items()})
        assert torch.allclose(alone[0], together[k], atol=1e-5)


@each_model
@each_count
def test_a_batch_of_one_needs_evaluation_mode(build, count):
    model, x = build(count), batch(count, size=1)
    model.train()
    with pytest.raises(ValueError, match=r"z must hold at least 2 rows in training, got 1; .* call model.eval\(\)"):
        model.project(model(x))
    model.eval()
    projected = model.project(model(x))
    assert (projected if build is comm else projected["text"]).shape == (1, 8)


# --- training


def comm_step(model, x1, x2, count):
    tokens1, tokens2 = model.encode(x1), model.encode(x2)
    one, two = (
        {name: model.project(model.fuse(tokens, keep=(name,))) for name in NAMES[:count]}
        for tokens in (tokens1, tokens2)
    )
    return comm_loss(model.project(model.fuse(tokens1)), model.project(model.fuse(tokens2)), one, two)


def tower_step(model, x, count):
    projected = model.project(model(x))
    return sum(nt_xent(projected[a], projected[b]) for a, b in itertools.combinations(NAMES[:count], 2))


@each_count
def test_gradient_reaches_every_parameter_of_comm(count):
    model = comm(count, layers=2).train()
    comm_step(model, batch(count, seed=1), batch(count, seed=2), count).backward()
    parameters = dict(model.named_parameters())
    assert len(parameters) > 30
    assert [name for name, p in parameters.items() if p.grad is None or not p.grad.any()] == []


@each_count
def test_gradient_reaches_every_parameter_of_the_towers(count):
    model = towers(count).train()
    tower_step(model, batch(count), count).backward()
    parameters = dict(model.named_parameters())
    assert len(parameters) > 20
    assert [name for name, p in parameters.items() if p.grad is None or not p.grad.any()] == []


@each_count
def test_encoding_once_serves_every_subset(count):
    model, calls = comm(count), []
    for name, encoder in model.encoders.items():
        encoder.register_forward_hook(lambda *_, name=name: calls.append(name))
    comm_step(model, batch(count, seed=1), batch(count, seed=2), count)
    assert sorted(calls) == sorted(2 * NAMES[:count])


@each_model
@each_count
def test_state_travels(build, count):
    first, second, x = build(count, seed=0), build(count, seed=1), batch(count)
    first(x)
    assert not torch.allclose(second.eval()(x), first.eval()(x), atol=1e-2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(x), first(x))


@each_model
@each_count
def test_bfloat16_is_near_float32(build, count):
    model, x = build(count).eval(), batch(count)
    wanted = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        made = model(x)
        projected = model.project(made)
    assert torch.isfinite(made).all()
    assert (made.float() - wanted).abs().max() < 0.1
    for p in [projected] if build is comm else projected.values():
        assert torch.isfinite(p).all()


# --- encoders and masks


def towers_of(converter):
    return TwoTower({"text": nn.Identity()}, {"text": converter}, {"text": nn.Identity()})


def single(encoder):
    fusion = ConcatSelfAttention(["text"], dim=DIM, heads=4)
    return CoMM({"text": encoder}, {"text": TokenConverter(6, DIM)}, fusion, nn.Identity())


@pytest.mark.parametrize(
    "encoder", [nn.Linear(6, 6), nn.Sequential(nn.Linear(6, 6)), nn.GRU(6, 6, batch_first=True), nn.Flatten(1, 1)]
)
def test_a_mask_needs_an_encoder_that_takes_one(encoder):
    x = {"text": torch.randn(2, 3, 6), "text_mask": torch.ones(2, 3, dtype=torch.bool)}
    with pytest.raises(TypeError, match="the encoder of text must take a keyword mask because text_mask came, got"):
        single(encoder)(x)


@pytest.mark.parametrize(
    "encoder", [PerToken(nn.Linear(6, 6)), PerToken(nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6))), Mixing(6, 6)]
)
def test_encoders_that_can_take_a_mask(encoder):
    model = single(encoder)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    x = {"text": torch.randn(2, 3, 6), "text_mask": mask}
    other = dict(x, text=torch.where(mask[:, :, None], x["text"], 9.0))
    assert torch.equal(model(other), model(x))
    assert not torch.allclose(model({"text": x["text"]}), model(x), atol=1e-3)


# --- what is refused


def given(build=comm, keep=None, **changes):
    def call():
        x = {name: value for name, value in (batch(2) | changes).items() if value is not None}
        return build(3).eval()(x, keep=keep)

    return call


def composed(build, **changes):
    def call():
        encoders, converters = parts(2)
        settings = {"encoders": encoders, "converters": converters} | changes
        if build is CoMM:
            settings.setdefault("fusion", ConcatSelfAttention(NAMES[:2], dim=DIM, heads=4))
            return CoMM(**settings, head=nn.Identity())
        settings.setdefault("heads", {name: nn.Identity() for name in NAMES[:2]})
        return TwoTower(**settings)

    return call


def projected(z, keep=None):
    return lambda: towers(2).eval().project(z, keep)


def named(*names, build=CoMM, encoder=None):
    encoders = {name: encoder or nn.Identity() for name in names}
    return composed(build, encoders=encoders, converters=dict.fromkeys(encoders, nn.Identity()))


REFUSED = [
    (given(image=[1.0]), TypeError, r"x\['image'\] must be a torch.Tensor, got list"),
    (given(image=torch.tensor(1.0)), ValueError, "x must hold one batch, got sizes .*'image': 0"),
    (named(1), TypeError, r"encoders must name modalities by texts, got \[1\]"),
    (named(""), TypeError, r"encoders must name modalities by texts, got \[''\]"),
    (named("image", "text", encoder=print), TypeError, r"encoders\['image'\] must be a torch.nn.Module, got builtin_f"),
    (composed(CoMM, fusion=nn.Identity()), TypeError, "fusion must have an attribute modalities, .* got Identity"),
    (
        lambda: towers_of(nn.Identity()).project(torch.rand(4, 6)),
        TypeError,
        "the converter of text must have an attribute dim, .* got Identity; pass a TokenConverter or",
    ),
    (lambda: towers_of(TokenConverter(6, 6)).width("smell"), ValueError, r"got unknown \['smell'\]"),
    (given(keep="image"), TypeError, r"keep must be a tuple of names, got the text 'image'; write keep=\('image',\)"),
    (given(keep=()), ValueError, "keep must name at least one of .*, got none"),
    (given(keep=("sound",)), ValueError, r"that are present, \['image', 'text'\], got absent \['sound'\]"),
    (given(keep=("smell",)), ValueError, r"keep must name only .*, got unknown \['smell'\]"),
    (given(towers, keep="image"), TypeError, "keep must be a tuple of names, got the text 'image'"),
    (given(towers, keep=["sound"]), ValueError, r"got absent \['sound'\]"),
    (given(smell=torch.rand(6, 2)), ValueError, r"x must name only .*, got unknown \['smell'\]"),
    (given(image=None, text=None, text_mask=None), ValueError, "x must hold at least 1 modalities, got"),
    (given(sound_mask=torch.ones(6, 7).bool()), ValueError, r"x must name only .*, got unknown \['sound_mask'\]"),
    (given(image=torch.rand(5, 3, 32, 32)), ValueError, "x must hold one batch, got sizes .*'image': 5"),
    (given(text_mask=torch.ones(6, 7)), ValueError, r"text_mask must be boolean with shape \(6, 7\), .* torch.float32"),
    (given(text_mask=torch.ones(6, 6).bool()), ValueError, r"text_mask must be boolean .* with shape \(6, 6\)"),
    (
        lambda: comm(2)(torch.rand(2, 3, 32, 32)),
        TypeError,
        "x must be a dictionary from modality name to tensor, got Ten",
    ),
    (composed(CoMM, converters={}), ValueError, "converters must name the modalities of encoders, wanted .*, got"),
    (composed(CoMM, encoders={}), ValueError, "encoders must name at least one modality, got none"),
    (
        composed(CoMM, fusion=ConcatSelfAttention(["image"], dim=DIM, heads=4)),
        ValueError,
        r"fusion must fuse the modalities of encoders, wanted \['image', 'text'\], got \['image'\]",
    ),
    (
        composed(CoMM, encoders={"a_mask": nn.Identity()}, converters={"a_mask": nn.Identity()}),
        ValueError,
        r"a modality must not end in '_mask', got \['a_mask'\]",
    ),
    (composed(TwoTower, converters={}), ValueError, "converters must name the modalities of encoders"),
    (composed(TwoTower, heads={"image": nn.Identity()}), ValueError, "heads must name the modalities of encoders"),
    (projected(torch.rand(4, DIM)), ValueError, r"z must have width 32, that of \['image', 'text'\] together"),
    (projected(torch.rand(4, DIM), "text"), TypeError, "keep must be a tuple of names, got the text 'text'"),
    (projected(torch.rand(4, DIM), ["smell"]), ValueError, r"keep must name only .*, got unknown \['smell'\]"),
    (projected(torch.rand(DIM)), ValueError, r"z must have shape \(B, D\), got \(16,\)"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_keep_may_be_any_iterable():
    model, x = towers(2).eval(), batch(2)
    z = model(x, keep=iter(("image", "text")))
    assert list(model.project(z, keep=iter(("text", "image")))) == ["image", "text"]


# --- names


NAMES_OF_MODULES = ["type", "keys", "values", "items", "float", "train", "text.en", "a%2Eb", "a.b", "forward", "_saved"]


@pytest.mark.parametrize("family", [CoMM, TwoTower])
def test_a_modality_may_have_any_name(family):
    def made(seed):
        torch.manual_seed(seed)
        encoders = {name: PerToken(nn.Linear(3, 4)) for name in NAMES_OF_MODULES}
        converters = {name: TokenConverter(4, DIM) for name in NAMES_OF_MODULES}
        if family is CoMM:
            return CoMM(encoders, converters, ConcatSelfAttention(NAMES_OF_MODULES, dim=DIM, heads=4), nn.Identity())
        return TwoTower(encoders, converters, {name: nn.Linear(DIM, 2) for name in NAMES_OF_MODULES})

    model, other = made(0), made(1)
    generator = torch.Generator().manual_seed(0)
    x = {name: torch.randn(2, 5, 3, generator=generator) for name in NAMES_OF_MODULES}
    x["text.en_mask"] = torch.tensor([[True] * 5, [True, False, False, False, False]])
    z = model(x)
    assert [*model.encoders] == model.encoders.keys() == NAMES_OF_MODULES and len(model.encoders) == 11
    assert [model.encoders[name] for name in model.encoders] == model.encoders.values()
    assert dict(model.encoders.items())["text.en"] is model.encoders["text.en"]
    assert not torch.allclose(other(x), z, atol=1e-2)
    state = model.state_dict()
    assert len(state) == len(list(model.parameters())) and "encoders.text%2Een.module.weight" in state
    other.load_state_dict(state)
    assert torch.equal(other(x), z)
    z.square().sum().backward()
    grads = [p.grad is not None for name, p in model.named_parameters() if not name.startswith("heads")]
    assert all(grads) and len(grads) > 40
    assert model.eval().double().train() is model and next(model.encoders["type"].parameters()).dtype == torch.float64


def test_an_error_inside_an_encoder_passes_through():
    class Broken(nn.Module):
        def forward(self, x, mask=None):
            raise TypeError("something else")

    x = {"text": torch.randn(2, 3, 6), "text_mask": torch.ones(2, 3, dtype=torch.bool)}
    with pytest.raises(TypeError, match="^something else$"):
        single(Broken())(x)


# --- nothing waits for a device, nothing depends on values


def whole_step(build, count):
    """A step with subsets of what is there, and with an input whose image is missing."""

    def step(model, x1, x2):
        if build is comm:
            tokens, lone = model.encode(x1), model(without(x2, "image"))
            others = [model.project(model.fuse(tokens, keep)).square().mean() for keep in (NAMES[1:count], ["text"])]
            return comm_step(model, x1, x2, count) + sum(others) + model.project(lone).mean()
        partial = model.project(model.fuse(model.encode(x1), NAMES[1:count]), NAMES[1:count])
        lone = without(x2, "image")
        return tower_step(model, x1, count) + sum(p.square().mean() for p in partial.values()) + model(lone).mean()

    return step


@each_model
@each_count
def test_a_step_looks_at_no_value(build, count, monkeypatch):
    """Tensors without values raise wherever a number is asked for, as a device would have to be waited for."""
    monkeypatch.setattr(_check, "values_of", lambda value: False)  # as for tensors that are not on a CPU
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        model, *fakes = copy.deepcopy([with_text(build, count).train(), batch(count, seed=1), batch(count, seed=2)])
    with mode:
        loss = whole_step(build, count)(model, *fakes)
        loss.backward()
        assert isinstance(loss, FakeTensor) and loss.shape == ()
        unreached = [name for name, p in model.named_parameters() if p.grad is None or p.grad.shape != p.shape]
        assert unreached == [] and len(list(model.parameters())) > 20
        with pytest.raises(DataDependentOutputException):
            bool(loss > 0)


@each_model
def test_a_compiled_step_equals_the_plain_one(build, count=3):
    step, batches = whole_step(build, count), [batch(count, seed=seed) for seed in (1, 2)]
    results = []
    for run in (step, torch.compile(step, fullgraph=True, backend="eager")):
        model = with_text(build, count).train()
        loss = run(model, *batches)
        loss.backward()
        results.append([loss.detach(), *(p.grad for p in model.parameters()), *model.buffers()])
    assert len(results[0]) > 30
    for plain, compiled in zip(*results, strict=True):
        assert torch.allclose(compiled, plain, atol=1e-5)


# --- the loss in one call


@each_count
def test_the_loss_of_comm_is_its_step(count):
    model, views = comm(count).train(), [batch(count, seed=seed) for seed in (1, 2)]
    wanted = comm_step(copy.deepcopy(model), *views, count)
    loss, terms = model.loss(*views)
    assert list(terms) == ["joint", *NAMES[:count]]
    assert torch.allclose(loss, wanted, atol=1e-6) and torch.allclose(sum(terms.values()), loss, atol=1e-6)
    hot, _ = comm(count).loss(*views, temperature=torch.tensor(0.5))
    assert not torch.allclose(hot, loss, atol=1e-2)


@each_count
def test_the_loss_of_towers_is_clip_for_every_pair(count):
    model, (x1, x2) = towers(count).eval(), [batch(count, seed=seed) for seed in (1, 2)]
    p1, p2 = (model.project(model(x)) for x in (x1, x2))
    loss, terms = model.loss(x1, temperature=0.2)
    assert list(terms) == [f"{a}-{b}" for a, b in itertools.combinations(NAMES[:count], 2)]
    assert torch.allclose(terms["image-text"], clip_loss(p1["image"], p1["text"], logit_scale=5.0), atol=1e-6)
    assert torch.allclose(loss, sum(terms.values()), atol=1e-6)
    _, crossed = model.loss(x1, x2, temperature=0.2)
    one, other = (clip_loss(a["image"], b["text"], logit_scale=5.0) for a, b in ((p1, p2), (p2, p1)))
    assert torch.allclose(crossed["image-text"], (one + other) / 2, atol=1e-6)


@each_model
def test_weights_weigh_and_a_missing_modality_has_no_term(build):
    model, views = build(3).eval(), [without(batch(3, seed=seed), "sound") for seed in (1, 2)]
    plain, terms = model.loss(*views)
    assert list(terms) == (["joint", "image", "text"] if build is comm else ["image-text"])
    first = next(iter(terms))
    loss, same = model.loss(*views, weights={first: 0.25})
    assert torch.allclose(loss, plain - 0.75 * terms[first], atol=1e-6) and torch.equal(same[first], terms[first])
    nothing, _ = model.loss(*views, weights=dict.fromkeys(terms, 0.0))
    assert nothing == 0


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: comm(2).loss(batch(2), without(batch(2), "text")),
            ValueError,
            "the modalities of unimodal1",
        ),
        (
            lambda: comm(2).loss(batch(2), batch(2), weights={"smell": 1.0}),
            ValueError,
            r"must name only \['joint",
        ),
        (lambda: comm(2).loss(batch(2), batch(2), weights={"text": -1}), ValueError, r"weights\['text'\] must lie in"),
        (lambda: towers(2).loss(without(batch(2), "text")), ValueError, "view1 must hold at least 2 modalities"),
        (
            lambda: towers(2).loss(batch(2), without(batch(2), "text")),
            ValueError,
            "view2 must name the modalities",
        ),
        (lambda: towers(2).loss(batch(2), temperature=0), ValueError, "temperature must be a finite number above zero"),
        (
            lambda: towers(2).loss(batch(2), weights={}),
            ValueError,
            r"at least one of \['image-text'\]",
        ),
    ],
)
def test_a_wrong_call_of_a_loss_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
