"""Every fusion by the same demands: masks, missing modalities, gradients; and each against its formula written out."""

import itertools
import math

import pytest
import torch
from torch import nn

from comm_lite.nn.fusion import (
    BilinearFusion,
    ConcatFusion,
    ConcatSelfAttention,
    CrossAttentionFusion,
    FiLMFusion,
    LateFusion,
    LowRankFusion,
    ProductFusion,
)

LENGTHS = {"image": 4, "text": 5, "force": 1}
DIM = 8
FUSIONS = {
    "late": lambda names: LateFusion(names, dim=DIM, hidden=6),
    "concat": lambda names: ConcatFusion(names, dim=DIM),
    "concat, two maps": lambda names: ConcatFusion(names, dim=DIM, hidden=6),
    "product": lambda names: ProductFusion(names, dim=DIM),
    "film": lambda names: FiLMFusion(names, dim=DIM),
    "bilinear": lambda names: BilinearFusion(names, dim=DIM),
    "low rank": lambda names: LowRankFusion(names, dim=DIM, rank=3),
    "cross, text asks": lambda names: CrossAttentionFusion(names, dim=DIM, heads=2, asking="text"),
    "cross, both ways": lambda names: CrossAttentionFusion(names, dim=DIM, heads=2),
    "early": lambda names: ConcatSelfAttention(names, dim=DIM, layers=2, heads=2),
}
each = pytest.mark.parametrize(("kind", "count"), list(itertools.product(FUSIONS, (2, 3))))


def names_of(count):
    return list(LENGTHS)[:count]


def fusion_for(kind, count, seed=0):
    torch.manual_seed(seed)
    fusion = FUSIONS[kind](names_of(count))
    with torch.no_grad():
        for parameter in fusion.parameters():  # away from zeros and ones, so that every parameter shows
            parameter += 0.3 * torch.randn_like(parameter)
    return fusion


def tokens_for(count, batch=3, seed=0):
    """Text is padded, with one row of it all padding."""
    generator = torch.Generator().manual_seed(seed)
    tokens = {name: torch.randn(batch, LENGTHS[name], DIM, generator=generator) for name in names_of(count)}
    real = torch.tensor([5, 2, 0])[torch.arange(batch) % 3]
    return tokens | {"text_mask": torch.arange(5)[None] < real[:, None]}


def subsets(count):
    return [keep for size in range(1, count + 1) for keep in itertools.combinations(names_of(count), size)]


@each
def test_shapes_and_gradients(kind, count):
    fusion, tokens = fusion_for(kind, count), tokens_for(count)
    z = fusion(tokens)
    assert z.shape == (3, DIM) and fusion.dim == DIM and fusion.modalities == names_of(count)
    (z * torch.randn(3, DIM)).sum().backward()
    unreached = [name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.any()]
    assert unreached == [] and len(list(fusion.parameters())) >= 2
    assert set(fusion.state_dict()) == {name for name, _ in fusion.named_parameters()}


@each
@pytest.mark.parametrize("filling", [1e6, math.inf, math.nan])
def test_padding_changes_neither_values_nor_gradients(kind, count, filling):
    found = []
    for value in (0.0, filling):
        fusion, tokens = fusion_for(kind, count), tokens_for(count)
        tokens["text"] = tokens["text"].masked_fill(~tokens["text_mask"][:, :, None], value).requires_grad_()
        z = fusion(tokens)
        z.square().sum().backward()
        found.append([z.detach(), *(p.grad for p in fusion.parameters()), tokens["text"].grad])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert torch.equal(found[0][-1].abs().sum(2) > 0, tokens["text_mask"])
    longer = dict(
        tokens_for(count),
        text=torch.cat([tokens_for(count)["text"], torch.ones(3, 2, DIM)], 1),
        text_mask=torch.cat([tokens["text_mask"], torch.zeros(3, 2, dtype=torch.bool)], 1),
    )
    assert torch.allclose(fusion(longer), found[0][0], atol=1e-5)


