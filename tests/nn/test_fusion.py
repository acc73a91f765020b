import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import comm_lite.nn.attention as attention_module
from comm_lite.nn import ConcatSelfAttention
from comm_lite.nn.attention import attend

LENGTHS = {"image": 4, "text": 5, "force": 1}
DIM = 16


def names_of(count):
    return list(LENGTHS)[:count]


def tokens_for(count, batch=3, seed=0):
    """Tokens of the first ``count`` modalities; text is padded, with one row of it all padding."""
    generator = torch.Generator().manual_seed(seed)
    tokens = {name: torch.randn(batch, LENGTHS[name], DIM, generator=generator) for name in names_of(count)}
    real = torch.tensor([5, 2, 0])[torch.arange(batch) % 3]
    tokens["text_mask"] = torch.arange(5)[None] < real[:, None]
    return tokens


def fusion_for(count, *, layers=1, heads=4, seed=0):
    torch.manual_seed(seed)
    fusion = ConcatSelfAttention(names_of(count), dim=DIM, layers=layers, heads=heads)
    with torch.no_grad():
        for parameter in fusion.parameters():  # away from zeros and ones, so that every parameter shows
            parameter += 0.3 * torch.randn_like(parameter)
    return fusion


def subsets(count):
    names = names_of(count)
    return [keep for size in range(1, count + 1) for keep in itertools.combinations(names, size)]


CASES = [(count, layers) for count in (2, 3) for layers in (1, 2)]
each_case = pytest.mark.parametrize(("count", "layers"), CASES)


# --- against attention written out, one sample, one head, one pair of tokens at a time


def normal(x, norm):
    mean = sum(x) / len(x)
    variance = sum((v - mean) ** 2 for v in x) / len(x)
    return [
        (v - mean) / math.sqrt(variance + norm.eps) * w + b for v, w, b in zip(x, norm.weight, norm.bias, strict=True)
    ]


def linear(x, layer):
    return [
        sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(layer.weight, layer.bias, strict=True)
    ]


def gelu(v):
    return 0.5 * v * (1 + math.erf(v / math.sqrt(2)))


def plus(x, y):
    return [a + b for a, b in zip(x, y, strict=True)]


def naive_block(block, sequence):
    dim, size = len(sequence[0]), len(sequence[0]) // block.heads
    normed = [normal(x, block.norm1) for x in sequence]
    queries = [linear(x, block.query) for x in normed]
    both = [linear(x, block.key_value) for x in normed]
    keys, values = [x[:dim] for x in both], [x[dim:] for x in both]
    out = []
    for x, query in zip(sequence, queries, strict=True):
        mixed = []
        for head in range(block.heads):
            part = slice(head * size, (head + 1) * size)
            scores = [sum(a * b for a, b in zip(query[part], key[part], strict=True)) / math.sqrt(size) for key in keys]
            weights = [math.exp(score) for score in scores]
            for d in range(size):
                mixed.append(sum(w * value[part][d] for w, value in zip(weights, values, strict=True)) / sum(weights))
        x = plus(x, linear(mixed, block.out))
        hidden = [gelu(v) for v in linear(normal(x, block.norm2), block.mlp[0])]
        out.append(plus(x, linear(hidden, block.mlp[2])))
    return out


def naive_fusion(fusion, tokens, keep, sample):
    """All tokens through all layers; a masked token does not exist."""
    sequence = [fusion.cls.tolist()]
    for name in keep:
        for position, token in enumerate(tokens[name][sample].tolist()):
            if f"{name}_mask" not in tokens or tokens[f"{name}_mask"][sample, position]:
                sequence.append(plus(token, fusion.kind[name].tolist()))
    for block in fusion.blocks:
        sequence = naive_block(block, sequence)
    return normal(sequence[0], fusion.norm)


@each_case
def test_fusion_equals_attention_written_out(count, layers):
    """With two layers this also shows that computing only the first token of the last one loses nothing."""
    dim = 4
    torch.manual_seed(count)
    fusion = ConcatSelfAttention(names_of(count), dim=dim, layers=layers, heads=2)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    fusion.double().requires_grad_(False)
    tokens = {name: torch.randn(3, length, dim).double() for name, length in list(LENGTHS.items())[:count]}
    tokens["text_mask"] = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0]]).bool()
    for keep in (names_of(count), ["text"], ["image"]):
        made = fusion(tokens, keep)
        for sample in range(3):
            wanted = naive_fusion(fusion, tokens, keep, sample)
            assert made[sample].tolist() == pytest.approx([float(v) for v in wanted], abs=1e-9)


