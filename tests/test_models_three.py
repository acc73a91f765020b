"""The whole of CoMM with three modalities at once: an image, a text with padding, and a vector.

What test_models.py asks of each part is asked here of the parts together, up to the loss and its gradients.
"""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import comm_lite.nn.attention as attention_module
from comm_lite.losses import comm_loss
from comm_lite.models import CoMM
from comm_lite.nn import (
    ConcatSelfAttention,
    PatchConverter,
    ProjectionHead,
    SmallCNN,
    TextTransformer,
    TokenConverter,
)

NAMES = ("image", "text", "vector")
SUBSETS = [keep for size in (1, 2, 3) for keep in itertools.combinations(NAMES, size)]
ORDERS = list(itertools.permutations(NAMES))
DIM, WORDS, LENGTH, BATCH = 16, 20, 7, 6
INERT = "fusion.norm.bias"  # what it adds to every row alike, batch normalisation in the head takes away in training
REAL = torch.tensor([7, 3, 1, 0, 5, 2])  # real tokens of each text; the fourth text is missing


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Mixing(nn.Module):
    """Sequences of features, in which every token sees the mean of the real ones."""

    def __init__(self):
        super().__init__()
        self.own, self.mean = nn.Linear(5, 8), nn.Linear(5, 8)

    def forward(self, x, mask=None):
        mask = x.new_ones(x.shape[:2]) if mask is None else mask.to(x.dtype)
        mean = (x * mask[:, :, None]).sum(1, keepdim=True) / mask.sum(1)[:, None, None].clamp(min=1)
        return self.own(x) + self.mean(mean)


def image_encoder(normed):
    """With batch normalisation, or with a normalisation that keeps to one sample."""
    if normed:
        return SmallCNN(width=4)
    return nn.Sequential(nn.Conv2d(3, 16, 8, 8), nn.GroupNorm(4, 16), nn.GELU())


def build(*, normed=False, texts="ids", layers=1, seed=0, order=NAMES, fused=None):
    torch.manual_seed(seed)
    text = TextTransformer(WORDS, width=8, layers=1, heads=2, length=12) if texts == "ids" else Mixing()
    encoders = {"image": image_encoder(normed), "text": text, "vector": nn.Linear(4, 6)}
    converters = {"image": PatchConverter(16, DIM), "text": TokenConverter(8, DIM), "vector": TokenConverter(6, DIM)}
    fusion = ConcatSelfAttention(fused or order, dim=DIM, layers=layers, heads=4)
    head = ProjectionHead(DIM, hidden=12, out=8)
    model = CoMM({n: encoders[n] for n in order}, {n: converters[n] for n in reversed(order)}, fusion, head)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):  # away from zeros and ones, so that each one shows
            parameter += 0.2 * torch.randn_like(parameter)
    return model


def batch(*, texts="ids", seed=0, masked=True):
    generator = torch.Generator().manual_seed(seed)
    x = {
        "image": torch.rand(BATCH, 3, 32, 32, generator=generator),
        "vector": torch.randn(BATCH, 4, generator=generator),
        "text": torch.randint(0, WORDS, (BATCH, LENGTH), generator=generator),
        "text_mask": torch.arange(LENGTH)[None] < REAL[:, None],
    }
    if texts != "ids":
        x["text"] = torch.randn(BATCH, LENGTH, 5, generator=generator)
    if not masked:
        del x["text_mask"]
    return x


def only(x, keep):
    return {name: value for name, value in x.items() if name.removesuffix("_mask") in keep}


def fused_all(model, x):
    """Every subset from one encoding."""
    tokens = model.encode(x)
    return {keep: model.fuse(tokens, keep) for keep in SUBSETS}


def loss_of(model, x1, x2):
    projected = []
    for x in (x1, x2):
        tokens = model.encode(x)
        projected.append(model.project(model.fuse(tokens)))
        projected.append({name: model.project(model.fuse(tokens, (name,))) for name in NAMES})
    return comm_loss(projected[0], projected[2], projected[1], projected[3])


