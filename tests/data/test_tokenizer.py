import os
import pickle
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import torch

from comm_lite.data import Tokenizer, train_tokenizer

TEXTS = [
    "A red circle left of a blue square.",
    "Two GREEN stars, and a red heart!",
    "The zebra's café — it isn't red...",
    "",
]


@pytest.fixture
def tokenizer():
    return train_tokenizer(TEXTS, vocabulary=100)


def counted(texts):
    """The vocabulary once more, by a regular expression and a sort: words, or one sign that is neither word nor gap."""
    plain = [unicodedata.normalize("NFKC", text).lower() for text in texts]
    words = Counter(word for text in plain for word in re.findall(r"\w+|[^\w\s]", text))
    return sorted(words, key=lambda word: (-words[word], word))


def test_the_vocabulary_is_counted_words(tokenizer):
    assert len(counted(TEXTS)) > 20
    assert tokenizer.words == ["[PAD]", "[UNK]", "[START]", "[END]", "[MASK]", *counted(TEXTS)]
    assert tokenizer.vocabulary == 5 + len(counted(TEXTS))


@pytest.mark.parametrize("size", [6, 9, 14])
def test_a_small_vocabulary_keeps_the_most_frequent(size):
    small = train_tokenizer(TEXTS, vocabulary=size)
    assert small.words[5:] == counted(TEXTS)[: size - 5]
    ids, _ = small(TEXTS, length=20)
    assert ids.max() < size == small.vocabulary


def test_every_word_has_its_id_and_padding_its_mask(tokenizer):
    place = {word: i for i, word in enumerate(tokenizer.words)}
    ids, mask = tokenizer(["A red zeppelin.", "", "star STARS"], length=7)
    assert ids.dtype == torch.int64 and mask.dtype == torch.bool
    assert ids.tolist() == [
        [2, place["a"], place["red"], 1, place["."], 3, 0],
        [2, 3, 0, 0, 0, 0, 0],
        [2, 1, place["stars"], 3, 0, 0, 0],
    ]
    assert torch.equal(mask, ids != Tokenizer.PAD)
    assert mask.sum(1).tolist() == [6, 2, 4]
    assert [Tokenizer.PAD, Tokenizer.UNKNOWN, Tokenizer.START, Tokenizer.END, Tokenizer.MASK] == [0, 1, 2, 3, 4]


def test_one_word_in_two_spellings_of_unicode_is_one_word(tokenizer):
    spellings = ["café", "cafe\u0301", "CAFÉ", "\uff43\uff41\uff46é"]  # one sign, two signs, capitals, full width
    ids, _ = tokenizer(spellings, length=3)
    assert len(set(spellings)) == 4 and tokenizer.words[ids[0, 1]] == "café"
    assert (ids == ids[0]).all()


def test_decoding_gives_the_words_back(tokenizer):
    ids, _ = tokenizer(TEXTS, length=16)
    words = [" ".join(re.findall(r"\w+|[^\w\s]", text.lower())) for text in TEXTS]
    assert tokenizer.decode(ids) == words
    ids[0, 2] = Tokenizer.MASK
    assert tokenizer.decode(ids[:1]) == [words[0].replace("red", "[MASK]")]


def test_names_of_special_tokens_mean_nothing_in_a_text():
    texts = ["[PAD] [START]", "[MASK]"]
    tokenizer = train_tokenizer(texts, vocabulary=50)
    for copy in (tokenizer, pickle.loads(pickle.dumps(tokenizer))):
        ids, mask = copy(texts, length=10)
        assert (ids[mask] > 4).sum() == 9 and mask.sum() == 13
        assert copy.decode(ids) == ["[ pad ] [ start ]", "[ mask ]"]


@pytest.mark.parametrize("length", [2, 3, 5])
def test_truncation_is_asked_for_and_keeps_the_end(tokenizer, length):
    text = "a red circle left of a blue square ."
    whole, _ = tokenizer([text], length=11)  # fits to the last place
    assert whole[0, -1] == Tokenizer.END
    with pytest.raises(ValueError, match=r"length=10 with start and end, got 11 tokens in text 1, 'a red .*truncate="):
        tokenizer(["a", text], length=10)
    ids, mask = tokenizer([text], length=length, truncate=True)
    assert mask.all() and ids[0, -1] == Tokenizer.END
    assert torch.equal(ids[0, :-1], whole[0, : length - 1])


def test_texts_in_another_order_give_the_same_ids():
    generator = torch.Generator().manual_seed(0)
    many = [" ".join(f"w{i}" for i in torch.randint(500, (12,), generator=generator)) for _ in range(300)]
    forward, backward = train_tokenizer(many, vocabulary=200), train_tokenizer(iter(many[::-1]), vocabulary=200)
    assert forward.words == backward.words == train_tokenizer(many, vocabulary=200).words
    assert torch.equal(forward(many, length=14)[0].flip(0), backward(many[::-1], length=14)[0])


