r"""Make the finished pages light: of style, icons and pictures a page downloads only what the book shows.

Nothing here knows a page or a class by name: what is left out is what no page and no script of the site names.
"""

import io
import logging
import re
from pathlib import Path

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageStat

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells each step
WORD = re.compile(r"-?[A-Za-z_][\w-]*")
OURS = "book.css"  # small, and also the style of the page that tools/make_pdf.py makes
LEFT_OUT = ("*.map", "fontawesome.js*", "fa-*.woff2", "sphinx-thebe.*")  # of _static: nothing asks for them


# ---------------------------------------------------------------- style


def selected(selector, words):
    r"""Say whether every class that a selector asks for is one of ``words``."""
    asked = re.sub(r":not\([^()]*\)", "", selector).replace("\\", "")
    return all(name in words for name in re.findall(r"\.(-?[A-Za-z_][\w-]*)", re.sub(r"\[[^\]]*\]", "", asked)))


def selectors(prelude):
    r"""Split the selectors of a rule at its outer commas."""
    part = []
    for token in prelude:
        if token == ",":
            yield tinycss2.serialize(part)
            part = []
        else:
            part.append(token)
    yield tinycss2.serialize(part)


def purged(rules, words):
    r"""Return, as text, the rules that could apply to a page that has no other classes than ``words``."""
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            if left := [each for each in selectors(rule.prelude) if selected(each, words)]:
                kept.append(f"{','.join(left)}{{{tinycss2.serialize(rule.content)}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer", "container"):
            inside = tinycss2.parse_rule_list(rule.content or [], skip_comments=True, skip_whitespace=True)
            if text := purged(inside, words):
                kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{text}}}")
        else:
            kept.append(rule.serialize())
    return "".join(kept)


def lighter_style(static, words):
    r"""Purge the style sheets of ``_static``; return them joined."""
    joined = ""
    for path in sorted(static.rglob("*.css")):
        if path.name == OURS:
            continue
        rules = tinycss2.parse_stylesheet(path.read_text(encoding="utf-8"), skip_comments=True, skip_whitespace=True)
        text = purged(rules, words)
        path.write_text(text, encoding="utf-8")
        joined += text
    return joined


def lighter_icons(static, style):
    r"""Keep of the icon fonts the signs that the style sheets show, and name the smaller files in them."""
    signs = {ord(sign) for sign in style if "\ue000" <= sign <= "\uf8ff"}
    for path in static.rglob("fa-*.ttf"):
        font = TTFont(path)
        options = subset.Options(flavor="woff", layout_features=[], notdef_outline=True)
        small = subset.Subsetter(options)
        small.populate(unicodes=signs)
        small.subset(font)
        subset.save_font(font, path.with_suffix(".woff"), options)
        path.unlink()
    named = re.compile(r'url\(([^()]*?)\.woff2"?\) format\("woff2"\), ?url\([^()]*\.ttf"?\) format\("truetype"\)')
    for path in static.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        path.write_text(named.sub(lambda found: f'url({found[1].strip(chr(34))}.woff) format("woff")', text), "utf-8")


# ---------------------------------------------------------------- pictures


def lighter_picture(data):
    r"""Return a PNG of 256 colours at most, or ``data`` where that is smaller or the eye could tell the two apart."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    fewer = picture.quantize(256, dither=Image.Dither.NONE)
    if difference(picture, fewer.convert("RGB")) > 1.0:
        return data
    written = io.BytesIO()
    fewer.save(written, "PNG", optimize=True)
    return min(data, written.getvalue(), key=len)


def difference(one, other):
    r"""Return the root mean square of what two pictures differ by, in levels of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).rms)


# ---------------------------------------------------------------- all of it


def lighten(app, exception):
    r"""Rewrite the finished site."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    static, pages = site / "_static", sorted(site.rglob("*.html"))
    for pattern in LEFT_OUT:
        for path in static.rglob(pattern):
            path.unlink()
    scripts = [path for path in site.rglob("*.js") if not {"vendor", "searchindex.js"} & {*path.parts}]
    words = {word for path in [*pages, *scripts] for word in WORD.findall(path.read_text(encoding="utf-8"))}
    lighter_icons(static, lighter_style(static, words))
    for path in (site / "_images").glob("*.png"):
        path.write_bytes(lighter_picture(path.read_bytes()))


def setup(app):
    r"""Connect to Sphinx."""
    app.connect("build-finished", lighten, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
