r"""Make the scripts and fonts of the pages out of the installed wheels: a page then asks no other host.

Usage: python tools/vendor_assets.py

Two scripts would be nine tenths of a page. So plotly.js keeps the kinds of traces that the book draws
(``TRACES`` of comm_lite.book.plot.style), MathJax loses its menu, and both travel packed.
"""

import gzip
import importlib.util
import re
import shutil
from importlib.metadata import version
from pathlib import Path

from comm_lite.book.plot.style import TRACES
from folders import own_folder, put_in_place

ROOT = Path(__file__).resolve().parent.parent
LIST = "versions.txt"  # of what was packed, and the size of each file
MATHJAX = ("startup", "core", "input/tex", "output/chtml", "output/chtml/fonts/tex", "a11y/assistive-mml")
MATHJAX_FOLDERS = ("output/chtml/fonts/woff-v2", "input/tex/extensions")  # fetched one by one, where a page needs one
MATHJAX_BEFORE = """window.MathJax = Object.assign({}, window.MathJax, {
  loader: {paths: {mathjax: new URL(".", PACKED_FROM).href.replace(/\\/$/, "")}},
});
"""
MATHJAX_WITHIN = """
MathJax.loader.preLoad("core", "input/tex", "output/chtml", "output/chtml/fonts/tex.js", "a11y/assistive-mml");
"""
# A definition in plotly.min.js: name = W(function) holds a module, Ea the newer kind; each is called as name().
DEFINITION = re.compile(r"(?:\bvar |[,;])([\w$]+)=(?:W|Ea)\((?=\(|[\w$]+=>)")
REGISTER = re.compile(r"\.register\(\[((?:[\w$]+\(\),?)+)\]\);[\w$]+\.exports=[\w$]+\}\);(?=return ([\w$]+)\(\))")
CALL = re.compile(r"(?<![\w$.])([\w$]+)\(\)")
# Text of 15 bits a character, which UTF-16 stores in 16 whatever a server says, and a browser opens by itself.
FIRST = 0x5000
UNPACK = """(function (from, text) {
  var bytes = new Uint8Array(%d), bits = 0, held = 0, at = 0;
  for (var i = 0; i < text.length; i++) {
    bits = bits << 15 | text.charCodeAt(i) - %d;
    for (held += 15; held >= 8 && at < bytes.length; bits &= (1 << held) - 1) bytes[at++] = bits >> (held -= 8);
  }
  var opened = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  window["%s"] = new Response(opened).text().then(function (code) { new Function("PACKED_FROM", code)(from); });
})(document.currentScript.src, "%s");
"""


def package_folder(name):
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the installed package {name} is wanted, found none; run: make .venv/.stamp")
    return Path(spec.origin).parent


def trimmed(code, traces=TRACES):
    r"""Return plotly.min.js without the modules that nothing reaches once only ``traces`` are registered."""
    starts = [found.start() for found in DEFINITION.finditer(code)]
    register = REGISTER.search(code)
    if len(starts) < 500 or register is None:
        raise ValueError("plotly.min.js is built in another way than vendor_assets.py expects; see DEFINITION")
    end = code.index(f"return {register[2]}()", register.end())
    names = [found[1] for found in DEFINITION.finditer(code)]
    module = {name: code[a:b] for name, a, b in zip(names, starts, [*starts[1:], end], strict=True)}

    def trace(name):  # lib/bar.js only hands on traces/bar/index.js
        found = re.search(r'moduleType:"trace",name:"(\w+)"', module[name])
        further = re.search(r"exports=([\w$]+)\(\)", module[name])
        return found[1] if found else trace(further[1]) if further else None

    of = {trace(name): f"{name}()" for name in CALL.findall(register[1])} | {"scatter": ""}  # always registered
    if missing := set(traces) - set(of):
        raise ValueError(f"plotly.min.js must have the traces {sorted(traces)}, it lacks {sorted(missing)}")
    kept = ",".join(filter(None, (of[name] for name in traces)))
    module[register[2]] = module[register[2]].replace(register[1], kept)
    reached, left = set(), [register[2]]
    while left:
        if (name := left.pop()) not in reached:
            reached.add(name)
            left += [other for other in CALL.findall(module[name]) if other in module]
    pieces = [code[: starts[0]]]
    for name, after in zip(names, [*names[1:], None], strict=True):
        # What follows a module belongs to the next one: functions that are defined ahead of it.
        alone = module[name].rstrip(",; \n").endswith("})")
        if name in reached or not (alone or after not in reached):
            pieces.append("var " + re.sub(r"^(var |[,;])", "", module[name]).rstrip(",; \n"))
    return ";".join([pieces[0].rstrip(",;"), *pieces[1:], code[end:]])


def packed(code, name):
    r"""Return a script, in bytes, that opens and runs ``code``; the promise ``window[name]`` says when it has run."""
    squeezed = gzip.compress(code.encode("utf-8"), 9, mtime=0)
    bits = int.from_bytes(squeezed + bytes(-len(squeezed) % 15), "big")
    count = (len(squeezed) + -len(squeezed) % 15) * 8 // 15
    raw = bits.to_bytes((count * 15 + 7) // 8, "big")
    digits, held, size = [], 0, 0
    for byte in raw:
        held, size = held << 8 | byte, size + 8
        if size >= 15:
            size -= 15
            digits.append(chr(FIRST + (held >> size)))
            held &= (1 << size) - 1
    return (UNPACK % (len(squeezed), FIRST, name, "".join(digits))).encode("utf-16")


def vendor(root=ROOT):
    r"""Fill ``root/_build/assets/vendor`` unless it already holds these versions, whole; return that folder."""
    made_by = f"{Path(__file__).read_text(encoding='utf-8')}\n{TRACES}"
    versions = f"plotly {version('plotly')}, sphinx-mathjax-offline {version('sphinx-mathjax-offline')}\n{made_by}"
    target = root / "_build" / "assets" / "vendor"
    if _holds(target, versions):
        return target
    with own_folder(root / "_build") as own:
        new = own / "vendor"
        (new / "mathjax").mkdir(parents=True)
        plotly = (package_folder("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
        (new / "plotly.js").write_bytes(packed(trimmed(plotly), "plotlyReady"))
        mathjax = package_folder("sphinx-mathjax-offline") / "static" / "mathjax"
        first, *rest = ((mathjax / f"{part}.js").read_text(encoding="utf-8") for part in MATHJAX)
        code = "\n".join([MATHJAX_BEFORE + first + MATHJAX_WITHIN, *rest])
        (new / "mathjax" / "mathjax.js").write_bytes(packed(code, "mathjaxReady"))
        for folder in MATHJAX_FOLDERS:
            shutil.copytree(mathjax / folder, new / "mathjax" / folder)
        (new / LIST).write_text(f"{versions}\n{_sizes(new)}", encoding="utf-8")
        if not _holds(target, versions):  # another process may have been faster, and its files be in use
            put_in_place(new, target)
    return target


def _sizes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != LIST)
    return "".join(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n" for path in files)


def _holds(folder, versions):
    made = folder / LIST
    return made.is_file() and made.read_bytes() == f"{versions}\n{_sizes(folder)}".encode()


if __name__ == "__main__":
    folder = vendor()
    kilobytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1024
    print(f"{kilobytes} KB in {folder}")
