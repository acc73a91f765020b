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


def twins(seed, *, shared=True):
    torch.manual_seed(seed)
    one = nn.Linear(64, 64)
    return nn.ModuleDict({"first": one, "second": one if shared else nn.Linear(64, 64)})


def test_one_encoder_under_two_names_is_saved_once_and_loaded_tied(tmp_path):
    trained, path = twins(0), tmp_path / "twins.safetensors"
    digest = save_weights(trained, path)
    assert save_weights(trained, tmp_path / "again.safetensors") == digest
    assert path.stat().st_size < 1.5 * 2 * 64 * 65  # in half precision, once
    loaded = load_weights(twins(1), path, sha256=digest)
    assert loaded["first"] is loaded["second"]
    assert torch.equal(loaded["first"].weight, trained["first"].weight.half().float())


@pytest.mark.parametrize("shared", [True, False])
def test_what_is_shared_elsewhere_is_another_model(tmp_path, shared):
    path, built = tmp_path / "twins.safetensors", twins(1, shared=not shared)
    digest = save_weights(twins(0, shared=shared), path)
    before = built["first"].weight.clone()
    wanted = "model must share the weights that are shared in twins.safetensors, got a difference at second.bias; build"
    with pytest.raises(ValueError, match=wanted):
        load_weights(built, path, sha256=digest)
    assert torch.equal(built["first"].weight, before)


def test_a_planted_link_beside_the_file_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("keep me")
    (tmp_path / "w.safetensors.part").symlink_to(tmp_path / "victim")
    save_weights(model(0), tmp_path / "w.safetensors")
    assert (tmp_path / "victim").read_text() == "keep me"
