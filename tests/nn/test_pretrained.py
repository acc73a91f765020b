"""A CLIP with random weights, small enough to be made here, stands for the published ones; nothing is fetched."""

import shutil
import string
import time

import huggingface_hub
import pytest
import torch
from torch import nn

from comm_lite.evaluate import zero_shot_classifier
from comm_lite.nn import PretrainedCLIP

SIDE, LONGEST = 32, 16
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
SPELLED = ["<|startoftext|>", "<|endoftext|>", *string.ascii_lowercase, *(c + "</w>" for c in string.ascii_lowercase)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.utils import logging

    logging.disable_progress_bar()
    path = tmp_path_factory.mktemp("clip")
    small = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(SPELLED), "max_position_embeddings": LONGEST, "bos_token_id": 0, "eos_token_id": 1}
    image = {"image_size": SIDE, "patch_size": 8}
    torch.manual_seed(0)
    model = CLIPModel(
        CLIPConfig(text_config={**small, **text, "pad_token_id": 1}, vision_config={**small, **image}, projection_dim=8)
    )
    for p in model.parameters():  # the initial weights are so small that all embeddings are nearly one
        if p.ndim > 1:
            nn.init.normal_(p, std=0.3)
    model.save_pretrained(path)
    CLIPTokenizer(vocab={word: i for i, word in enumerate(SPELLED)}, merges=[]).save_pretrained(path)
    crop = {"height": SIDE, "width": SIDE}
    CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=crop).save_pretrained(path)
    logging.enable_progress_bar()
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def clip(folder):
    return PretrainedCLIP.from_pretrained(folder)


def test_loading_says_nothing_and_changes_no_setting(folder, capfd):
    from transformers.utils import logging

    assert logging.is_progress_bar_enabled()
    PretrainedCLIP.from_pretrained(str(folder))
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled()


def test_images_are_prepared_as_the_model_wants_them(clip):
    """At the model's own size nothing is resized: what is left is 256 levels, mean and deviation."""
    images = torch.rand(3, 3, SIDE, SIDE)
    ready = ((images * 255).round() / 255 - MEAN) / STD
    with torch.no_grad():
        pooled = clip.model.vision_model(ready).pooler_output
        wanted = pooled @ clip.model.visual_projection.weight.T
    made = clip.encode_image(images)
    assert made.shape == (3, clip.dim) == (3, 8)
    assert torch.allclose(made, wanted, atol=1e-5)
    assert (wanted[0] - wanted[1]).abs().max() > 1e-2


def test_other_sizes_are_resized_and_cropped(clip):
    plain = torch.tensor([0.9, 0.2, 0.4]).view(1, 3, 1, 1)
    wanted = clip.encode_image(plain.expand(1, 3, SIDE, SIDE))
    for height, width in ((64, 64), (20, 50), (33, 32)):
        assert torch.allclose(clip.encode_image(plain.expand(1, 3, height, width)), wanted, atol=1e-5)
    wide = plain.expand(1, 3, 40, 120).clone()
    wide[..., :30] = wide[..., -30:] = 0  # what a central crop does not see
    assert torch.allclose(clip.encode_image(wide), wanted, atol=1e-5)


def test_texts_are_cut_into_the_tokens_of_the_model(clip):
    """The tiny vocabulary spells: every letter is a token, the last of a word another one."""
    texts = ["A cat", "dog", "zebra  by NIGHT"]
    made = clip.encode_text(iter(texts))
    for row, text in zip(made, texts, strict=True):
        words = [[*word[:-1], word[-1] + "</w>"] for word in text.lower().split()]
        ids = [0, *(SPELLED.index(token) for word in words for token in word), 1]
        with torch.no_grad():
            pooled = clip.model.text_model(torch.tensor([ids])).pooler_output
            wanted = pooled @ clip.model.text_projection.weight.T
        assert torch.allclose(row, wanted[0], atol=1e-5)  # padding to the longest changed nothing
    assert made.shape == (3, 8) and (made[0] - made[1]).abs().max() > 1e-2


