import math

import pytest
import torch

from comm_lite.nn import PatchConverter, TokenConverter, sincos_2d


@pytest.mark.parametrize(("height", "width", "dim"), [(1, 1, 4), (3, 5, 16), (6, 6, 512)])
def test_codes_are_those_of_the_formula(height, width, dim):
    codes = sincos_2d(height, width, dim)
    quarter = dim // 4
    assert codes.shape == (height * width, dim)
    for position in range(height * width):
        row, column = divmod(position, width)
        for k in range(0, quarter, max(1, quarter // 3)):
            rate = 10_000 ** (-k / quarter)
            wanted = [math.sin(row * rate), math.sin(column * rate), math.cos(row * rate), math.cos(column * rate)]
            assert codes[position, k::quarter].tolist() == pytest.approx(wanted, abs=1e-5)


def test_codes_of_all_positions_differ():
    codes = sincos_2d(6, 6, 32)
    assert torch.cdist(codes, codes).fill_diagonal_(9).min() > 0.3


def test_a_token_is_its_position_s_features_projected_plus_a_code():
    converter, features = PatchConverter(5, 8), torch.randn(2, 5, 3, 4)
    tokens = converter(features)
    assert tokens.shape == (2, 12, 8)
    for row in range(3):
        for column in range(4):
            code = sincos_2d(3, 4, 8)[row * 4 + column]
            wanted = converter.project(features[:, :, row, column]) + code
            assert torch.allclose(tokens[:, row * 4 + column], wanted, atol=1e-6)


def test_moving_a_feature_changes_its_token():
    converter = PatchConverter(5, 8)
    features = torch.randn(1, 5, 1, 1).expand(1, 5, 2, 2)
    tokens = converter(features)[0]
    assert torch.cdist(tokens, tokens).fill_diagonal_(9).min() > 0.1


def test_vectors_become_one_token_and_sequences_one_each():
    converter, sequence = TokenConverter(6, 8), torch.randn(2, 7, 6)
    tokens = converter(sequence)
    assert tokens.shape == (2, 7, 8)
    assert converter(sequence[:, 3]).shape == (2, 1, 8)
    assert torch.allclose(converter(sequence[:, 3])[:, 0], tokens[:, 3], atol=1e-6)


def test_two_maps_have_a_bend_between_them():
    converter, x = TokenConverter(6, 8, hidden=10), torch.randn(2, 7, 6)
    first, _, second = converter.project
    bent = x @ first.weight.T + first.bias
    bent = bent * 0.5 * (1 + torch.erf(bent / math.sqrt(2)))
    assert torch.allclose(converter(x), bent @ second.weight.T + second.bias, atol=1e-6)


MADE = [PatchConverter(6, 8), TokenConverter(6, 8), TokenConverter(6, 8, hidden=10)]


@pytest.mark.parametrize("converter", MADE, ids=["patches", "tokens", "two maps"])
def test_gradient_and_mates(converter):
    x = torch.randn(3, 6, 2, 2) if isinstance(converter, PatchConverter) else torch.randn(3, 7, 6)
    tokens = converter(x)
    assert torch.allclose(converter(x[1:2])[0], tokens[1], atol=1e-6)
    (tokens * torch.randn_like(tokens)).sum().backward()
    assert all(p.grad.any() for p in converter.parameters())
    assert converter.dim == 8


def test_codes_follow_the_dtype_of_the_tokens():
    converter = PatchConverter(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert converter(torch.randn(2, 5, 3, 4)).dtype == torch.bfloat16
    assert converter.double()(torch.randn(2, 5, 3, 4).double()).dtype == torch.float64


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: sincos_2d(2, 2, 6), ValueError, "dim must be a multiple of 4, got 6"),
        (lambda: sincos_2d(0, 2, 8), ValueError, "height must be at least 1, got 0"),
        (lambda: sincos_2d(2, 2.0, 8), TypeError, "width must be an integer, got float"),
        (lambda: sincos_2d(2, 2, 0), ValueError, "dim must be at least 1, got 0"),
        (lambda: PatchConverter(0, 8), ValueError, "channels must be at least 1, got 0"),
        (lambda: PatchConverter(4, 10), ValueError, "dim must be a multiple of 4, got 10"),
        (lambda: PatchConverter(4, 8)(torch.rand(2, 4, 8)), ValueError, r"features must have shape \(B, C, H, W\)"),
        (lambda: TokenConverter(0, 8), ValueError, "features must be at least 1, got 0"),
        (lambda: TokenConverter(4, 8, hidden=0), ValueError, "hidden must be at least 1, got 0"),
        (lambda: TokenConverter(4, "8"), TypeError, "dim must be an integer, got str"),
        (lambda: TokenConverter(4, 8)([1.0]), TypeError, "features must be a torch.Tensor, got list"),
        (
            lambda: TokenConverter(4, 8)(torch.rand(2, 5)),
            ValueError,
            r"features must have shape \(B, 4\) or \(B, L, 4\), got \(2, 5\)",
        ),
        (
            lambda: TokenConverter(4, 8)(torch.rand(2, 3, 3, 4)),
            ValueError,
            r"features must have shape .* \(2, 3, 3, 4\)",
        ),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