def gradients(model, x1, x2):
    model.zero_grad()
    loss_of(model, x1, x2).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_alike(one, other, atol=0.0):
    assert one.keys() == other.keys() and len(one) == len(SUBSETS) == 7
    for keep, z in one.items():
        assert z.shape == (BATCH, DIM) and torch.isfinite(z).all(), keep
        assert torch.allclose(z, other[keep], atol=atol, rtol=0), keep


each_mode = pytest.mark.parametrize("training", [True, False])
each_encoder = pytest.mark.parametrize("normed", [True, False])
each_depth = pytest.mark.parametrize("layers", [1, 2])
FILLINGS = [("ids", 19), ("ids", -1), ("ids", 10**9), ("features", 1e6), ("features", math.inf), ("features", math.nan)]
each_filling = pytest.mark.parametrize(("texts", "filling"), FILLINGS)


# --- padding


def filled(x, filling):
    mask = x["text_mask"]
    assert (~mask).sum() == BATCH * LENGTH - REAL.sum() > 20
    wide = mask if x["text"].ndim == 2 else mask[:, :, None]
    return dict(x, text=x["text"].masked_fill(~wide, filling))


@each_mode
@each_encoder
@each_depth
@each_filling
def test_padding_content_changes_no_subset(training, normed, layers, texts, filling):
    model, x = build(normed=normed, texts=texts, layers=layers).train(training), batch(texts=texts)
    assert_alike(fused_all(model, x), fused_all(model, filled(x, filling)))


@each_mode
@each_depth
@each_filling
def test_padding_content_changes_neither_loss_nor_gradients(training, layers, texts, filling):
    model = build(texts=texts, layers=layers).train(training)
    x1, x2 = batch(texts=texts, seed=1), batch(texts=texts, seed=2)
    wanted = gradients(model, x1, x2)
    made = gradients(model, filled(x1, filling), filled(x2, filling))
    assert len(wanted) > 40
    for name, gradient in wanted.items():
        assert torch.isfinite(gradient).all(), name
        assert torch.equal(made[name], gradient), name


@each_mode
@each_depth
def test_padding_of_tokens_changes_nothing(training, layers):
    """Whatever a converter made of the padding: fusion does not look at it."""
    model = build(layers=layers).train(training)
    tokens = model.encode(batch())
    spoilt = dict(tokens, text=tokens["text"].masked_fill(~tokens["text_mask"][:, :, None], math.nan))
    for keep in SUBSETS:
        assert torch.equal(model.fuse(spoilt, keep), model.fuse(tokens, keep))


def test_the_mask_matters():
    """Else the tests above would pass for a text that nothing reads."""
    model, x = build().eval(), batch()
    naked = {name: value for name, value in x.items() if name != "text_mask"}
    masked, bare = fused_all(model, x), fused_all(model, naked)
    for keep in SUBSETS:
        moved = (masked[keep] - bare[keep]).abs().amax(1)
        if "text" in keep:
            assert moved[REAL < LENGTH].min() > 1e-3 > 1e-5 > moved[REAL == LENGTH].max()
        else:
            assert moved.max() == 0


@each_mode
@each_depth
def test_a_text_of_padding_alone_is_a_missing_text(training, layers):
    model, x = build(layers=layers).train(training), batch()
    row = int((REAL == 0).nonzero())
    for keep in [keep for keep in SUBSETS if "text" in keep and len(keep) > 1]:
        others = tuple(name for name in keep if name != "text")
        assert torch.allclose(model(x, keep)[row], model(x, others)[row], atol=1e-5)
    assert torch.isfinite(model(x, ("text",))).all()


