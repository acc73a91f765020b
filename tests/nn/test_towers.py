"""Tiny towers with random weights stand for the published ones of each family; nothing is fetched."""

import copy
import shutil

import numpy
import pytest
import torch
from PIL import Image
from torch import nn

from comm_lite.models import TwoTower
from comm_lite.nn import PretrainedImages, PretrainedTexts, TokenConverter, cached_tokens

SMALL = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = ["[PAD]", "[UNK]", "<s>", "</s>", "a", "red", "blue", "circle", "square", "above"]
SIDE = 32
IMAGES = ["clip", "vit", "dinov2", "dinov2_with_registers"]
TEXTS = ["bert", "roberta", "distilbert", "mpnet", "clip"]


def shaken(model):
    generator = torch.Generator().manual_seed(0)
    for p in model.parameters():  # the initial weights are so small that all tokens are nearly one
        with torch.no_grad():
            p += 0.2 * torch.randn(p.shape, generator=generator)
    return model


def image_tower(kind):
    import transformers as t

    from_side = {"image_size": SIDE, "patch_size": 8}
    made = {
        "clip": lambda: t.CLIPVisionModel(t.CLIPVisionConfig(**SMALL, **from_side)),
        "vit": lambda: t.ViTModel(t.ViTConfig(**SMALL, **from_side)),
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**SMALL, **from_side)),
        "dinov2_with_registers": lambda: t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**SMALL, **from_side)),
    }
    return shaken(made[kind]())


def processor(kind):
    import transformers as t

    both = {"height": SIDE, "width": SIDE}
    if kind == "vit":
        return t.ViTImageProcessorPil(size=both)
    made = t.CLIPImageProcessorPil if kind == "clip" else t.BitImageProcessorPil
    return made(size={"shortest_edge": SIDE + 4}, crop_size=both)


def text_tower(kind):
    import transformers as t

    text = {"vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    made = {
        "bert": lambda: t.BertModel(t.BertConfig(**SMALL, **text, max_position_embeddings=12)),
        "roberta": lambda: t.RobertaModel(t.RobertaConfig(**SMALL, **text, max_position_embeddings=13)),
        "mpnet": lambda: t.MPNetModel(t.MPNetConfig(**SMALL, **text, max_position_embeddings=14)),
        "clip": lambda: t.CLIPTextModel(t.CLIPTextConfig(**SMALL, **text, max_position_embeddings=12)),
        "distilbert": lambda: t.DistilBertModel(
            t.DistilBertConfig(dim=16, hidden_dim=24, n_layers=2, n_heads=2, **text, max_position_embeddings=12)
        ),
    }
    return shaken(made[kind]())


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]")


@pytest.fixture(scope="module")
def towers():
    found = {("image", kind): PretrainedImages(image_tower(kind), processor(kind)) for kind in IMAGES}
    return found | {("text", kind): PretrainedTexts(text_tower(kind), tokenizer()) for kind in TEXTS}


@pytest.fixture(scope="module")
def folders(towers, tmp_path_factory):
    from transformers.utils import logging

    logging.disable_progress_bar()
    paths = {}
    for (what, kind), tower in towers.items():
        path = paths[what, kind] = tmp_path_factory.mktemp(f"{what}-{kind}")
        tower.model.save_pretrained(path)
        (processor(kind) if what == "image" else tokenizer()).save_pretrained(path)
    logging.enable_progress_bar()
    return paths


