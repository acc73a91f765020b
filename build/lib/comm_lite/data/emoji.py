r"""Emoji: 1 840 real drawings with names and keywords in ten languages, which come with the package.

The archive is built by ``tools/make_emoji.py``; ``emoji.LICENSE.txt`` beside it holds the licences.

Source: drawings from Noto Color Emoji 2.042; names and keywords from Unicode CLDR 41; groups from Unicode Emoji 15.0.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.data.captions import Captioned
from comm_lite.data.tokenizer import Tokenizer

SHA256 = "7436446b91601adcbc8555b2f38247f923e580f07d3920119906b301e789ea0b"
_PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Emoji:
    r"""Drawings of emoji with what Unicode says about them; row i of every field is one emoji.

    No two drawings are the same, and none shows a skin tone. Variants of one concept, such as three genders, nine
    colours of a heart or 24 clock faces, and drawings that hardly differ, have one ``concept`` and are in one part.
    """

    images: Tensor
    r"""(N, 3, 48, 48) uint8, on white."""
    characters: list[str]
    r"""N emoji as text."""
    names: dict[str, list[str]]
    r"""N names by language, distinct within each: en, ar, de, es, fr, hi, it, ja, ru, zh."""
    keywords: dict[str, list[list[str]]]
    r"""N lists of at least one keyword by language; the name is often among them."""
    group: Tensor
    r"""(N,) positions in ``groups``."""
    groups: list[str]
    r"""9 groups, such as "Food & Drink"."""
    subgroup: Tensor
    r"""(N,) positions in ``subgroups``."""
    subgroups: list[str]
    r"""99 subgroups, such as "food-fruit"."""
    concept: Tensor
    r"""(N,) number of what variants have in common, 0 to 1470."""
    train: Tensor
    r"""Rows to train on, 1 372."""
    validation: Tensor
    r"""Rows to choose settings on, 188."""
    test: Tensor
    r"""Rows for scores, 280."""

    def __len__(self) -> int:
        return len(self.characters)

    def captioned(
        self, part: str, tokenizer: Tokenizer, *, language: str = "en", keywords: bool = False, length: int = 16
    ) -> Captioned:
        r"""Return one part as images with their names, to train on.

        Args:
            part: ``"train"``, ``"validation"`` or ``"test"``.
            tokenizer: turns texts into ids; learn it from ``texts("train")``, with the same language and keywords.
            language: one of the keys of ``names``. Japanese and Chinese put no spaces between words.
            keywords: whether the keywords follow the name.
            length: tokens of a text with its padding; 16 hold every name, 32 every name with keywords.

        Returns:
            Samples ``x = {"image", "text", "text_mask"}`` and ``y = {"group", "subgroup", "concept"}``.

        Raises:
            ValueError: if part or language is unknown, or a text does not fit into ``length``.
        """
        captions, rows = self.texts(part, language=language, keywords=keywords), getattr(self, part)
        ids, mask = tokenizer(captions, length=length)
        y = {name: getattr(self, name)[rows] for name in ("group", "subgroup", "concept")}
        return Captioned(images=self.images[rows], captions=captions, ids=ids, mask=mask, y=y)

    def texts(self, part: str, *, language: str = "en", keywords: bool = False) -> list[str]:
        r"""Return the names of a part, or ``"name: keyword, keyword"``, without the name among the keywords."""
        _check.one_of("part", part, _PARTS)
        _check.one_of("language", language, self.names)
        texts = []
        for i in getattr(self, part).tolist():
            name = self.names[language][i]
            more = ", ".join(word for word in self.keywords[language][i] if word != name) if keywords else ""
            texts.append(f"{name}: {more}" if more else name)
        return texts


def load_emoji(path: str | Path | None = None) -> Emoji:
    r"""Read the emoji that come with the package, in a fraction of a second.

    Args:
        path: the archive, if it is somewhere else.

    Returns:
        All emoji.

    Raises:
        FileNotFoundError: if there is no archive at ``path``.
        ValueError: if the archive is not, byte for byte, the one that belongs to this version of the package.

    Example:
        >>> emoji = load_emoji()
        >>> i = emoji.names["en"].index("teapot")
        >>> emoji.images[i].shape, emoji.groups[emoji.group[i]], [emoji.names[k][i] for k in ("de", "fr", "it")]
        (torch.Size([3, 48, 48]), 'Food & Drink', ['Teekanne', 'théière', 'teiera'])
    """
    path = Path(__file__).with_name("emoji.npz") if path is None else Path(path)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path.name} must have sha256 {SHA256[:12]}…, got {found[:12]}… from {len(content)} bytes; the file is "
            f"damaged or of another version, so install the package anew"
        )
    with np.load(io.BytesIO(content)) as archive:
        texts = json.loads(archive["texts.json"])
        arrays = {name: torch.from_numpy(archive[name]) for name in archive.files if name != "texts.json"}
    indices = arrays["indices"].long()  # which of the drawing's own 64 colours a pixel has
    pixels = arrays["palettes"].mT.gather(2, indices.flatten(1)[:, None].expand(-1, 3, -1))
    columns = ("group", "subgroup", "concept")
    return Emoji(
        images=pixels.unflatten(2, indices.shape[1:]),
        characters=texts["characters"],
        names=texts["names"],
        keywords=texts["keywords"],
        groups=texts["lists"]["group"],
        subgroups=texts["lists"]["subgroup"],
        **{name: arrays[name].long() for name in columns},
        **{part: (arrays["part"] == k).nonzero()[:, 0] for k, part in enumerate(_PARTS)},
    )