@each
def test_missing_is_missing_however_it_comes(kind, count):
    """Not kept, absent, or a row of padding alone."""
    fusion, tokens = fusion_for(kind, count), tokens_for(count)
    seen = []
    for keep in subsets(count):
        z = fusion(tokens, keep)
        left = {name: value for name, value in tokens.items() if name.removesuffix("_mask") in keep}
        assert torch.equal(fusion(left), z) and torch.isfinite(z).all()
        if "text" in keep and len(keep) > 1:
            others = tuple(name for name in keep if name != "text")
            assert torch.allclose(z[2], fusion(tokens, others)[2], atol=1e-5)
        seen.append(z[0])
    assert torch.pdist(torch.stack(seen)).min() > 1e-3


@each
def test_order_and_mates_change_nothing(kind, count):
    fusion, tokens = fusion_for(kind, count).eval(), tokens_for(count)
    z = fusion(tokens)
    for order in itertools.permutations(tokens):
        assert torch.equal(fusion({name: tokens[name] for name in order}), z)
    assert torch.equal(fusion(tokens, reversed(names_of(count))), z)
    for row in range(3):
        alone = fusion({name: value[row : row + 1] for name, value in tokens.items()})
        assert torch.allclose(alone[0], z[row], atol=1e-5)


@each
def test_state_travels_and_bfloat16_is_near(kind, count):
    first, second, tokens = fusion_for(kind, count), fusion_for(kind, count, seed=1), tokens_for(count)
    assert not torch.allclose(first(tokens), second(tokens), atol=1e-2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(tokens), second(tokens))
    with torch.autocast("cpu", torch.bfloat16):
        made = first(tokens)
    assert (made.float() - first(tokens)).abs().max() < 0.05 * (1 + first(tokens).abs().max())


# --- what a fusion can express


@pytest.mark.parametrize("kind", FUSIONS)
def test_only_sums_have_no_second_difference(kind):
    """f(0,0) + f(1,1) - f(0,1) - f(1,0) is zero for whatever adds, so that a sum cannot express XOR."""
    fusion = fusion_for(kind, 2)
    bits = torch.randn(2, 1, DIM)
    rows = list(itertools.product((0, 1), (0, 1)))
    with torch.no_grad():
        f = {(a, b): fusion({"image": bits[a][None], "text": bits[b][None] + 1})[0] for a, b in rows}
    difference = (f[0, 0] + f[1, 1] - f[0, 1] - f[1, 0]).abs().max()
    assert difference < 1e-5 if kind in ("late", "concat") else difference > 1e-2


# --- against the formulas, one sample and one number at a time


def means(tokens, count, row):
    found = []
    for name in names_of(count):
        real = tokens["text_mask"][row] if name == "text" else torch.ones(LENGTHS[name], dtype=torch.bool)
        vectors = [tokens[name][row, i] for i in range(LENGTHS[name]) if real[i]]
        found.append(sum(vectors) / len(vectors) if vectors else torch.zeros(DIM))
    return found


def written_out(kind, fusion, z, there):
    names, count = fusion.modalities, len(z)
    if kind == "late":
        return sum(fusion.heads[name](z[m]) for m, name in enumerate(names) if there[m])
    if kind == "concat":
        blocks = fusion.read.weight.split(DIM, dim=1)
        return sum(blocks[m] @ z[m] for m in range(count)) + fusion.read.bias
    if kind == "product":
        said = [fusion.says[name](z[m]) for m, name in enumerate(names) if there[m]]
        return fusion.read(torch.stack([math.prod(s[k] for s in said) for k in range(DIM)]))
    if kind == "film":
        told = [fusion.tells[name](z[m]) for m, name in enumerate(names) if m and there[m]]
        return torch.stack(
            [z[0][k] * (1 + sum(t[k] for t in told)) + sum(t[DIM + k] for t in told) for k in range(DIM)]
        )
    if kind == "bilinear":
        y = fusion.alone(torch.cat(z))
        for layer, (m, n) in zip(fusion.pairs, itertools.combinations(range(count), 2), strict=True):
            for i, j in itertools.product(range(DIM), range(DIM)):
                y = y + z[m][i] * z[n][j] * layer.weight[:, i, j]
        return y
    factors = []  # low rank: the whole tensor, then one contraction after the other
    for name in names:
        layer = fusion.factors[name]
        factors.append(torch.cat([layer.bias[:, None], layer.weight], 1).view(DIM, -1, DIM + 1))
    letters = "abc"[:count]
    whole = torch.einsum(",".join(f"kr{c}" for c in letters) + f",r->k{letters}", *factors, fusion.read.weight[0])
    ones = [torch.cat([torch.ones(1), v]) for v in z]
    return torch.einsum(f"k{letters}," + ",".join(letters) + "->k", whole, *ones) + fusion.read.bias