@pytest.mark.parametrize("padded", [False, True])
def test_computing_the_first_token_alone_equals_computing_all(padded):
    fusion = fusion_for(2, layers=2)
    block, sequence = fusion.blocks[1], torch.randn(3, 10, DIM)
    present = torch.rand(3, 10) < 0.6 if padded else None
    if padded:
        present[:, 0] = True
    everything = block(sequence, present, first_only=False)
    assert everything.shape == (3, 10, DIM)
    assert torch.allclose(block(sequence, present, first_only=True), everything[:, :1], atol=1e-6)


# --- padding


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("filling", [1e4, math.nan, math.inf])
@each_case
def test_padding_content_changes_nothing(count, layers, training, filling):
    fusion, tokens = fusion_for(count, layers=layers).train(training), tokens_for(count)
    filled = dict(tokens, text=tokens["text"].masked_fill(~tokens["text_mask"][:, :, None], filling))
    for keep in [None, *subsets(count)]:
        assert torch.equal(fusion(filled, keep), fusion(tokens, keep))


@pytest.mark.parametrize("training", [True, False])
@each_case
def test_more_padding_changes_nothing(count, layers, training):
    fusion, tokens = fusion_for(count, layers=layers).train(training), tokens_for(count)
    longer = dict(tokens)
    longer["text"] = torch.cat([tokens["text"], torch.randn(3, 4, DIM)], dim=1)
    longer["text_mask"] = torch.cat([tokens["text_mask"], torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    for keep in [None, *subsets(count)]:
        assert torch.allclose(fusion(longer, keep), fusion(tokens, keep), atol=1e-5)


@each_case
def test_padding_sends_no_gradient(count, layers):
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    tokens["text"].requires_grad_()
    fusion(tokens).square().sum().backward()
    reached = tokens["text"].grad.abs().sum(2) > 0
    assert torch.equal(reached, tokens["text_mask"])


def test_a_mask_of_ones_is_no_mask():
    fusion, tokens = fusion_for(2), tokens_for(2)
    del tokens["text_mask"]
    ones = dict(tokens, text_mask=torch.ones(3, 5, dtype=torch.bool))
    assert torch.allclose(fusion(ones), fusion(tokens), atol=1e-6)


def test_real_tokens_do_count():
    fusion, tokens = fusion_for(2), tokens_for(2)
    moved = dict(tokens, text=tokens["text"] + tokens["text_mask"][:, :, None] * torch.randn(DIM))
    difference = (fusion(moved) - fusion(tokens)).abs().amax(1)
    assert (difference[:2] > 1e-3).all()
    assert difference[2] == 0  # all of it is padding


@each_case
def test_a_modality_that_is_all_padding_is_a_missing_one(count, layers):
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    others = tuple(name for name in names_of(count) if name != "text")
    assert torch.allclose(fusion(tokens)[2], fusion(tokens, others)[2], atol=1e-5)
    assert torch.isfinite(fusion(tokens, ("text",))).all()


# --- which modalities


@each_case
def test_the_order_of_names_changes_nothing(count, layers):
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    wanted = fusion(tokens)
    for order in itertools.permutations(tokens):
        assert torch.equal(fusion({name: tokens[name] for name in order}), wanted)
    for order in itertools.permutations(names_of(count)):
        assert torch.equal(fusion(tokens, order), wanted)
        other = ConcatSelfAttention(order, dim=DIM, layers=layers, heads=4)
        other.load_state_dict(fusion.state_dict())
        assert torch.allclose(other(tokens), wanted, atol=1e-5)


@each_case
def test_every_subset_equals_leaving_the_rest_out(count, layers):
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    seen = []
    for keep in subsets(count):
        left = {name: value for name, value in tokens.items() if name.removesuffix("_mask") in keep}
        z = fusion(tokens, keep)
        assert z.shape == (3, DIM)
        assert torch.equal(z, fusion(left))
        assert torch.equal(z, fusion(left, keep))
        assert torch.equal(z, fusion(tokens, iter(keep)))
        seen.append(z[0])
    assert len(seen) == 2**count - 1
    assert torch.pdist(torch.stack(seen)).min() > 1e-2


def test_modalities_are_told_apart():
    """The same tokens mean something else when they come from another modality."""
    fusion = fusion_for(2)
    same = torch.randn(3, 4, DIM)
    assert (fusion({"image": same}) - fusion({"text": same})).abs().max() > 1e-2


@each_case
def test_batch_mates_change_nothing(count, layers):
    fusion, tokens = fusion_for(count, layers=layers).eval(), tokens_for(count)
    together = fusion(tokens)
    for k in range(3):
        alone = fusion({name: value[k : k + 1] for name, value in tokens.items()})
        assert torch.allclose(alone[0], together[k], atol=1e-5)


# --- as a module


@each_case
def test_gradient_reaches_every_parameter(count, layers):
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    (fusion(tokens) * torch.randn(3, DIM)).sum().backward()
    unreached = [name for name, p in fusion.named_parameters() if p.grad is None or not p.grad.any()]
    assert len(list(fusion.parameters())) == 1 + count + 14 * layers + 2
    assert unreached == []


@each_case
def test_state_travels(count, layers):
    first, second = (fusion_for(count, layers=layers, seed=seed) for seed in (0, 1))
    tokens = tokens_for(count)
    assert not torch.allclose(first(tokens), second(tokens), atol=1e-2)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(tokens), second(tokens))


@each_case
def test_bfloat16_is_near_float32(count, layers):
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    wanted = fusion(tokens)
    with torch.autocast("cpu", torch.bfloat16):
        made = fusion(tokens)
    assert torch.isfinite(made).all()
    assert (made.float() - wanted).abs().max() < 0.1


@pytest.mark.parametrize("training", [True, False])
def test_training_and_evaluation_take_the_same_path(training):
    fusion, tokens = fusion_for(3, layers=2), tokens_for(3)
    assert torch.equal(fusion.train(training)(tokens), fusion.eval()(tokens))
    assert not any(isinstance(module, nn.Dropout) for module in fusion.modules())


# --- the two ways to attend


def attended(q, k, v, mask, way):
    """Value and gradients, for a fixed random weighting of the result."""
    leaves = [part.detach().clone().requires_grad_() for part in (q, k, v)]
    out = way(*leaves, mask)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out.float() * weights).sum().backward()
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def kernel(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def tensors(dtype, *, asked=9, scale=1.0):
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(3, 2, length, 8, generator=generator) for length in (asked, 9, 9))
    return [(scale * q).to(dtype), k.to(dtype), v.to(dtype)]


