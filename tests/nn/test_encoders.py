import copy

import pytest
import torch
from torch import nn

from comm_lite.models import CoMM, TwoTower
from comm_lite.nn import (
    AlexNetFeatures,
    ConcatSelfAttention,
    PerToken,
    ProjectionHead,
    SmallCNN,
    TextTransformer,
    TokenConverter,
)


@pytest.mark.parametrize(
    ("side", "out"), [((64, 64), (4, 4)), ((48, 48), (3, 3)), ((33, 64), (3, 4)), ((16, 16), (1, 1))]
)
def test_small_cnn_gives_one_position_every_16_pixels(side, out):
    encoder = SmallCNN(width=4)
    assert encoder(torch.rand(2, 3, *side)).shape == (2, 16, *out)
    assert encoder.dim == 16


def test_alexnet_gives_the_map_of_the_paper():
    encoder = AlexNetFeatures().eval()
    with torch.no_grad():
        assert encoder(torch.rand(1, 3, 224, 224)).shape == (1, 256, 6, 6)
        assert encoder(torch.rand(1, 3, 63, 63)).shape == (1, 256, 1, 1)
    assert encoder.dim == 256
    assert sum(p.numel() for p in encoder.parameters()) == 2_469_696


@pytest.mark.parametrize("encoder", [SmallCNN(width=4), AlexNetFeatures()], ids=["SmallCNN", "AlexNetFeatures"])
def test_evaluation_does_not_look_at_batch_mates(encoder):
    images = torch.rand(3, 3, 64, 64)
    encoder.eval()
    with torch.no_grad():
        together = encoder(images)
        assert torch.allclose(encoder(images[1:2])[0], together[1], atol=1e-5)
        assert torch.allclose(encoder(images.flip(0)), together.flip(0), atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@pytest.mark.parametrize("encoder", [SmallCNN(width=4), AlexNetFeatures()], ids=["SmallCNN", "AlexNetFeatures"])
def test_gradient_reaches_every_parameter(encoder):
    encoder.train()
    features = encoder(torch.rand(4, 3, 64, 64))
    (features * torch.randn_like(features)).sum().backward()
    names = [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert len(list(encoder.parameters())) >= 10
    assert names == []


@pytest.mark.parametrize("training", [True, False])
def test_images_are_centred_in_every_mode(training):
    """Gray 0.5 reaches the first convolution as 0, black as -2, white as 2."""
    encoder = SmallCNN(width=4).train(training)
    seen = []
    encoder.layers.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    encoder(torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 32, 32))
    assert seen[0][:, 0, 0, 0].tolist() == [-2, 0, 2]


@pytest.mark.parametrize("encoder", [SmallCNN(width=4), AlexNetFeatures()], ids=["SmallCNN", "AlexNetFeatures"])
def test_the_layout_is_the_encoders_own(encoder):
    """Kernels and what flows between them are channels-last, whatever the images are; the figures are the same."""
    encoder, images = copy.deepcopy(encoder).eval(), torch.rand(2, 3, 64, 64)
    kernels = [p for p in encoder.parameters() if p.ndim == 4]
    assert len(kernels) == 5 and all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    with torch.no_grad():
        made = encoder(images)
        assert torch.equal(encoder(images.to(memory_format=torch.channels_last)), made)
        assert made.is_contiguous(memory_format=torch.channels_last) and images.is_contiguous()
        wanted = encoder.layers.to(memory_format=torch.contiguous_format)((images - 0.5) * 4)
    assert torch.allclose(made, wanted, atol=1e-5)


def test_bfloat16_is_near_float32():
    encoder, images = SmallCNN(width=8).eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        wanted = encoder(images)
        with torch.autocast("cpu", torch.bfloat16):
            made = encoder(images)
    assert torch.isfinite(made).all()
    assert (made - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_state_travels():
    first, second = SmallCNN(width=4), SmallCNN(width=4)
    images = torch.rand(4, 3, 32, 32)
    first(images)  # moves the running statistics
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        assert torch.equal(second.eval()(images), first.eval()(images))


def encode(encoder, images):
    return lambda: encoder(images)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: SmallCNN(width=0), ValueError, "width must be at least 1, got 0"),
        (lambda: SmallCNN(width=2.0), TypeError, "width must be an integer, got float"),
        (encode(SmallCNN(width=4), torch.rand(3, 32, 32)), ValueError, r"images must have shape \(B, 3, H, W\)"),
        (
            encode(SmallCNN(width=4), torch.rand(2, 32, 32, 3)),
            ValueError,
            "3 channels .* got 32 in shape",
        ),
        (encode(SmallCNN(width=4), torch.zeros(2, 3, 32, 32).byte()), TypeError, "must hold floats .* got torch.uint8"),
        (encode(SmallCNN(width=4), [1]), TypeError, "images must be a torch.Tensor, got list"),
        (encode(AlexNetFeatures(), torch.rand(1, 3, 62, 224)), ValueError, r"at least 63 x 63 .* got \(62, 224\)"),
        (
            encode(AlexNetFeatures(), torch.rand(1, 1, 64, 64)),
            ValueError,
            "3 channels .* got 1 in shape",
        ),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_encoders_are_modules_without_hidden_layers():
    """An unregistered layer would be missing here: 5 convolutions with 5 normalisations; 5 convolutions."""
    for encoder, convolutions, norms in ((SmallCNN(width=4), 5, 5), (AlexNetFeatures(), 5, 0)):
        kinds = [type(module) for module in encoder.modules()]
        assert kinds.count(nn.Conv2d) == convolutions
        assert kinds.count(nn.BatchNorm2d) == norms


def text(vocabulary=20, *, seed=0, **options):
    torch.manual_seed(seed)
    return TextTransformer(vocabulary, **{"width": 16, "length": 8, **options})


def batch(rows=5, length=8, vocabulary=20):
    """Ids and mask; the rows have 1, 2, 3, ... real tokens."""
    ids = torch.randint(5, vocabulary, (rows, length))
    return ids, torch.arange(length) < torch.arange(1, rows + 1)[:, None]


def test_text_transformer_is_the_one_of_torch():
    """The same weights in torch's own layers, which are written differently, give the same tokens."""
    encoder, (ids, mask) = text(layers=3, heads=2).eval(), batch()
    layer = nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", batch_first=True, norm_first=True)
    theirs = nn.TransformerEncoder(layer, 3, norm=nn.LayerNorm(16), enable_nested_tensor=False).eval()
    for to, ours in zip(theirs.layers, encoder.blocks, strict=True):
        attention = {
            "in_proj_weight": torch.cat([ours.query.weight, ours.key_value.weight]),
            "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
        to.self_attn.load_state_dict(attention)
        for name, part in (("linear1", ours.mlp[0]), ("linear2", ours.mlp[2]), ("norm1", ours.norm1)):
            getattr(to, name).load_state_dict(part.state_dict())
        to.norm2.load_state_dict(ours.norm2.state_dict())
    with torch.no_grad():
        embedded = encoder.words.weight[ids] + encoder.places
        wanted, made = theirs(embedded, src_key_padding_mask=~mask), encoder(ids, mask)
        assert torch.allclose(made[mask], wanted[mask], atol=1e-5)
        assert not made[~mask].any()
        assert torch.allclose(encoder(ids), theirs(embedded), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_padding_changes_neither_values_nor_gradients(training):
    encoder, (ids, mask) = text().train(training), batch(rows=4, length=4)

    def run(ids, mask):
        encoder.zero_grad()
        tokens = encoder(ids, mask)
        tokens[:, :4].sin().sum().backward()
        return tokens[:, :4].detach(), {name: p.grad.clone() for name, p in encoder.named_parameters()}

    plain, wanted = run(ids, mask)
    assert len(wanted) > 20 and all(grad.any() for grad in wanted.values())
    other_words = torch.where(mask, ids, torch.randint(-9, 999, ids.shape))
    longer = (torch.cat([ids, ids], 1), torch.cat([mask, torch.zeros_like(mask)], 1))
    for made, grads in (run(other_words, mask), run(*longer)):
        assert torch.allclose(made, plain, atol=1e-6)
        assert all(torch.allclose(grads[name], wanted[name], atol=1e-5) for name in wanted)
    alone = torch.cat([encoder(ids[i : i + 1, : i + 1]).detach()[0] for i in range(4)])  # with no padding at all
    assert torch.allclose(plain[mask], alone, atol=1e-5)


def test_padding_brings_no_gradient_to_the_word_it_stands_for():
    encoder, (ids, mask) = text(), batch()
    encoder(ids, mask).square().sum().backward()
    assert not encoder.words.weight.grad[0].any()
    assert encoder.words.weight.grad[ids[0, 0]].any()


@pytest.mark.parametrize("training", [True, False])
def test_a_row_of_padding_alone_is_zero(training):
    encoder, (ids, mask) = text().train(training), batch()
    wanted = encoder(ids, mask).detach()
    mask = mask.clone()
    mask[2] = False
    tokens = encoder(ids, mask)
    assert not tokens[2].any()
    assert torch.allclose(tokens[[0, 1, 3, 4]], wanted[[0, 1, 3, 4]], atol=1e-6)
    tokens.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


def test_every_word_and_every_place_counts():
    encoder = text().eval()
    ids = torch.tensor([[7, 8, 9, 10]])
    with torch.no_grad():
        wanted = encoder(ids)[0]
        for place in range(4):  # both ways: every token hears of a change at any place
            other = ids.clone()
            other[0, place] = 11
            assert ((encoder(other)[0] - wanted).abs().amax(1) > 1e-4).all()
        swapped = encoder(ids[:, [1, 0, 2, 3]])[0]
    assert not torch.allclose(swapped.mean(0), wanted.mean(0), atol=1e-4)  # not a bag of words


def test_rows_do_not_see_each_other():
    encoder, (ids, mask) = text(), batch()
    with torch.no_grad():
        wanted = encoder(ids, mask)
        assert torch.allclose(encoder(ids.flip(0), mask.flip(0)).flip(0), wanted, atol=1e-6)
        assert torch.allclose(encoder(ids[3:4], mask[3:4])[0], wanted[3], atol=1e-6)


@pytest.mark.parametrize("family", ["CoMM", "TwoTower"])
def test_a_model_hands_the_mask_on(family):
    encoders, converters = {"text": text()}, {"text": TokenConverter(16, 12)}
    if family == "CoMM":
        fusion = ConcatSelfAttention(["text"], dim=12, heads=2)
        model = CoMM(encoders, converters, fusion, ProjectionHead(12, hidden=8, out=4))
    else:
        model = TwoTower(encoders, converters, {"text": ProjectionHead(12, hidden=8, out=4)})
    ids, mask = batch()
    z = model({"text": ids, "text_mask": mask})
    assert z.shape == (5, 12) and encoders["text"].dim == 16
    other = torch.where(mask, ids, 3)
    assert torch.allclose(model({"text": other, "text_mask": mask}), z, atol=1e-6)
    assert not torch.allclose(model({"text": ids}), z, atol=1e-3)
    z.sin().sum().backward()
    silent = [name for name, p in encoders["text"].named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_it_learns_what_the_order_tells():
    """Which of two words comes first: at chance for a bag of words."""
    encoder, read = text(layers=1), nn.Linear(16, 2)
    optimiser = torch.optim.AdamW([*encoder.parameters(), *read.parameters()], lr=1e-2)
    losses = []
    for _ in range(60):
        ids = torch.randint(7, 20, (64, 6))
        ids[:, 1], ids[:, 4] = 5, 6
        flip = torch.rand(64) < 0.5
        ids[flip] = ids[flip].flip(1)
        loss = nn.functional.cross_entropy(read(encoder(ids).mean(1)), flip.long())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.5 and sum(losses[-5:]) / 5 < 0.1


def test_text_in_bfloat16_is_near_float32():
    encoder, (ids, mask) = text(width=32).eval(), batch()
    with torch.no_grad():
        wanted = encoder(ids, mask)
        with torch.autocast("cpu", torch.bfloat16):
            made = encoder(ids, mask)
    assert torch.isfinite(made).all()
    assert (made - wanted).abs().max() < 0.05 * wanted.abs().max()


def test_text_state_travels():
    first, second, (ids, mask) = text(seed=1), text(seed=2), batch()
    with torch.no_grad():
        assert not torch.allclose(first(ids, mask), second(ids, mask), atol=1e-2)
        second.load_state_dict(first.state_dict())
        assert torch.equal(first(ids, mask), second(ids, mask))


IDS = torch.ones(2, 4).long()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: PerToken(torch.relu), TypeError, "module must be a torch.nn.Module, got builtin_function_or_method"),
        (lambda: PerToken(nn.Identity(), dim=0), ValueError, "dim must be at least 1, got 0"),
        (lambda: TextTransformer(1), ValueError, "vocabulary must be at least 2, got 1"),
        (lambda: TextTransformer(9, layers=0), ValueError, "layers must be at least 1, got 0"),
        (lambda: TextTransformer(9, length=2.0), TypeError, "length must be an integer, got float"),
        (
            lambda: TextTransformer(9, width=10, heads=4),
            ValueError,
            "heads must divide width, got heads=4 and width=10",
        ),
        (lambda: text()(IDS[0]), ValueError, r"ids must have shape \(B, L\), got \(4,\)"),
        (lambda: text()(IDS.float()), TypeError, "ids must hold integers, got torch.float32"),
        (lambda: text()(IDS.repeat(1, 3)), ValueError, r"at most length=8 columns, got shape \(2, 12\); shorten"),
        (lambda: text()(IDS * 20), ValueError, "ids must lie in 0..19, got 20..20; build the encoder"),
        (lambda: text()(-IDS), ValueError, "ids must lie in 0..19, got -1..-1; build the encoder"),
        (lambda: text()(IDS, IDS), ValueError, r"mask must be boolean with shape \(2, 4\), .* got torch.int64"),
        (lambda: text()(IDS, IDS[:, 1:] > 0), ValueError, r"with shape \(2, 4\), .* with shape \(2, 3\); take it"),
        (lambda: text()(IDS, [True]), TypeError, "mask must be a torch.Tensor, got list"),
    ],
)
def test_wrong_text_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