@each_mode
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_no_row_of_any_attention_is_left_with_nothing_to_see(monkeypatch, training, precision):
    """Attention to nothing has no answer (the fused kernel says 0, the plain form NaN), so no caller may ask for it."""
    plain, seen = attention_module.attend, []

    def recording(q, k, v, mask):
        if mask is not None:
            seen.append(bool(mask.any(-1).all()))
        return plain(q, k, v, mask)

    monkeypatch.setattr(attention_module, "attend", recording)
    model, x = build(layers=2).train(training), batch()
    x["text_mask"][:] = False
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        for z in fused_all(model, x).values():
            assert torch.isfinite(z).all()
    assert len(seen) == 1 + 2 * sum("text" in keep for keep in SUBSETS) and all(seen)


# --- order


@each_mode
@each_encoder
@each_depth
def test_the_order_of_the_dictionary_changes_nothing(training, normed, layers):
    model, x = build(normed=normed, layers=layers).train(training), batch()
    wanted = fused_all(model, x)
    for order in itertools.permutations(x):
        assert_alike(wanted, fused_all(model, {name: x[name] for name in order}))
    for keep in SUBSETS:
        for order in itertools.permutations(keep):
            assert torch.equal(model(x, order), wanted[keep])


@each_mode
@each_depth
def test_the_order_of_the_constructor_changes_nothing(training, layers):
    model, x1, x2 = build(layers=layers).train(training), batch(seed=1), batch(seed=2)
    wanted, loss = fused_all(model, x1), loss_of(model, x1, x2)
    for order, fused in itertools.product(ORDERS, ORDERS[::2]):
        other = build(layers=layers, seed=1, order=order, fused=fused).train(training)
        assert not torch.allclose(other(x1), model(x1), atol=1e-2)
        other.load_state_dict(model.state_dict())
        assert_alike(wanted, fused_all(other, x1), atol=2e-5)
        assert torch.allclose(loss_of(other, x1, x2), loss, rtol=1e-5)


@each_depth
def test_the_order_of_the_constructor_changes_no_gradient(layers):
    model, x1, x2 = build(layers=layers).double(), *map(doubled, (batch(seed=1), batch(seed=2)))
    wanted = gradients(model, x1, x2)
    for order in ORDERS[1:]:
        other = build(layers=layers, seed=1, order=order).double()
        other.load_state_dict(model.state_dict())
        for name, gradient in gradients(other, x1, x2).items():
            assert torch.allclose(gradient, wanted[name], atol=1e-9), name


# --- batch-mates


def rows(x, index):
    return {name: value[index] for name, value in x.items()}


# batch normalisation in training is meant to look at the batch, so there it is left out
@pytest.mark.parametrize(("training", "normed"), [(True, False), (False, False), (False, True)])
@each_depth
def test_batch_mates_change_nothing(training, normed, layers):
    model, x = build(normed=normed, layers=layers), batch()
    model(x)  # moves running statistics, if there are any
    model.train(training)
    together = fused_all(model, x)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    for keep, z in fused_all(model, rows(x, order)).items():
        assert torch.allclose(z, together[keep][order], atol=1e-5), keep
    for part in (slice(0, 1), slice(3, 4), slice(2, 5), torch.tensor([3, 3, 0])):
        for keep in SUBSETS:
            assert torch.allclose(model(rows(x, part), keep), together[keep][part], atol=1e-5), keep
    if not training:  # the head normalises over the batch in training
        projected = model.project(together[NAMES])
        for row in range(BATCH):
            alone = model.project(model(rows(x, slice(row, row + 1))))
            assert torch.allclose(alone[0], projected[row], atol=1e-5)


@each_mode
def test_no_gradient_goes_to_a_batch_mate(training):
    model, x = build(layers=2, texts="features").train(training), batch(texts="features")
    for name in NAMES:
        x[name].requires_grad_()
    for row in (0, 3, 4):
        for keep in SUBSETS:
            reached = torch.autograd.grad(model(x, keep)[row].square().sum(), [x[n] for n in NAMES], allow_unused=True)
            for name, gradient in zip(NAMES, reached, strict=True):
                touched = torch.zeros(BATCH) if gradient is None else gradient.abs().flatten(1).sum(1)
                assert touched[torch.arange(BATCH) != row].max() == 0
                assert (touched[row] > 0) == (name in keep and not (name == "text" and REAL[row] == 0))