def partly():
    """One row a sample for all heads and all that ask, as both callers give it; something is seen in each row."""
    mask = torch.rand(3, 1, 1, 9, generator=torch.Generator().manual_seed(2)) < 0.5
    mask[..., 0] = True
    return mask


each_asked = pytest.mark.parametrize("asked", [1, 9])
each_mask = pytest.mark.parametrize("mask", [None, "partly", "first only", "all"])


def mask_of(name):
    first = torch.arange(9).view(1, 1, 1, 9).expand(3, 1, 1, 9) == 0
    return {None: None, "partly": partly(), "first only": first, "all": torch.ones_like(first)}[name]


@each_mask
@each_asked
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_plain_attention_equals_the_fused_kernel_in_half_precision(dtype, asked, mask, scale):
    """Both are a few roundings from the result in float64, in value and in all three gradients."""
    halves, mask = tensors(dtype, asked=asked, scale=scale), mask_of(mask)
    plain, fused = (attended(*halves, mask, way) for way in (attend, kernel))
    exact = attended(*(part.double() for part in halves), mask, kernel)
    step = torch.finfo(dtype).eps * (4 if scale == 1 else 8)  # large scores are rounded more, in plain form above all
    for made, other, wanted in zip(plain, fused, exact, strict=True):
        assert made.dtype == other.dtype == dtype
        size = wanted.abs().max().clamp(min=0.1)  # where one token is seen, its query and key have no gradient
        assert (made - wanted).abs().max() <= step * size
        assert (other - wanted).abs().max() <= step * size
        assert (made.float() - other.float()).abs().max() <= step * size


@each_mask
@each_asked
def test_plain_attention_equals_the_fused_kernel_to_rounding_in_float64(asked, mask):
    parts, mask = tensors(torch.float64, asked=asked), mask_of(mask)
    for made, wanted in zip(attended(*parts, mask, attend), attended(*parts, mask, kernel), strict=True):
        assert torch.allclose(made, wanted, atol=1e-12)