@pytest.mark.parametrize("kind", ["late", "concat", "product", "film", "bilinear", "low rank"])
@pytest.mark.parametrize("count", [2, 3])
def test_pooled_fusions_are_their_formulas(kind, count):
    fusion, tokens = fusion_for(kind, count), tokens_for(count)
    made = fusion(tokens)
    for row in range(3):
        there = [name != "text" or bool(tokens["text_mask"][row].any()) for name in fusion.modalities]
        wanted = written_out(kind, fusion, means(tokens, count, row), there)
        assert torch.allclose(made[row], wanted, atol=1e-4), row


def test_cross_attention_is_that_of_torch():
    fusion, tokens = fusion_for("cross, text asks", 2).eval(), tokens_for(2)
    ours = fusion.attention["text"]
    theirs = nn.MultiheadAttention(DIM, 2, batch_first=True).eval()
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
            "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    with torch.no_grad():
        made = fusion(tokens)
        for row, real in enumerate((5, 2, 0)):
            asks = torch.cat([fusion.first["text"][None], tokens["text"][row, :real]])[None]
            given = ours.norm_given(tokens["image"][row : row + 1] + fusion.kind["image"])
            asks = asks + theirs(ours.norm_asking(asks), given, given)[0]
            wanted = fusion.norm((asks + fusion.mlp["text"](asks))[0].mean(0))
            assert torch.allclose(made[row], wanted, atol=1e-5)


# --- what is refused


@pytest.mark.parametrize("kind", FUSIONS)
def test_wrong_tokens_are_refused(kind):
    fusion, tokens = fusion_for(kind, 3), tokens_for(3)
    for change, text in (
        ({"image": torch.rand(3, 4, DIM + 1)}, r"tokens\['image'\] must have width 8"),
        ({"image": torch.rand(2, 4, DIM)}, "must have one entry for each of the"),
        ({"text_mask": torch.ones(3, 4).bool()}, r"text_mask must be boolean with shape \(3, 5\)"),
        ({"smell": torch.rand(3, 4, DIM)}, r"got unknown \['smell'\]"),
    ):
        with pytest.raises(ValueError, match=text):
            fusion(tokens | change)
    with pytest.raises(ValueError, match="keep must name at least one of"):
        fusion(tokens, ())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: LateFusion([], dim=8), "modalities must name at least one modality"),
        (lambda: LateFusion(["a"], dim=8, hidden=0), "hidden must be at least 1, got 0"),
        (lambda: ConcatFusion(["a"], dim=8, hidden=0), "hidden must be at least 1, got 0"),
        (lambda: ProductFusion(["a", "a"], dim=8), "modalities must differ"),
        (
            lambda: FiLMFusion(["a"], dim=8),
            r"modalities must be two or more, got \['a'\]; the others modulate",
        ),
        (lambda: BilinearFusion(["a"], dim=0), "dim must be at least 1, got 0"),
        (lambda: LowRankFusion(["a"], dim=8, rank=0), "rank must be at least 1, got 0"),
        (lambda: CrossAttentionFusion(["a"], dim=8), r"modalities must be two or more, got \['a'\]; one asks, another"),
        (lambda: CrossAttentionFusion(["a", "b"], dim=8, asking="c"), r"asking must be one of \['a', 'b'\], got 'c'"),
        (lambda: CrossAttentionFusion(["a", "b"], dim=9, heads=2), "heads must divide dim, got heads=2 and dim=9"),
    ],
)
def test_wrong_settings_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
