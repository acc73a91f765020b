r"""Weights in a file: what was saved comes back, and what is not that very file is refused."""

import hashlib
import re

import pytest
import torch
from torch import nn

from comm_lite.nn import SmallCNN, load_weights, save_weights


def model(seed):
    torch.manual_seed(seed)
    return nn.Sequential(SmallCNN(width=4), nn.Flatten(), nn.Linear(16, 3))


@pytest.fixture
def stored(tmp_path):
    path, trained = tmp_path / "small.safetensors", model(0)
    trained(torch.rand(8, 3, 16, 16))  # batch normalisation has running means and a counter
    return path, save_weights(trained, path), trained.eval()


def test_a_saved_model_answers_as_before_up_to_half_precision(stored):
    path, digest, trained = stored
    loaded = load_weights(model(1), path, sha256=digest)
    x = torch.rand(5, 3, 16, 16)
    assert not loaded.training and not torch.equal(loaded(x), model(1).eval()(x))
    torch.testing.assert_close(loaded(x), trained(x), rtol=1e-2, atol=1e-2)
    assert {v.dtype for v in loaded.state_dict().values()} == {torch.float32, torch.int64}
    for name, value in trained.state_dict().items():
        wanted = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded.state_dict()[name], wanted), name


def test_equal_weights_give_equal_bytes_and_nothing_is_left_beside_them(stored, tmp_path):
    path, digest, trained = stored
    again = save_weights(trained.to(memory_format=torch.channels_last), tmp_path / "again.safetensors")
    assert again == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.safetensors", "small.safetensors"]


@pytest.mark.parametrize("place", [0, 9, 200, -1], ids=["length", "header", "middle", "last"])
def test_a_flipped_bit_is_refused(stored, place):
    path, digest, _ = stored
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    wanted = rf"small.safetensors must have sha256 {digest[:12]}…, got [0-9a-f]{{12}}… from {len(content)} bytes; the "
    with pytest.raises(ValueError, match=wanted + "file is damaged or of another version, so restore it or make it"):
        load_weights(model(1), path, sha256=digest)


@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_truncated_file_is_refused(stored, left):
    path, digest, _ = stored
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=rf"must have sha256 {digest[:12]}…, got [0-9a-f]{{12}}… from {left} bytes"):
        load_weights(model(1), path, sha256=digest)


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "gone.safetensors"
    wanted = f"path must be a file of weights, found none at {path}; restore it or make it anew"
    with pytest.raises(FileNotFoundError, match=re.escape(wanted)):
        load_weights(model(1), path, sha256="0" * 64)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (lambda: nn.Sequential(SmallCNN(width=4), nn.Flatten(), nn.Linear(16, 4)), "got 2 weights .* such as 2.bias"),
        (lambda: nn.Sequential(SmallCNN(width=4), nn.Flatten()), "got 2 weights .* such as 2.bias"),
        (lambda: nn.Sequential(model(0), nn.Linear(3, 1)), "weights that differ in name or shape, such as 0.0.layers"),
    ],
    ids=["shape", "fewer", "more"],
)
def test_the_weights_of_another_model_are_refused_before_anything_changes(stored, other, text):
    path, digest, _ = stored
    built = other()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    with pytest.raises(ValueError, match=f"model must be built as the one in small.safetensors, {'.*'}{text}"):
        load_weights(built, path, sha256=digest)
    assert all(torch.equal(before[name], value) for name, value in built.state_dict().items())


def test_what_half_precision_cannot_hold_is_not_written(tmp_path):
    large = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        large.weight.fill_(1e6)
    with pytest.raises(ValueError, match="weight in half precision must be finite"):
        save_weights(large, tmp_path / "large.safetensors")
    assert list(tmp_path.iterdir()) == []