def run(code, **environment):
    inherited = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    command, env = [sys.executable, "-W", "error", "-c", code], {**inherited, **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_threads_do_not_change_the_vocabulary():
    code = """
from comm_lite.data import train_tokenizer
texts = [f"w{i % 97} v{i % 89} u{i * i % 83}" for i in range(3000)]
print(train_tokenizer(texts, vocabulary=150).words)
"""
    one, four = (run(code, TOKENIZERS_PARALLELISM="true", RAYON_NUM_THREADS=n) for n in ("1", "4"))
    assert len(one) > 500 and one == four == run(code)


def test_a_fork_after_use_neither_hangs_nor_complains():
    """As a data loader with workers does; older versions of the library wrote a warning, or stood still."""
    code = """
import os, sys
from comm_lite.data import train_tokenizer
assert not {"tokenizers", "transformers"} & set(sys.modules)
texts = [f"w{i % 97} v{i % 89}" for i in range(3000)]
ids, _ = train_tokenizer(texts)(texts, length=8)
child = os.fork()
if not child:
    again, _ = train_tokenizer(texts)(texts, length=8)
    os._exit(0 if (ids == again).all() else 1)
assert os.waitpid(child, 0)[1] == 0
assert "transformers" not in sys.modules
print("done")
"""
    assert run(code) == "done\n"


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "words.json")
    again = Tokenizer.load(str(tmp_path / "words.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["words.json"]
    assert again.words == tokenizer.words
    texts = [*TEXTS, "[PAD] red"]
    assert all(torch.equal(a, b) for a, b in zip(again(texts, length=20), tokenizer(texts, length=20), strict=True))


def test_a_write_that_fails_leaves_the_old_file(tokenizer, tmp_path, monkeypatch):
    path = tmp_path / "words.json"
    tokenizer.save(path)
    before = path.read_bytes()

    def full(self, text, encoding):
        with open(self, "w") as file:
            file.write(text[:10])
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space left"):
        train_tokenizer(["other words"]).save(path)
    assert path.read_bytes() == before


def test_what_is_not_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must be a saved tokenizer, found none at .*gone.json; save one"):
        Tokenizer.load(tmp_path / "gone.json")
    for text in ("", "{}", "not json"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(ValueError, match=r"path must be a saved tokenizer, got .*bad.json .*; save it anew"):
            Tokenizer.load(tmp_path / "bad.json")
    from tokenizers import Tokenizer as Backend
    from tokenizers import models

    Backend(models.WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "other.json"))
    with pytest.raises(ValueError, match=r"backend must have .*'\[PAD\]'.* got \['a', None.*; make one with"):
        Tokenizer.load(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda t: train_tokenizer("one text"), TypeError, "texts must be a list of texts, got 'one text'; put a"),
        (lambda t: train_tokenizer(7), TypeError, "texts must be a list of texts, got 7; put a"),
        (lambda t: train_tokenizer([b"bytes"]), TypeError, "texts must hold only texts, got bytes; decode"),
        (lambda t: train_tokenizer([]), ValueError, "texts must hold at least one text, got none; a used-up"),
        (lambda t: train_tokenizer(["", " \n"]), ValueError, "at least one word, got 2 empty texts; check the corpus"),
        (lambda t: train_tokenizer(["a"], vocabulary=5), ValueError, "vocabulary must be at least 6, got 5"),
        (lambda t: train_tokenizer(["a"], vocabulary=1e3), TypeError, "vocabulary must be an integer, got float"),
        (lambda t: t("one text", length=8), TypeError, "texts must be a list of texts, got 'one text'; put a"),
        (lambda t: t(["a", None], length=8), TypeError, "texts must hold only texts, got NoneType; decode"),
        (lambda t: t([], length=8), ValueError, "texts must hold at least one text, got none"),
        (lambda t: t(["a"], length=1), ValueError, "length must be at least 2, got 1"),
        (lambda t: t.decode(torch.zeros(3).long()), ValueError, r"ids must have shape \(B, L\), got \(3,\)"),
        (lambda t: t.decode(torch.zeros(1, 3)), TypeError, "ids must hold integers, got torch.float32"),
        (lambda t: t.decode(torch.tensor([[-1, 2]])), ValueError, r"ids must lie in 0..\d+, got -1..2; take them"),
        (lambda t: t.decode(torch.tensor([[999]])), ValueError, r"ids must lie in 0..\d+, got 999..999; take them"),
    ],
)
def test_wrong_input_is_refused(tokenizer, call, error, text):
    with pytest.raises(error, match=text):
        call(tokenizer)