# --- subsets


@each_mode
@each_encoder
@each_depth
@pytest.mark.parametrize("masked", [True, False])
def test_every_subset_equals_the_run_in_which_the_others_are_absent(training, normed, layers, masked):
    model, x = build(normed=normed, layers=layers).train(training), batch(masked=masked)
    together = fused_all(model, x)
    for keep in SUBSETS:
        left = only(x, keep)
        assert torch.equal(model(left), together[keep])
        assert torch.equal(model(left, keep), together[keep])
        assert torch.equal(model(x, keep), together[keep])
    assert torch.pdist(torch.stack([z[0] for z in together.values()])).min() > 1e-2


@each_mode
@each_depth
def test_what_is_not_kept_may_be_anything(training, layers):
    model, x = build(layers=layers, texts="features").train(training), batch(texts="features")
    for keep in SUBSETS[:-1]:
        spoilt = {
            name: torch.full_like(value, math.nan) if name in NAMES and name not in keep else value
            for name, value in x.items()
        }
        assert torch.equal(model(spoilt, keep), model(x, keep))


@each_mode
def test_what_is_not_kept_gets_no_gradient(training):
    model, x = build(layers=2).train(training), batch()
    for keep in SUBSETS:
        model.zero_grad()
        model(x, keep).square().sum().backward()
        for name in NAMES:
            own = [*model.encoders[name].parameters(), *model.converters[name].parameters(), model.fusion.kind[name]]
            reached = [p.grad is not None and bool(p.grad.any()) for p in own]
            assert all(reached) if name in keep else not any(reached), (keep, name)


# --- gradients of the loss


@each_encoder
@each_depth
@each_mode
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_gradient_reaches_every_parameter(normed, layers, training, masked, precision):
    model = build(normed=normed, layers=layers).train(training)
    x1, x2 = (batch(seed=seed, masked=masked) for seed in (1, 2))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss = loss_of(model, x1, x2)
    loss.backward()
    parameters = dict(model.named_parameters())
    assert {"fusion.cls", *(f"fusion.kind.{name}" for name in NAMES)} < parameters.keys()
    assert sum(name.startswith("fusion.blocks.") for name in parameters) == 14 * layers
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in parameters.values())
    reached = {name: p.grad.abs().max().item() for name, p in parameters.items()}
    left = reached.pop(INERT)
    assert [name for name, most in reached.items() if most < 1e-3] == []
    if precision == torch.float32:
        assert left < 1e-3 if training else left > 1e-3
        for name in ("fusion.cls", *(f"fusion.kind.{name}" for name in NAMES)):  # every number of them, not just one
            assert parameters[name].grad.all(), name  # in bfloat16 a sum may be 0 by rounding


def doubled(x):
    return {name: value.double() if value.is_floating_point() else value for name, value in x.items()}


def test_one_bias_learns_nothing_behind_this_head():
    """Zero but for rounding in training, in float64 too: any() of its gradient alone would not have told."""
    model, x1, x2 = build().double(), doubled(batch(seed=1)), doubled(batch(seed=2))
    still = [name for name, gradient in gradients(model.train(), x1, x2).items() if gradient.abs().max() < 1e-9]
    assert still == [INERT]
    assert gradients(model.eval(), x1, x2)[INERT].abs().min() > 1e-4