@each_mask
def test_float32_is_left_to_the_fused_kernel(monkeypatch, mask):
    parts, mask = tensors(torch.float32), mask_of(mask)
    wanted = attended(*parts, mask, kernel)
    assert all(torch.equal(a, b) for a, b in zip(attended(*parts, mask, attend), wanted, strict=True))
    monkeypatch.setattr(F, "scaled_dot_product_attention", None)
    with pytest.raises(TypeError, match="not callable"):
        attend(*parts, mask)
    attend(*tensors(torch.bfloat16), mask)  # this one does without


def test_plain_attention_gives_what_is_masked_no_weight_and_no_gradient():
    q, k, v = tensors(torch.bfloat16)
    mask = partly()
    assert (~mask).sum() > 5
    hidden = ~mask.expand(3, 2, 9, 9)[:, :, 0, :, None]
    other = [q, k.masked_fill(hidden, 100.0), v.masked_fill(hidden, -100.0)]
    assert torch.equal(attend(q, k, v, mask), attend(*other, mask))
    _, _, of_keys, of_values = attended(q, k, v, mask, attend)
    for gradient in (of_keys, of_values):
        assert gradient.masked_select(hidden.expand_as(gradient)).abs().max() == 0
        assert gradient.masked_select(~hidden.expand_as(gradient)).abs().max() > 0


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@each_case
def test_the_read_out_token_is_always_seen(monkeypatch, count, layers, precision):
    """Attention to nothing is 0 for the fused kernel and NaN for the plain form: fusion never asks for it."""
    masks, plain = [], attention_module.attend
    monkeypatch.setattr(attention_module, "attend", lambda q, k, v, mask: masks.append(mask) or plain(q, k, v, mask))
    fusion, tokens = fusion_for(count, layers=layers), tokens_for(count)
    tokens["text_mask"] = torch.zeros_like(tokens["text_mask"])
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        for keep in subsets(count):
            assert torch.isfinite(fusion(tokens, keep)).all()
    masks = [mask for mask in masks if mask is not None]
    assert len(masks) == layers * 2 ** (count - 1)
    assert all(mask[..., 0].all() for mask in masks)


# --- what is refused


def fused(keep=None, **changes):
    def call():
        tokens = tokens_for(2) | changes
        return fusion_for(3)({name: value for name, value in tokens.items() if value is not None}, keep)

    return call


def built(modalities=("image", "text"), **changes):
    return lambda: ConcatSelfAttention(modalities, **({"dim": 16, "heads": 4} | changes))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (built([]), ValueError, "modalities must name at least one modality, got none"),
        (built("image"), TypeError, r"modalities must be a list of names, got the text 'image'; write \['image'\]"),
        (built(["image", "image"]), ValueError, r"modalities must differ, got \['image', 'image'\]"),
        (built(["image", "image_mask"]), ValueError, r"a modality must not end in '_mask', got \['image_mask'\]"),
        (built(dim=0), ValueError, "dim must be at least 1, got 0"),
        (built(layers=0), ValueError, "layers must be at least 1, got 0"),
        (built(heads=2.0), TypeError, "heads must be an integer, got float"),
        (built(dim=18), ValueError, "heads must divide dim, got heads=4 and dim=18; choose for example heads=6"),
        (fused("image"), TypeError, r"keep must be a tuple of names, got the text 'image'; write keep=\('image',\)"),
        (fused(()), ValueError, "keep must name at least one of .*, got none"),
        (fused(("image", "sound")), ValueError, r"keep must name only .*, got unknown \['sound'\]"),
        (fused(("image", "force")), ValueError, r"that are present, \['image', 'text'\], got absent \['force'\]"),
        (fused(sound=torch.rand(3, 1, 16)), ValueError, r"tokens must name only .*, got unknown \['sound'\]"),
        (fused(image=None, text=None, text_mask=None), ValueError, "tokens must name at least one of .*, got none"),
        (fused(image=torch.rand(3, 16)), ValueError, r"tokens\['image'\] must have shape \(B, L, D\), got \(3, 16\)"),
        (fused(image=torch.rand(3, 4, 8)), ValueError, r"tokens\['image'\] must have width 16, got shape \(3, 4, 8\)"),
        (fused(text=torch.rand(2, 5, 16)), ValueError, r"tokens\['text'\] must have one entry for each of the 3 rows"),
        (fused(text_mask=torch.ones(3, 4).bool()), ValueError, r"text_mask must be boolean with shape \(3, 5\)"),
        (fused(text_mask=torch.ones(3, 5)), ValueError, "text_mask must be boolean .* got torch.float32"),
        (fused(text_mask=[[True]]), TypeError, "text_mask must be a torch.Tensor, got list"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
