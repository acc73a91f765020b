r"""Data to train on: rows and their batches, random views, texts in tokens."""

from comm_lite.data.augment import ImageAugment, blur, recolour, warp
from comm_lite.data.augment_text import TextAugment
from comm_lite.data.augment_vectors import VectorAugment
from comm_lite.data.batches import Batches, Captioned, Table, stream
from comm_lite.data.emoji import Emoji, load_emoji
from comm_lite.data.tokenizer import Tokenizer, train_tokenizer

__all__ = [
    "Batches",
    "Captioned",
    "Emoji",
    "ImageAugment",
    "Table",
    "TextAugment",
    "Tokenizer",
    "VectorAugment",
    "blur",
    "load_emoji",
    "recolour",
    "stream",
    "train_tokenizer",
    "warp",
]