@each_depth
@pytest.mark.parametrize("masked", [True, False])
def test_gradient_is_the_slope_of_the_loss(layers, masked):
    """Along random directions, in double precision: the loss a small step ahead, less the loss a small step back."""
    model = build(layers=layers).double().train()
    x1, x2 = (doubled(batch(seed=seed, masked=masked)) for seed in (1, 2))
    found = gradients(model, x1, x2)
    for part in ("fusion.cls", "fusion.kind", "fusion.blocks", "encoders.image", "encoders.text", "converters", "head"):
        chosen = {name: p for name, p in model.named_parameters() if name.startswith(part)}
        ways = {name: torch.randn_like(p) for name, p in chosen.items()}
        slope = sum((found[name] * way).sum() for name, way in ways.items()).item()
        ends = []
        with torch.no_grad():
            for move in (1e-6, -2e-6):
                for name, p in chosen.items():
                    p += move * ways[name]
                ends.append(loss_of(model, x1, x2).item())
            for name, p in chosen.items():
                p += 1e-6 * ways[name]
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4, abs=1e-6), part
        assert abs(slope) > 1e-4, part


@each_depth
@pytest.mark.parametrize("masked", [True, False])
def test_the_fused_and_the_plain_attention_give_one_gradient(layers, masked):
    """On a CPU float32 goes to the fused kernel, float64 to the plain form."""
    x1, x2 = (batch(seed=seed, masked=masked) for seed in (1, 2))
    fused = gradients(build(layers=layers), x1, x2)
    plain = gradients(build(layers=layers).double(), doubled(x1), doubled(x2))
    for name, gradient in plain.items():
        assert (fused[name] - gradient).abs().max() < 1e-4 * max(gradient.abs().max(), 1.0), name


# --- bfloat16


@each_mode
@each_encoder
@each_depth
@pytest.mark.parametrize("masked", [True, False])
def test_bfloat16_is_near_float32(monkeypatch, training, normed, layers, masked):
    """One part in 256 a step; the plain form is what runs."""
    model, x = build(normed=normed, layers=layers).train(training), batch(masked=masked)
    wanted = fused_all(model, x)
    monkeypatch.setattr(F, "scaled_dot_product_attention", None)
    with torch.autocast("cpu", torch.bfloat16):
        made = fused_all(model, x)
    for keep, z in made.items():
        assert torch.isfinite(z).all(), keep
        assert (z.float() - wanted[keep]).abs().max() < 0.06, keep
        assert F.cosine_similarity(z.float(), wanted[keep]).min() > 0.999, keep


@each_mode
@each_depth
@each_filling
def test_padding_content_changes_nothing_in_bfloat16(training, layers, texts, filling):
    model, x = build(texts=texts, layers=layers).train(training), batch(texts=texts)
    with torch.autocast("cpu", torch.bfloat16):
        assert_alike(fused_all(model, x), fused_all(model, filled(x, filling)))


@each_depth
def test_the_mask_matters_in_bfloat16(layers):
    """By far more than the rounding does."""
    model, x = build(layers=layers).eval(), batch()
    naked = {name: value for name, value in x.items() if name != "text_mask"}
    with torch.autocast("cpu", torch.bfloat16):
        moved = (model(x, ("text",)) - model(naked, ("text",))).abs().amax(1)
    assert moved[REAL < LENGTH].min() > 0.1


@each_depth
@pytest.mark.parametrize("masked", [True, False])
def test_loss_and_gradients_in_bfloat16_are_near_float32(layers, masked):
    model = build(layers=layers).eval()  # batch normalisation over six rows would blow up what rounding leaves
    x1, x2 = (batch(seed=seed, masked=masked) for seed in (1, 2))
    wanted, loss = gradients(model, x1, x2), loss_of(model, x1, x2)
    with torch.autocast("cpu", torch.bfloat16):
        near = loss_of(model, x1, x2)
    assert near.dtype == torch.float32
    assert near.item() == pytest.approx(loss.item(), rel=0.02)
    model.zero_grad()
    near.backward()
    every = [torch.cat([g.flatten() for g in of]) for of in ([p.grad for p in model.parameters()], wanted.values())]
    assert F.cosine_similarity(*every, dim=0) > 0.99
    for name, p in model.named_parameters():
        assert F.cosine_similarity(p.grad.flatten(), wanted[name].flatten(), dim=0) > 0.95, name
