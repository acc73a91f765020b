import pytest
import torch
from torch import nn

from comm_lite.nn import AlexNetFeatures, SmallCNN


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


def test_channels_last_gives_the_same_features():
    encoder, images = SmallCNN(width=4).eval(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        wanted = encoder(images)
        made = encoder.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
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
        (encode(SmallCNN(width=4), torch.rand(2, 32, 32, 3)), ValueError, "images must have 3 channels, got shape"),
        (encode(SmallCNN(width=4), torch.zeros(2, 3, 32, 32).byte()), TypeError, "must hold floats .* got torch.uint8"),
        (encode(SmallCNN(width=4), [1]), TypeError, "images must be a torch.Tensor, got list"),
        (encode(AlexNetFeatures(), torch.rand(1, 3, 62, 224)), ValueError, r"at least 63 x 63 .* got \(62, 224\)"),
        (encode(AlexNetFeatures(), torch.rand(1, 1, 64, 64)), ValueError, "images must have 3 channels, got shape"),
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
