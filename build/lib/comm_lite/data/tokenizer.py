r"""From texts to numbers: a vocabulary of whole words, learnt from a corpus by the ``tokenizers`` library.

Shapes: ``B`` texts, ``L`` tokens of a row.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from comm_lite import _check

SPECIAL = ["[PAD]", "[UNK]", "[START]", "[END]", "[MASK]"]


class Tokenizer:
    r"""Turn texts into rows of ids: start, one id for each lower-cased word or punctuation mark, end, then padding.

    Made by :func:`train_tokenizer` or :meth:`load`. A word outside the vocabulary becomes ``UNKNOWN``. The names of
    the special tokens mean nothing inside a text: ``"[PAD]"`` is read as a bracket, a word and a bracket.

    Args:
        backend: A ``tokenizers.Tokenizer`` whose first five ids are the special tokens.

    Returns (of a call with ``texts``, ``length`` and ``truncate``):
        Ids ``(B, length)``, int64, and mask ``(B, length)``, True at real tokens, start and end included.

    Raises:
        TypeError: (when called) If ``texts`` is not a list of texts.
        ValueError: (when called) If there is no text, or one does not fit into ``length`` and ``truncate`` is False.

    Example:
        >>> tokenizer = train_tokenizer(["A red circle.", "A blue circle."], vocabulary=20)
        >>> ids, mask = tokenizer(["a green circle"], length=7)
        >>> ids.tolist(), mask.tolist()
        ([[2, 6, 1, 7, 3, 0, 0]], [[True, True, True, True, True, False, False]])
        >>> tokenizer.decode(ids)
        ['a [UNK] circle']
    """

    PAD, UNKNOWN, START, END, MASK = range(5)

    def __init__(self, backend: object) -> None:
        if [backend.id_to_token(i) for i in range(len(SPECIAL))] != SPECIAL:
            raise ValueError(
                f"backend must have {SPECIAL} as its first ids, got {[backend.id_to_token(i) for i in range(5)]}; "
                f"make one with train_tokenizer"
            )
        self._backend = backend

    @property
    def vocabulary(self) -> int:
        r"""Number of ids, the five special ones included: what an embedding table needs as its size."""
        return self._backend.get_vocab_size()

    @property
    def words(self) -> list[str]:
        r"""The word of each id; after the special tokens the most frequent first."""
        return [self._backend.id_to_token(i) for i in range(self.vocabulary)]

    def __call__(self, texts: list[str], *, length: int, truncate: bool = False) -> tuple[Tensor, Tensor]:
        r"""Return ids and mask, both (B, length); ``truncate`` cuts what is too long, and keeps the end token."""
        texts = _check.texts("texts", texts)
        _check.whole("length", length, least=2)
        self._backend.encode_special_tokens = True  # does not survive a pickle, so it is said at every call
        ids = torch.full((len(texts), length), self.PAD)
        for row, text in enumerate(texts):
            words = self._backend.encode(text, add_special_tokens=False).ids
            if len(words) > length - 2 and not truncate:
                raise ValueError(
                    f"texts must fit into length={length} with start and end, got {len(words) + 2} tokens in "
                    f"text {row}, {text[:40]!r}; raise length or pass truncate=True"
                )
            line = [self.START, *words[: length - 2], self.END]
            ids[row, : len(line)] = torch.tensor(line)
        return ids, ids != self.PAD  # no word has the id of padding

    def decode(self, ids: Tensor) -> list[str]:
        r"""Return the words of each row of ids (B, L), with spaces between; start, end and padding are left out."""
        _check.shape("ids", ids, "B L")
        _check.integers("ids", ids)
        words = self.words
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < len(words):
            raise ValueError(
                f"ids must lie in 0..{len(words) - 1}, got {int(ids.min())}..{int(ids.max())}; "
                f"take them from this tokenizer"
            )
        silent = (self.PAD, self.START, self.END)
        return [" ".join(words[i] for i in row if i not in silent) for row in ids.tolist()]

    def save(self, path: str | Path) -> None:
        r"""Write the tokenizer to one JSON file, which is complete or absent at any time."""
        part = Path(f"{path}.part")
        part.write_text(self._backend.to_str(), encoding="utf-8")
        os.replace(part, path)

    @classmethod
    def load(cls, path: str | Path) -> Tokenizer:
        r"""Return the tokenizer that :meth:`save` wrote to ``path``."""
        from tokenizers import Tokenizer as Backend

        try:
            backend = Backend.from_str(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"path must be a saved tokenizer, found none at {path}; save one first") from None
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"path must be a saved tokenizer, got {path} ({error}); save it anew") from error
        return cls(backend)


def train_tokenizer(texts: Iterable[str], *, vocabulary: int = 1000) -> Tokenizer:
    r"""Learn a vocabulary: the most frequent lower-cased words and punctuation marks of a corpus.

    The same texts, in any order and with any number of threads, give the same ids: words are numbered by falling
    frequency, and equally frequent ones by the alphabet.

    Args:
        texts: The corpus; of the training part only, or the test part leaks into the vocabulary.
        vocabulary: Most ids to give, at least 6: the five special tokens and one word.

    Returns:
        The tokenizer; it has fewer ids where the corpus has fewer words.

    Raises:
        TypeError: If ``texts`` is one text, or holds something else than texts.
        ValueError: If the corpus holds no word, or ``vocabulary`` is too small.

    Example:
        >>> tokenizer = train_tokenizer(["Red circle, red square."], vocabulary=100)
        >>> tokenizer.words[5:]
        ['red', ',', '.', 'circle', 'square']

    Source:
        Differs from CLIP, whose byte-pair encoding cuts rare words into parts: here one id is one word, which can be
        read, masked and looked up, and a rare word is unknown.
    """
    _check.whole("vocabulary", vocabulary, least=len(SPECIAL) + 1)
    texts = _check.texts("texts", texts)
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, normalizers, pre_tokenizers, trainers

    backend = Backend(models.WordLevel(unk_token=SPECIAL[Tokenizer.UNKNOWN]))
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # at white space and around each punctuation mark
    trainer = trainers.WordLevelTrainer(vocab_size=vocabulary, special_tokens=SPECIAL, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    if backend.get_vocab_size() == len(SPECIAL):
        raise ValueError(f"texts must hold at least one word, got {len(texts)} empty texts; check the corpus")
    return Tokenizer(backend)
