r"""Print the built book to one PDF, without TeX: its pages in reading order, joined to one page, printed by a browser.

Usage: python tools/make_pdf.py [--profile smoke|laptop|gpu]

Folded answers and cells are printed unfolded, figures as they stand at the start, links within the book lead within
the PDF. The pages must have been built before (tools/build_book.py).
"""

import argparse
import os
import posixpath
import shutil
import sys

from bs4 import BeautifulSoup

from browser import browser, served, settle
from comm_lite._files import write_atomically
from folders import own_folder
from kernels import in_utf8
from run_chapters import PROFILES, ROOT, toc_pages

PAPER = {"format": "A4", "margin": {"top": "18mm", "bottom": "18mm", "left": "15mm", "right": "15mm"}}
WIDTH = 680  # pixels between those margins: figures are drawn for it
FOOT = '<div style="font-size:8px;width:100%;text-align:center"><span class="pageNumber"></span></div>'
# A closed <details> would print its summary alone; the theme's own folds likewise.
UNFOLD = """() => {
  document.querySelectorAll("details").forEach(each => { each.open = true; });
  document.querySelectorAll(".toggle-hidden").forEach(each => each.classList.remove("toggle-hidden"));
}"""


def anchor(page, name=""):
    r"""Return the name that a place of a page has in the joined page."""
    return f"{page.removesuffix('.html').replace('/', '-')}{'--' * bool(name)}{name}"


def target(page, address, pages):
    r"""Return an address that was written in ``page`` as it must read in the joined page."""
    path, _, name = address.partition("#")
    if ":" in path.partition("/")[0] or address.startswith("//"):
        return address
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return f"#{anchor(path, name)}" if path in pages else path + f"#{name}" * bool(name)


def article(page, html, pages):
    r"""Return the article of a page, its names and addresses made those of the joined page."""
    found = BeautifulSoup(html, "html.parser").select_one("article.bd-article")
    for each in found.select("[id]"):
        each["id"] = anchor(page, each["id"])
    for kind in ("href", "src"):
        for each in found.select(f"[{kind}]"):
            each[kind] = target(page, each[kind], pages)
    for each in found.select("a.headerlink, .cell_output script:not([type='application/json'])"):
        each.decompose()
    return f'<section class="printed-page" id="{anchor(page)}">{found}</section>'


def joined(site, pages):
    r"""Return one page that holds the articles of all of them."""
    texts = [(site / page).read_text(encoding="utf-8") for page in pages]
    whole = BeautifulSoup(next(text for text in texts if "mathjax.js" in text), "html.parser")
    up = "../" * pages[next(at for at, text in enumerate(texts) if "mathjax.js" in text)].count("/")
    for each in whole.head.select("[href], [src]"):
        for kind in {"href", "src"} & each.attrs.keys():
            each[kind] = each[kind].removeprefix(up)
    title = BeautifulSoup(texts[0], "html.parser").select_one("p.logo__title").get_text(strip=True)
    whole.title.string = title
    body = "".join(article(page, text, pages) for page, text in zip(pages, texts, strict=True))
    whole.head.select_one("script[data-cfasync]").decompose()  # would choose light or dark by the reader's last visit
    return (
        f'<!DOCTYPE html><html lang="en" data-content_root="./" data-theme="light">{whole.head}<body>'
        f'<main class="bd-main"><div class="bd-content"><div class="bd-article-container">{body}</div></div></main>'
        "</body></html>"
    )


def make_pdf(profile, root=ROOT):
    r"""Write ``_build/pdf/<profile>.pdf``, complete or not at all, and return it."""
    site = root / "_build" / "html" / profile
    pages = [page.with_suffix(".html").as_posix() for page in toc_pages(root)]
    if missing := [page for page in pages if not (site / page).is_file()]:
        raise FileNotFoundError(f"{missing} not built; run: python tools/build_book.py --profile {profile}")
    final = root / "_build" / "pdf" / f"{profile}.pdf"
    final.parent.mkdir(parents=True, exist_ok=True)
    with own_folder(root / "_build") as own:
        copy = shutil.copytree(site, own / "site")  # the next build may replace it while this one is printed
        (copy / "print.html").write_text(joined(copy, pages), encoding="utf-8")
        with browser() as started, served(copy) as host:
            page = started.new_page(viewport={"width": WIDTH, "height": 960}, color_scheme="light")
            page.set_default_timeout(600_000)  # every figure of the book on one page
            page.emulate_media(media="print", color_scheme="light")
            page.goto(f"{host}print.html")
            settle(page)
            page.evaluate(UNFOLD)
            foot = {"display_header_footer": True, "header_template": "<span></span>", "footer_template": FOOT}
            printed = page.pdf(print_background=True, outline=True, tagged=True, **PAPER, **foot)
    write_atomically(final, printed)
    return final


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=PROFILES, default=os.environ.get("COMM_LITE_PROFILE", "laptop"))
    try:
        made = make_pdf(parser.parse_args(arguments).profile)
    except FileNotFoundError as error:
        return str(error)
    print(f"{made.stat().st_size // 1024} KB in {made}")
    return 0


if __name__ == "__main__":
    in_utf8()
    sys.exit(main())
