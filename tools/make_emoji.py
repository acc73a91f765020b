r"""Build comm_lite/data/emoji.npz: drawings of emoji with their names in ten languages, from three Debian packages.

Usage, on Debian 12 with Pillow 13 (its wheel brings raqm, which joins the code points of one emoji):

    apt install fonts-noto-color-emoji=2.042-0+deb12u1 unicode-data=15.0.0-1 unicode-cldr-core=41-0.1
    python tools/make_emoji.py

Two runs give the same bytes. The sha256 that it prints at the end belongs into comm_lite/data/emoji.py.
"""

import hashlib
import io
import json
import re
import sys
import zipfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from comm_lite._files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
FONT_SHA256 = "e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec"  # version 2.042
LIST = Path("/usr/share/unicode/emoji/emoji-test.txt")  # Unicode 15.0
NAMES = Path("/usr/share/unicode/cldr/common")  # CLDR 41
LANGUAGES = ("en", "ar", "de", "es", "fr", "hi", "it", "ja", "ru", "zh")
SIZE, COLOURS = 48, 64

TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}
# Of emoji that this font draws alike, the one to keep; without an entry, the first in Unicode's order stays.
KEEP = {"flag: Norway", "flag: France", "flag: British Indian Ocean Territory", "flag: Spain", "flag: United States"}
# Words in which variants of one concept differ: person, colour, direction, number, state.
VARIES = set(
    """man woman person men women people boy girl child male female old older and red orange yellow green blue purple
    brown black white pink grey light left right up down leftwards rightwards leftward rightward upward upwards downward
    downwards small medium large first last quarter waxing waning crescent gibbous full new top clockwise
    counterclockwise 1st 2nd 3rd low high one two three index double open closed locked unlocked""".split()
)
SAME = {
    "breast feeding": "feeding baby",
    "mrs. claus": "santa claus",
    "mx claus": "santa claus",
    "prince": "with crown",
    "princess": "with crown",
    "mermaid": "merperson",
    "merman": "merperson",
}
ALIKE = 0.985  # cosine of two drawings, as darkness below white, from which they count as one concept
MANY = 6  # a concept of more drawings than this is always trained on, so that none fills a test set
HELD_OUT = {1: 0.10, 2: 0.15}  # part of each group: 1 validation, 2 test; the rest is 0, train


def listed():
    r"""Fully qualified emoji without skin tones, in Unicode's order: (characters, English name, group, subgroup)."""
    group = subgroup = None
    for line in LIST.read_text(encoding="utf8").splitlines():
        if line.startswith(("# group:", "# subgroup:")):
            kind, value = line[2:].split(": ", 1)
            group, subgroup = (value, None) if kind == "group" else (group, value)
        elif "; fully-qualified" in line:
            characters = "".join(chr(int(code, 16)) for code in line.split(";")[0].split())
            if not TONES & set(characters):
                yield characters, re.search(r"# \S+ E[\d.]+ (.*)$", line)[1].strip(), group, subgroup


def annotations(language):
    r"""Name and keywords of each emoji in one language; CLDR writes emoji without the variation selector."""
    names, keywords = {}, {}
    for folder in ("annotations", "annotationsDerived"):
        for item in ElementTree.parse(NAMES / folder / f"{language}.xml").iter("annotation"):
            if item.get("type") == "tts":
                names[item.get("cp")] = item.text.strip()
            else:
                keywords[item.get("cp")] = [word.strip() for word in item.text.split("|")]
    return {key: (names[key], keywords[key]) for key in names.keys() & keywords.keys()}


def draw(characters, font):
    r"""One emoji on white, (SIZE, SIZE, 3)."""
    if font.getbbox(characters) != (0, 0, 136, 128):
        raise SystemExit(f"{characters!r} is not one glyph of the font; is Pillow built without raqm?")
    canvas = Image.new("RGBA", (136, 136), "white")
    layer = Image.new("RGBA", (136, 136))
    ImageDraw.Draw(layer).text((0, 4), characters, font=font, embedded_color=True)
    canvas.alpha_composite(layer)
    return canvas.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def quantise(picture):
    r"""Indices and palette of one drawing, the colours from dark to light so that neighbours compress well."""
    picture = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=8, dither=Image.Dither.NONE)
    palette = np.array(picture.getpalette(), dtype=np.uint8).reshape(-1, 3)[:COLOURS]
    order = np.argsort(palette.astype(int) @ [299, 587, 114], kind="stable")
    full = np.full((COLOURS, 3), 255, dtype=np.uint8)
    full[: len(palette)] = palette[order]
    return np.argsort(order)[np.array(picture)].astype(np.uint8), full


