import json
import re
import subprocess
import sys

import matplotlib
import plotly.graph_objects as go
import plotly.io
import pytest

from comm_lite.book.plot import COLOURS, use_style

matplotlib.use("agg")
METHODS = ("Cross", "FactorCL", "Cross+Self", "CoMM", "SupCon", "paper")


@pytest.fixture
def bundle():
    with matplotlib.rc_context():
        use_style()
        yield lambda figure: plotly.io.renderers[plotly.io.renderers.default].to_mimebundle(figure.to_dict())


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def test_every_method_has_its_own_colour_and_marker():
    assert set(METHODS) <= set(COLOURS)
    assert len({COLOURS[method] for method in METHODS}) == len(METHODS)
    assert len({COLOURS[atom] for atom in ("R", "U1", "U2", "S")}) == 4


@pytest.mark.parametrize("name", COLOURS)
def test_colours_stand_out_on_white_and_on_dark(name):
    light, dark = 1.05 / (luminance(COLOURS[name]) + 0.05), (luminance(COLOURS[name]) + 0.05) / 0.055
    assert light > 2 and dark > 3


def test_a_figure_comes_for_jupyterlab_and_for_the_book(bundle):
    figure = go.Figure(go.Bar(y=[1, 2]), layout={"meta": {"alt": 'two "bars" </script>'}, "height": 300})
    shown = bundle(figure)
    assert set(shown) == {"application/vnd.plotly.v1+json", "text/html"}
    page = shown["text/html"]
    assert 'role="figure" aria-label="two &quot;bars&quot; &lt;/script&gt;" style="min-height:300px"' in page
    assert ">two &quot;bars&quot; &lt;/script&gt;</div>" in page  # until, or unless, a script draws it
    stored = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL).group(1)
    assert json.loads(stored.replace("<\\/", "</")) == shown["application/vnd.plotly.v1+json"]


def test_a_kind_of_trace_that_the_pages_cannot_draw_is_an_error(bundle):
    frames = [go.Frame(data=[go.Scatter3d()])]
    for figure in (go.Figure(go.Pie()), go.Figure(go.Scatter(), frames=frames)):
        with pytest.raises(ValueError, match="may have the traces scatter, bar, heatmap, contour, got (pie|scatter3d)"):
            bundle(figure)


def test_without_a_text_alternative_the_title_stands_in(bundle):
    assert 'aria-label="Loss falls"' in bundle(go.Figure(layout={"title": "Loss falls"}))["text/html"]
    assert 'aria-label="Interactive figure"' in bundle(go.Figure())["text/html"]


def test_two_runs_give_the_same_bytes_and_one_page_no_id_twice():
    """Each run in a process of its own, as after a restart of the kernel; the setup cell may be run again."""
    code = """if True:
        import plotly.graph_objects as go, plotly.io
        from comm_lite.book.plot import use_style
        for y in ([1, 2], [3, 4], [1, 2]):
            use_style()
            show = plotly.io.renderers[plotly.io.renderers.default].to_mimebundle
            print(show(go.Figure(go.Scatter(y=y)).to_dict())["text/html"])
    """
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout
    ids = re.findall(r'<div id="([^"]+)"', runs[0].stdout)
    assert len(ids) == len(set(ids)) == 3 and ids[0][:-1] == ids[2][:-1] != ids[1][:-1]


def test_the_matplotlib_style_is_set_and_svg_is_deterministic(bundle, tmp_path):
    import matplotlib.pyplot as plt

    assert matplotlib.rcParams["figure.constrained_layout.use"] and matplotlib.rcParams["figure.facecolor"] == "white"
    written = []
    for name in ("a.svg", "b.svg"):
        figure, axes = plt.subplots()
        axes.plot([1, 2], color=COLOURS["CoMM"])
        figure.savefig(tmp_path / name, metadata={"Date": None})
        plt.close(figure)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1] and COLOURS["CoMM"].lower().encode() in written[0]


def test_only_plot_loads_matplotlib_and_plotly():
    import ast
    from pathlib import Path

    import comm_lite.book.teach

    root = Path(comm_lite.book.teach.__file__).parent
    files = [path for path in root.rglob("*.py") if "plot" not in path.relative_to(root).parts]
    assert len(files) > 3
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            bad = [name for name in names if name.split(".")[0] in ("matplotlib", "plotly", "ipywidgets")]
            assert not bad, f"{path} imports {bad}"


def test_the_style_leaves_the_templates_of_plotly_as_they_are():
    before = plotly.io.templates["plotly_white"].to_plotly_json()
    for _ in range(2):
        use_style()
    assert plotly.io.templates["plotly_white"].to_plotly_json() == before
    assert (
        plotly.io.templates["comm_lite"].layout.font.size == 14 != plotly.io.templates["plotly_white"].layout.font.size
    )