def smooth(*, height, width, batch=2):
    """Images without sharp edges, so that two ways of resizing may differ by rounding only."""
    coarse = torch.rand(batch, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


IDS = torch.tensor([[4, 5, 7, 9], [4, 6, 0, 0], [8, 0, 0, 0]])
MASK = torch.tensor([[True] * 4, [True, True, False, False], [True, False, False, False]])


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize(("height", "width"), [(SIDE, SIDE), (48, 64), (80, 50)])
def test_images_are_prepared_as_by_the_model_s_own_processor(towers, kind, height, width):
    tower, images = towers["image", kind], (smooth(height=height, width=width) * 255).round() / 255
    pixels = [image.permute(1, 2, 0).mul(255).round().byte().numpy() for image in images]
    wanted = processor(kind)(images=pixels, input_data_format="channels_last", return_tensors="pt")["pixel_values"]
    made = tower.prepare(images)
    assert made.shape == wanted.shape == (2, 3, SIDE, SIDE)
    assert (made - wanted).abs().max() < 3 / 255 / min(tower.settings["image_std"])
    assert (made - wanted).abs().mean() < 0.5 / 255 / min(tower.settings["image_std"])


@pytest.mark.parametrize("kind", IMAGES)
def test_images_become_one_token_a_patch(towers, kind):
    tower, images = towers["image", kind], smooth(height=SIDE, width=SIDE)
    tokens = tower(images)
    assert tokens.shape == (2, 16, tower.dim) and tower.dim == 16 and torch.isfinite(tokens).all()
    with torch.no_grad():
        hidden = tower.model(pixel_values=tower.prepare(images)).last_hidden_state
    assert hidden.shape[1] - 16 == (5 if kind == "dinov2_with_registers" else 1)
    assert torch.equal(tokens, hidden[:, -16:])
    assert torch.allclose(tower(images[1:])[0], tokens[1], atol=1e-5)
    assert (tokens[0] - tokens[1]).abs().max() > 1e-2


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_become_one_token_a_word_and_padding_changes_nothing(towers, kind):
    tower = towers["text", kind]
    tokens = tower(IDS, mask=MASK)
    assert tokens.shape == (3, 4, tower.dim) and not tokens[~MASK].any()
    for filling in (9, 5):
        assert torch.equal(tower(torch.where(MASK, IDS, filling), MASK), tokens)
    longer = torch.cat([IDS, IDS], 1), torch.cat([MASK, torch.zeros_like(MASK)], 1)
    assert torch.allclose(tower(*longer)[:, :4], tokens, atol=1e-5)
    for row in range(3):
        real = int(MASK[row].sum())
        assert torch.allclose(tower(IDS[row : row + 1, :real])[0], tokens[row, :real], atol=1e-5)
    assert torch.allclose(tower(IDS.flip(0), MASK.flip(0)).flip(0), tokens, atol=1e-5)
    nothing = MASK.clone()
    nothing[1] = False
    assert not tower(IDS, nothing)[1].any()


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_are_cut_by_the_model_s_own_tokenizer(towers, kind):
    tower = towers["text", kind]
    ids, mask = tower.tokenize(iter(["a red circle above", "a blue", "square"]))
    assert torch.equal(mask, MASK) and torch.equal(ids[mask], IDS[MASK])
    assert tower.length == 12 and tower(*tower.tokenize(["red " * 12])).shape == (1, 12, 16)
    with pytest.raises(ValueError, match="texts must have at most 12 tokens, got 13 in 'red red .*; shorten"):
        tower.tokenize(["a", "red " * 13])
    assert tower.tokenize(["red " * 13], truncate=True)[0].shape == (1, 12)


@pytest.mark.parametrize(("what", "kind"), [("image", k) for k in IMAGES] + [("text", k) for k in TEXTS])
def test_frozen_or_tuned(towers, what, kind):
    frozen = copy.deepcopy(towers[what, kind])
    tuned = type(frozen)(frozen.model, frozen._tokenizer if what == "text" else processor(kind), tune=True)
    x = (smooth(height=SIDE, width=SIDE),) if what == "image" else (IDS, MASK)
    around = nn.ModuleDict({"tower": tuned, "head": nn.Linear(16, 4)}).train()
    assert tuned.model.training
    around["head"](tuned(*x)).square().sum().backward()
    group = tuned.group(1e-5)
    assert group["lr"] == 1e-5 and len(group["params"]) > 20
    assert [p.shape for p in group["params"] if p.grad is None] == []
    again = type(frozen)(frozen.model, frozen._tokenizer if what == "text" else processor(kind))
    around = nn.ModuleDict({"tower": again, "head": nn.Linear(16, 4)}).train()
    assert not any(module.training for module in again.modules()) and around["head"].training
    assert not any(p.requires_grad for p in again.parameters()) and not again(*x).requires_grad
    with pytest.raises(ValueError, match="a frozen tower has nothing to train, got tune=False; build it"):
        again.group(1e-5)


def test_towers_are_encoders_of_our_models(towers):
    encoders = {"image": towers["image", "vit"], "text": towers["text", "bert"]}
    model = TwoTower(encoders, {n: TokenConverter(16, 8) for n in encoders}, {n: nn.Linear(8, 4) for n in encoders})
    x = {"image": smooth(height=SIDE, width=SIDE, batch=3), "text": IDS, "text_mask": MASK}
    model.train().loss(x)[0].backward()
    assert [n for n, p in model.named_parameters() if p.grad is None and not n.startswith("encoders.")] == []
    other = dict(x, text=torch.where(MASK, IDS, 9))
    assert torch.equal(model.eval()(other), model(x))


@pytest.mark.parametrize(("what", "kind"), [("image", k) for k in IMAGES] + [("text", k) for k in TEXTS])
def test_a_folder_gives_the_same_tower(towers, folders, what, kind, capfd):
    loaded = type(towers[what, kind]).from_pretrained(folders[what, kind])
    x = (smooth(height=40, width=36),) if what == "image" else (IDS, MASK)
    assert torch.equal(loaded(*x), towers[what, kind](*x))
    assert capfd.readouterr() == ("", "")


# --- the cache


@pytest.fixture
def pictures(tmp_path):
    paths = []
    for i, side in enumerate(((40, 36), (32, 32), (64, 50))):
        values = smooth(height=side[0], width=side[1])[i % 2].permute(1, 2, 0).mul(255).round().byte().numpy()
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(values).save(paths[-1])
    return paths


def counting(tower):
    calls = []
    tower = copy.deepcopy(tower)
    tower.model.register_forward_hook(lambda *_: calls.append(1))
    return tower, calls


def test_tokens_of_images_are_computed_once_by_content(towers, pictures, tmp_path):
    tower, calls = counting(towers["image", "clip"])
    folder = tmp_path / "deep" / "cache"
    first = cached_tokens(tower, pictures, folder, batch=2)["tokens"]
    assert first.shape == (3, 16, 16) and len(calls) == 2
    for i, path in enumerate(pictures):
        with Image.open(path) as picture:
            image = torch.tensor(numpy.array(picture)).permute(2, 0, 1)[None] / 255
        assert torch.allclose(tower(image)[0], first[i], atol=1e-5)
    calls.clear()
    moved = [path.rename(tmp_path / f"moved-{path.name}") for path in pictures]
    assert torch.equal(cached_tokens(tower, moved, folder)["tokens"], first) and calls == []
    assert not torch.equal(cached_tokens(tower, moved[::-1], folder)["tokens"], first) and len(calls) == 1
    moved[0].write_bytes(moved[1].read_bytes())
    changed = cached_tokens(tower, moved, folder)["tokens"]
    assert torch.allclose(changed[0], first[1], atol=1e-5) and len(calls) == 2
    with torch.no_grad():
        next(iter(tower.model.parameters())).mul_(1.5)
    assert not torch.allclose(cached_tokens(tower, moved, folder)["tokens"], changed, atol=1e-3)
    assert len(list(folder.iterdir())) == 4 and all(path.suffix == ".safetensors" for path in folder.iterdir())


def test_tokens_of_texts_come_with_their_mask(towers, tmp_path):
    tower, calls = counting(towers["text", "bert"])
    texts = ["a red circle above", "a blue", "square"]
    found = cached_tokens(tower, texts, tmp_path, batch=2)
    assert torch.equal(found["mask"], MASK) and torch.allclose(found["tokens"], tower(IDS, MASK), atol=1e-5)
    calls.clear()
    assert torch.equal(cached_tokens(tower, iter(texts), tmp_path)["tokens"], found["tokens"]) and calls == []


def test_what_is_read_back_is_a_map_of_the_file(towers, tmp_path):
    found = cached_tokens(towers["text", "bert"], ["a"], tmp_path)["tokens"]
    (file,) = tmp_path.iterdir()
    with open("/proc/self/maps") as maps:
        mapped = [line for line in maps if file.name in line]
    assert mapped and found.shape == (1, 1, 16)


# --- what is refused


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda t, f: PretrainedImages(nn.Identity(), None),
            ValueError,
            "model must be one of .* got Identity",
        ),
        (
            lambda t, f: PretrainedTexts(t["image", "vit"].model, None),
            ValueError,
            "got ViTModel of type vit; load",
        ),
        (lambda t, f: t["image", "vit"](torch.rand(2, 1, 8, 8)), ValueError, "images must have 3 channels"),
        (lambda t, f: t["image", "vit"](torch.rand(2, 3, 8, 8), MASK), TypeError, "images have no padding, got a mask"),
        (lambda t, f: t["text", "bert"](IDS.float()), TypeError, "ids must hold integers"),
        (lambda t, f: t["text", "bert"](IDS, MASK[:2]), ValueError, r"mask must be boolean with shape \(3, 4\)"),
        (
            lambda t, f: PretrainedTexts.from_pretrained(f["image", "vit"]),
            ValueError,
            "a model of type .* a vit",
        ),
        (
            lambda t, f: PretrainedTexts.from_pretrained("/nowhere"),
            OSError,
            "must be a model on this machine, got '/",
        ),
        (
            lambda t, f: PretrainedTexts.from_pretrained("a/b", download=True, revision="main"),
            ValueError,
            "revision must be a commit of 40 hexadecimal digits to download, got 'main'; take it from",
        ),
        (lambda t, f: cached_tokens(nn.Identity(), ["a"], "x"), TypeError, "tower must be a PretrainedImages or a Pre"),
        (lambda t, f: cached_tokens(t["image", "vit"], [], "x"), ValueError, "items must hold at least one text"),
        (lambda t, f: cached_tokens(t["image", "vit"], ["/no.png"], "x"), FileNotFoundError, "found none at /no.png"),
        (
            lambda t, f: cached_tokens(t["image", "vit"], [__file__], "x"),
            ValueError,
            "items must be images, got",
        ),
        (
            lambda t, f: cached_tokens(PretrainedTexts(text_tower("bert"), tokenizer(), tune=True), ["a"], "x"),
            ValueError,
            "tower must be frozen, got one with tune=True; its tokens change as it learns",
        ),
    ],
)
def test_wrong_input_is_refused(towers, folders, tmp_path, monkeypatch, call, error, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text):
        call(towers, folders)
    assert not (tmp_path / "x").exists()


def test_a_missing_weight_is_not_made_up(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    copied = shutil.copytree(folders["text", "bert"], tmp_path / "copy")
    weights = load_file(copied / "model.safetensors")
    del weights["embeddings.word_embeddings.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"without \['embeddings.word_embeddings.weight'\]; these would be random"):
        PretrainedTexts.from_pretrained(copied)