def wording(name, subgroup):
    r"""What variants of one concept have in common in their English names."""
    if name.startswith("flag: "):
        return name
    words = re.findall(r"[\w’'.]+", name.split(":")[0].lower())
    if "o’clock" in words or "thirty" in words:
        return "clock face"
    common = " ".join(word for word in words if word not in VARIES) or subgroup
    return SAME.get(common, common)


def concepts(rows, pixels):
    r"""One concept an emoji: those of a common wording or of nearly the same drawing are one, by single linkage."""
    parent = list(range(len(rows)))

    def root(i):
        while parent[i] != i:
            i = parent[i]
        return i

    first = {}
    for i, (_, name, _, subgroup) in enumerate(rows):
        parent[root(i)] = root(first.setdefault(wording(name, subgroup), i))
    dark = 255.0 - pixels.reshape(len(pixels), -1)
    dark /= np.linalg.norm(dark, axis=1, keepdims=True)
    for i, j in zip(*np.nonzero(np.triu(dark @ dark.T > ALIKE, 1)), strict=True):
        low, high = sorted((root(int(i)), root(int(j))))
        parent[high] = low
    return [wording(rows[root(i)][1], rows[root(i)][3]) for i in range(len(rows))]


def split(concept, group):
    r"""0 train, 1 validation, 2 test for each emoji: whole concepts, in each group by the hash of their names."""
    members = defaultdict(list)
    for i, name in enumerate(concept):
        members[name].append(i)
    part = np.zeros(len(concept), dtype=np.uint8)
    for wanted in sorted(set(group)):
        here = [m for m in members.values() if group[m[0]] == wanted]
        total = sum(len(m) for m in here)
        here = sorted(
            (m for m in here if len(m) <= MANY), key=lambda m: hashlib.sha256(concept[m[0]].encode()).digest()
        )
        for number, share in HELD_OUT.items():
            while (
                np.sum(part[[i for m in members.values() if group[m[0]] == wanted for i in m]] == number)
                < share * total
            ):
                part[here.pop()] = number
    return part


def write(path, arrays, texts):
    r"""An .npz that numpy reads, with LZMA inside and no date, so that the same content gives the same bytes."""

    def content(file):
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, array)
                entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_LZMA)
            entry = zipfile.ZipInfo("texts.json", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, json.dumps(texts, ensure_ascii=False).encode(), zipfile.ZIP_LZMA)

    write_atomically(path, content)


def main(target):
    r"""Draw, name, group, split and write all emoji to ``target``."""
    found = hashlib.sha256(FONT.read_bytes()).hexdigest()
    if found != FONT_SHA256:
        raise SystemExit(f"{FONT} must have sha256 {FONT_SHA256}, got {found}; install the version named above")
    font = ImageFont.truetype(str(FONT), 109, layout_engine=ImageFont.Layout.RAQM)
    words = {language: annotations(language) for language in LANGUAGES}

    def key(characters):
        return characters.replace("\ufe0f", "")

    rows = [row for row in listed() if all(key(row[0]) in words[language] for language in LANGUAGES)]
    drawings = [draw(row[0], font) for row in rows]
    alike = defaultdict(list)
    for i, drawing in enumerate(drawings):
        alike[drawing.tobytes()].append(i)
    kept = sorted(next((i for i in same if rows[i][1] in KEEP), same[0]) for same in alike.values())
    rows, drawings = [rows[i] for i in kept], [drawings[i] for i in kept]
    indices, palettes = map(np.stack, zip(*map(quantise, drawings), strict=True))
    concept = concepts(rows, np.stack([np.array(drawing) for drawing in drawings]).astype(float))
    columns = {"group": [row[2] for row in rows], "subgroup": [row[3] for row in rows], "concept": concept}
    lists = {name: list(dict.fromkeys(column)) for name, column in columns.items()}  # in order of appearance
    numbers = {name: np.array([lists[name].index(v) for v in column], np.int16) for name, column in columns.items()}
    part = split(concept, columns["group"])
    texts = {
        "about": "Drawings: Noto Color Emoji 2.042, SIL OFL 1.1. Names: Unicode CLDR 41. Groups: Unicode Emoji 15.0.",
        "characters": [row[0] for row in rows],
        "lists": lists,
        "names": {lang: [words[lang][key(row[0])][0] for row in rows] for lang in LANGUAGES},
        "keywords": {lang: [words[lang][key(row[0])][1] for row in rows] for lang in LANGUAGES},
    }
    write(target, {"indices": indices, "palettes": palettes, **numbers, "part": part}, texts)
    written = Path(target).read_bytes()
    print(f"{len(rows)} emoji, {len(lists['concept'])} concepts, parts {np.bincount(part).tolist()}")
    print(f"{len(written)} bytes in {target}\nsha256 {hashlib.sha256(written).hexdigest()}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ROOT / "comm_lite" / "data" / "emoji.npz")