def test_too_long_a_text_is_cut_only_when_asked(clip, capfd):
    fits, long = "a" * (LONGEST - 2), "a" * (LONGEST - 2) + "bcd"
    clip.encode_text([fits])
    with pytest.raises(ValueError, match=r"texts must have at most 16 tokens, got 19 in 'aaaa.*bcd'; shorten it or"):
        clip.encode_text([fits, long, "a"])
    cut = clip.encode_text([long, "a"], truncate=True)
    assert torch.allclose(cut[1], clip.encode_text(["a"])[0], atol=1e-5)
    assert torch.allclose(cut[0], clip.encode_text(["a" * (LONGEST - 2) + "xyz"], truncate=True)[0], atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_it_stays_frozen_inside_a_model_in_training(clip):
    around = nn.ModuleDict({"clip": clip, "head": nn.Linear(8, 4)}).train()
    assert around["head"].training and not any(module.training for module in clip.modules())
    assert clip.train() is clip and not clip.model.training
    assert [name for name, p in around.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
    images = torch.rand(2, 3, SIDE, SIDE, requires_grad=True)
    assert not clip.encode_image(images).requires_grad and not clip.encode_text(["a"]).requires_grad
    around["head"](clip.encode_image(images)).sum().backward()
    assert around["head"].weight.grad.any()


def test_its_temperature_is_the_one_of_our_loss(clip):
    assert clip.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)  # where CLIP starts
    assert isinstance(clip.logit_scale, float)


def test_it_classifies_by_prompts(clip):
    made = zero_shot_classifier(clip.encode_text, ["cat", "dog"], ["a {}", "my {}"])
    assert torch.allclose(made.norm(dim=1), torch.ones(2), atol=1e-5)


def one_line(error):
    assert "\n" not in str(error) and ";" in str(error)
    return str(error)


@pytest.mark.parametrize("name", ["comm-lite-tests/is-not-there", "/nowhere/at/all", "a b c"])
@pytest.mark.usefixtures("folder")  # the library is loaded by now, which alone takes seconds
def test_without_weights_one_error_comes_at_once(name, capfd):
    start = time.perf_counter()
    with pytest.raises(OSError, match="name must be a CLIP on this machine, got") as caught:
        PretrainedCLIP.from_pretrained(name)
    assert time.perf_counter() - start < 5
    assert repr(name) in one_line(caught.value)
    assert capfd.readouterr() == ("", "")


def test_without_a_network_a_download_gives_up_at_once(monkeypatch, capfd):
    asked = []

    def unplugged(self, name, timeout):
        asked.append((name, timeout))
        raise ConnectionError("no route to host\nand a long story")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unplugged)
    with pytest.raises(OSError, match="which could not be fetched \\(no route to host\\); check name and network"):
        PretrainedCLIP.from_pretrained("comm-lite-tests/is-not-there", download=True)
    assert asked == [("comm-lite-tests/is-not-there", 10)]
    assert capfd.readouterr() == ("", "")


def test_what_is_here_is_not_fetched(folder, monkeypatch):
    monkeypatch.delattr(huggingface_hub.HfApi, "model_info")
    assert PretrainedCLIP.from_pretrained(folder, download=True).dim == 8


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"])
def test_a_folder_without_one_of_its_files_is_refused(copy, lost):
    (copy / lost).unlink()
    with pytest.raises(OSError, match="name must be a CLIP on this machine") as caught:
        PretrainedCLIP.from_pretrained(copy)
    one_line(caught.value)


def test_a_missing_weight_is_not_made_up(copy, capfd):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"without \['visual_projection.weight'\]; these would be random numbers"):
        PretrainedCLIP.from_pretrained(copy)


def test_another_kind_of_model_is_refused(tmp_path):
    from transformers import BertConfig

    BertConfig(num_hidden_layers=1).save_pretrained(tmp_path)
    for download in (False, True):
        with pytest.raises(ValueError, match="name must be a CLIP, got '.*', a bert; choose a model of type clip"):
            PretrainedCLIP.from_pretrained(tmp_path, download=download)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.encode_image(torch.rand(3, 8, 8)), ValueError, r"images must have shape \(B, 3, H, W\)"),
        (lambda c: c.encode_image(torch.rand(2, 1, 8, 8)), ValueError, "images must have 3 channels"),
        (lambda c: c.encode_image(torch.ones(2, 3, 8, 8).byte()), TypeError, "must hold floats .* got torch.uint8"),
        (lambda c: c.encode_image(torch.ones(2, 3, 8, 8) * 2), ValueError, r"lie in \[0, 1\], got 2..2; the model"),
        (lambda c: c.encode_image(torch.ones(2, 3, 8, 8) - 1.5), ValueError, r"lie in \[0, 1\], got -0.5..-0.5; the"),
        (lambda c: c.encode_image(torch.rand(0, 3, 8, 8)), ValueError, "images must hold at least one image"),
        (
            lambda c: c.encode_image(torch.full((1, 3, 8, 8), float("nan"))),
            ValueError,
            r"in \[0, 1\], got nan",
        ),
        (lambda c: c.encode_text("a cat"), TypeError, "texts must be a list of texts, got 'a cat'; put a single"),
        (lambda c: c.encode_text([]), ValueError, "texts must hold at least one text, got none"),
        (lambda c: c.encode_text([None]), TypeError, "texts must hold only texts, got NoneType"),
        (lambda c: PretrainedCLIP(nn.Linear(2, 2), None, None), TypeError, "must be a transformers.CLIPModel, got Lin"),
    ],
)
def test_wrong_input_is_refused(clip, call, error, text):
    with pytest.raises(error, match=text):
        call(clip)
