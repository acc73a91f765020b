"""The figures that a reader moves: each frame against the plain formula at its step, and what the slider does."""

import importlib
import json
import math

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from comm_lite import bounds
from comm_lite.book import plot
from comm_lite.losses import clip_loss, info_nce
from comm_lite.pid import gain_angle
from comm_lite.worlds import GENRES, MoviesConfig, exact_atoms

shell = importlib.import_module("comm_lite.book.plot.explore")._shell
DRAW = torch.Generator().manual_seed(0)
WORDS = {"title": "finding", "alt": "in words"}
COSINES = torch.rand(4, 4, generator=DRAW) * 2 - 1
NAMES = ["cat", "dog", "cow", "hen"]
TAUS = [1.0, 0.3, 0.1, 0.03]
KEYS = [30, 78, 128, 190]
NS, TRUTHS = (4, 16, 64), (1.0, 3.0, 6.0)
BOUNDS = {"InfoNCE": bounds.info_nce_bound, "CLUB": bounds.club}


def sweep(n):
    read = {name: ([], []) for name in BOUNDS}
    for truth in TRUTHS:
        tables = [bounds.gaussian_pair(20, truth, n, generator=DRAW).log_ratio() for _ in range(4)]
        for name, bound in BOUNDS.items():
            values = [bound(table).item() for table in tables]
            read[name][0].append(np.mean(values))
            read[name][1].append(np.std(values, ddof=1))
    return read


ESTIMATES = {n: sweep(n) for n in NS}
ATOMS = {f"{share}": exact_atoms(MoviesConfig(shared=share)) for share in (0.0, 0.5, 1.0)}
FOUND = {
    step: {"Cross": {g: [of[g]["R"], of[g]["R"] - 0.2] for g in GENRES}, "labels": {g: [1.0, 0.9] for g in GENRES}}
    for step, of in ATOMS.items()
}
PARTS = {"CLS": ["CLS"], "poster": ["poster 0", "poster 1"], "plot": ["0: love"]}
NAN = float("nan")
WEIGHTS = {
    "all": torch.rand(4, 4, generator=DRAW).softmax(1),
    "image": torch.tensor([[0.5, 0.3, 0.2, NAN], [0.1, 0.8, 0.1, NAN], [1.0, 0.0, 0.0, NAN], [NAN] * 4]),
}
TERMS = {
    "L only": {"joint": [5.0, 3.0, 1.0], "image": [5.5, 5.6, 5.7]},
    "both": {"joint": [5.0, 3.0, 1.5], "image": [5.5, 4.0, 3.0]},
}
PICTURES = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8, generator=DRAW)
PAINT = {"red": "#ff0000", "blue": "#0000ff"}
POINTS = {"red": (torch.rand(5, 2, generator=DRAW), list("abcde")), "blue": (torch.eye(2), ["x", "y"])}

# Each figure over all its steps, over one of them as explore asks for it, and how many steps there are.
MOVED = {
    "contrastive_batch": (lambda v: plot.contrastive_batch(COSINES, v, names=NAMES), TAUS),
    "infonce_gradient": (lambda v: plot.infonce_gradient(100, KEYS, v), TAUS),
    "infonce_gradient, negative": (lambda v: plot.infonce_gradient(100, KEYS, 0.1, negative=v), [60, 90, 110, 200]),
    "sensor_angle": (plot.sensor_angle, [0, 30, 60, 90, 120]),
    "mi_bounds": (lambda v: plot.mi_bounds({n: ESTIMATES[n] for n in several(v)}, TRUTHS, **WORDS), list(NS)),
    "mixture_probe": (
        lambda v: plot.mixture_probe(
            {s: ATOMS[s] for s in several(v)}, {s: FOUND[s] for s in several(v)}, name="R", **WORDS
        ),
        list(ATOMS),
    ),
    "attention_map": (lambda v: plot.attention_map({s: WEIGHTS[s] for s in several(v)}, PARTS, **WORDS), list(WEIGHTS)),
    "loss_terms": (
        lambda v: plot.loss_terms({s: TERMS[s] for s in several(v)}, [1, 50, 99], guess=5.5, alt="words"),
        list(TERMS),
    ),
}  # fmt: skip


def several(values):
    return values if isinstance(values, list) else [values]


def at(figure, step):
    """What a reader sees at a step: the drawing of the start, changed by the frame of that name."""
    frame = next(frame for frame in figure.frames if frame.name == step)
    traces = [trace.to_plotly_json() for trace in figure.data]
    for place, data in zip(frame.traces, frame.data, strict=True):
        traces[place] |= {key: value for key, value in data.to_plotly_json().items() if key != "type"}
    return traces, {**figure.layout.to_plotly_json(), **frame.layout.to_plotly_json()}


def same(one, two):
    one, two = (json.loads(json.dumps(of, default=list)) for of in (one, two))
    return one == two


# ---------------------------------------------------------------- what holds for all of them


@pytest.mark.parametrize("name", MOVED)
def test_a_frame_a_step_and_each_frame_is_the_drawing_of_that_value(name):
    draw, values = MOVED[name]
    figure = draw(values)
    steps = [value if isinstance(value, str) else f"{value:g}" for value in values]
    assert [frame.name for frame in figure.frames] == steps == [step.label for step in figure.layout.sliders[0].steps]
    assert [list(step.args[0]) for step in figure.layout.sliders[0].steps] == [[step] for step in steps]
    for value, step in zip(values, steps, strict=True):
        one = draw(value)
        assert not one.frames and not one.layout.sliders
        if name != "attention_map":  # its scale is that of the largest share in all tables
            traces, layout = at(figure, step)
            assert same(traces, [trace.to_plotly_json() for trace in one.data])
            assert layout["title"]["text"] == one.layout.title.text
    shown = figure.layout.sliders[0].active
    assert shown == len(values) // 2 and same(at(figure, steps[shown])[0], [t.to_plotly_json() for t in figure.data])


@pytest.mark.parametrize("name", MOVED)
def test_frames_are_light_and_the_figure_speaks(name):
    draw, values = MOVED[name]
    figure = draw(values)
    frames = json.loads(figure.to_json())["frames"]
    whole = len(json.dumps(json.loads(draw(values[0]).to_json())["data"]))
    assert all(0 < len(json.dumps(frame["data"])) < whole for frame in frames), "only what changes"
    assert len(figure.layout.meta["alt"]) > 4 and figure.layout.title.text
    assert max(map(len, figure.layout.title.text.split("<br>"))) <= 40, "fits on a phone"


@pytest.mark.parametrize(
    "name", [name for name in MOVED if name not in ("mixture_probe", "attention_map", "loss_terms")]
)
def test_the_live_slider_calls_the_same_function_with_its_value(name, monkeypatch):
    draw, values = MOVED[name]
    drawn = []
    monkeypatch.setattr("IPython.display.display", drawn.append)
    cast = int if name == "mi_bounds" else float
    live = shell(lambda value: draw(cast(value)), {"value": (min(values), max(values), values[1])})
    live.update()
    live.children[0].value = values[0]
    for figure, value in zip((drawn[0], drawn[-1]), values[1::-1], strict=True):
        assert isinstance(figure, go.Figure) and same(figure.to_plotly_json(), draw(cast(value)).to_plotly_json())


def test_a_slider_refuses_what_it_cannot_step_through():
    with pytest.raises(ValueError, match=r"values must be one or more that differ, got \['1', '1'\]; drop those"):
        plot.slider(lambda v: go.Figure(), [1, 1.0], name="v")
    with pytest.raises(ValueError, match="values must be one or more that differ, got .*; drop"):
        plot.slider(lambda v: go.Figure(), [], name="v")
    with pytest.raises(ValueError, match=r"start must be one of the values \['1', '2'\], got 3; choose one of these"):
        plot.slider(lambda v: go.Figure(go.Bar(y=[v])), [1, 2], name="v", start=3)
    with pytest.raises(
        ValueError, match=r"draw must return the same traces .* got \['bar'\] for 1 and \['bar', 'bar'\]"
    ):
        plot.slider(lambda v: go.Figure([go.Bar(y=[v])] * v), [1, 2], name="v")
    with pytest.raises(ValueError, match=r"draw must set the same properties .* got trace 0 without \['text'\] for 2;"):
        plot.slider(lambda v: go.Figure(go.Bar(y=[v], text=["a"] if v == 1 else None)), [1, 2], name="v")


def test_a_play_button_runs_from_where_the_slider_stands():
    figure = plot.slider(lambda v: go.Figure(go.Bar(y=[v])), [1, 2], name="v", play=True)
    (button,) = figure.layout.updatemenus[0].buttons
    assert button.method == "animate" and button.args[0] is None and button.args[1]["fromcurrent"]
    assert not plot.slider(lambda v: go.Figure(go.Bar(y=[v])), [1, 2], name="v").layout.updatemenus


# ---------------------------------------------------------------- each against its formula


def test_both_softmaxes_and_their_cost():
    figure = plot.contrastive_batch(COSINES, TAUS, names=NAMES)
    peaks = []
    for tau in TAUS:
        (rows, columns), layout = at(figure, f"{tau:g}")
        e = [[math.exp(c / tau) for c in row] for row in COSINES.tolist()]
        for i in range(4):
            for j in range(4):
                assert rows["z"][i][j] == pytest.approx(e[i][j] / sum(e[i]), abs=6e-4)
                assert columns["z"][i][j] == pytest.approx(e[i][j] / sum(row[j] for row in e), abs=6e-4)
        found = sum(max(range(4), key=lambda j, i=i: e[i][j]) == i for i in range(4))
        assert f"{found} of 4 pictures" in layout["title"]["text"].replace("<br>", " ")
        peaks.append(max(rows["z"][0]))
    assert peaks == sorted(peaks) and peaks[0] < peaks[-1], "the colder, the surer"
    z = torch.eye(6) + 0.2 * torch.rand(6, 6, generator=DRAW)
    unit = z / z.norm(dim=1, keepdim=True)
    figure = plot.contrastive_batch(unit @ unit.T, 0.5, names=list("abcdef"))
    assert f"({clip_loss(z, z, logit_scale=2.0):.2f} nats)" in figure.layout.title.text.replace("<br>", " ")


@pytest.mark.parametrize("tau", [2.0, 0.3, 0.05])
@pytest.mark.parametrize("negative", [None, 95, 250])
def test_arrows_are_minus_the_gradient_of_the_package(tau, negative):
    places = [KEYS[0], *([KEYS[1]] if negative is None else [negative]), *KEYS[2:]]
    unit = torch.tensor([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in [100, *places]]).double()
    q, k = unit[:1].requires_grad_(), unit[1:].clone().requires_grad_()
    # the mean over four equal queries, each of which would pick the first key; only the first query is asked
    scores = torch.nn.functional.normalize(q) @ torch.nn.functional.normalize(k).T / tau
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor([0]))
    assert info_nce(q.expand(4, 2), k, temperature=tau) > 0  # the same softmax
    by_query, by_keys = torch.autograd.grad(loss, (q, k))
    figure = plot.infonce_gradient(100, KEYS, tau, negative=negative)
    trace = {t.name: t for t in figure.data if t.name}
    drawn = {name: np.array([trace[name].x, trace[name].y]) for name in ("pull", "push", "sum")}
    way = {name: (of[:, 1] - of[:, 0]) / 0.8 for name, of in drawn.items()}
    assert way["sum"] == pytest.approx(-tau * by_query[0].numpy(), abs=3e-3)
    assert way["pull"] + way["push"] == pytest.approx(way["sum"], abs=5e-3)
    for place in range(4):
        x, y = (getattr(trace["keys' way"], axis)[3 * place : 3 * place + 2] for axis in "xy")
        moved = np.array([x[1] - x[0], y[1] - y[0]]) / 0.8
        assert moved == pytest.approx(-tau * by_keys[place].numpy(), abs=3e-3)
    p = scores.softmax(1)[0].tolist()
    assert [*trace["own key"].text, *trace["negatives"].text] == [f"{chance:.2f}" for chance in p]
    nearest = int(scores[0, 1:].argmax())
    assert f"{p[1 + nearest] / sum(p[1:]):.0%}" in figure.layout.title.text


def test_the_colder_the_more_the_nearest_negative_pushes():
    titles = [at(plot.infonce_gradient(100, KEYS, TAUS), f"{tau:g}")[1]["title"]["text"] for tau in TAUS]
    shares = [int(title.split("%")[0].split()[-1].replace("<br>", "")) for title in titles]
    assert shares == sorted(shares) and shares[0] < shares[-1]


def test_bounds_are_drawn_as_measured_with_their_ceiling():
    ceilings = {n: {"InfoNCE": math.log(n)} for n in NS}
    figure = plot.mi_bounds(ESTIMATES, TRUTHS, ceilings=ceilings, start=64, **WORDS)
    last = []
    for n in NS:
        (truth, *curves, ceiling), _ = at(figure, str(n))
        assert truth["x"] == truth["y"]
        for curve in curves:
            mean, deviation = ESTIMATES[n][curve["name"]]
            assert curve["y"] == pytest.approx(mean, abs=6e-4)
            assert curve["error_y"]["array"] == pytest.approx(deviation, abs=6e-4)
        assert list(ceiling["y"]) == pytest.approx([math.log(n)] * 2, abs=6e-4)
        assert max(curves[0]["y"]) <= math.log(n) + 1e-3, "InfoNCE stays below log N"
        last.append(curves[0]["y"][-1])
    assert last == sorted(last), "more candidates, more to be seen"
    assert figure.layout.sliders[0].active == 2


def test_each_slider_of_the_mixer_moves_its_own_part_only():
    figure = plot.gate_mixer({"R": 0.5, "U1": 0.25, "U2": 1.0, "S": 0.0}, positions=5)
    sees = {"R": (1, 1, 1), "U1": (1, 0, 1), "U2": (0, 1, 1), "S": (0, 0, 1)}
    strengths = [0.5, 0.25, 1.0, 0.0]
    for place, (atom, rows) in enumerate(sees.items()):
        assert list(figure.data[place].x) == pytest.approx([strengths[place] * row for row in rows], abs=1e-6)
        slider = figure.layout.sliders[place]
        assert [step.label for step in slider.steps] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
        assert slider.active == round(4 * strengths[place])
        for bits, step in zip((0, 0.25, 0.5, 0.75, 1), slider.steps, strict=True):
            new, traces = step.args
            assert step.method == "restyle" and list(traces) == [place] and list(new) == ["x"], atom
            assert new["x"][0] == pytest.approx([bits * row for row in rows], abs=1e-6)
    assert not plot.gate_mixer({"R": 0.5, "U1": 0.25, "U2": 1.0, "S": 0.0}).layout.sliders


def test_two_sensors_agree_with_the_closed_form():
    angles = [0, 30, 60, 90, 120]
    figure = plot.sensor_angle(angles, start=60)
    redundant = []
    for angle in angles:
        traces, layout = at(figure, str(angle))
        exact = gain_angle(min(angle, 180 - angle)).atoms
        bars = {trace["name"]: trace["x"] for trace in traces if trace["type"] == "bar"}
        for (atom, name), bits in zip(plot.ATOMS.items(), bars.values(), strict=True):
            assert bits[0] == pytest.approx(exact[atom], abs=1e-3), name
        assert bars["R"][1] == pytest.approx(0.5) and bars["U<sub>1</sub>"][1] == 0, "MMI looks at amounts"
        assert f"{exact['R']:.2f} bits" in layout["title"]["text"]
        arrow = [trace for trace in traces if trace["type"] == "scatter"][1]
        assert arrow["x"][1] == pytest.approx(math.cos(math.radians(angle)), abs=1e-3)
        redundant.append(bars["R"][0])
    assert redundant[:4] == sorted(redundant[:4], reverse=True)


def test_a_louder_sensor_has_something_of_its_own():
    figure = plot.sensor_angle(0, gain1=3.0, gain2=1.0)
    bits = {trace.name: trace.x[0] for trace in figure.data if trace.type == "bar"}
    assert bits["R"] == pytest.approx(0.5, abs=1e-3) and bits["U<sub>2</sub>"] == pytest.approx(0, abs=1e-3)
    assert bits["U<sub>1</sub>"] == pytest.approx(0.5 * math.log2(10) - 0.5, abs=1e-3)


def test_bars_hold_the_atoms_and_marks_the_mean_and_range_of_seeds():
    figure = plot.mixture_probe(ATOMS, FOUND, name="R", **WORDS)
    heights = []
    for step, of in ATOMS.items():
        traces, _ = at(figure, step)
        for trace, atom in zip(traces, plot.ATOMS, strict=False):
            assert list(trace["y"]) == pytest.approx([of[genre][atom] for genre in GENRES], abs=6e-5)
        cross = traces[4]
        assert list(cross["y"]) == pytest.approx([of[g]["R"] - 0.1 for g in GENRES], abs=6e-5)
        assert cross["error_y"]["array"] == pytest.approx([0.1] * 4, abs=1e-4) == cross["error_y"]["arrayminus"]
        heights.append(traces[0]["y"][0])
    assert heights == sorted(heights) and heights[-1] == 1.0, "R of Romance rises with the slider"


def test_attention_is_in_per_cent_and_empty_where_a_token_is_left_out():
    figure = plot.attention_map(WEIGHTS, PARTS, start="image", **WORDS)
    for step, table in WEIGHTS.items():
        (trace,), _ = at(figure, step)
        for row, shares in zip(trace["z"], table.tolist(), strict=True):
            for drawn, share in zip(row, shares, strict=True):
                assert drawn is None if math.isnan(share) else drawn == pytest.approx(100 * share, abs=0.051)
    tokens = ["CLS", "poster 0", "poster 1", "0: love"]
    assert list(figure.data[0].x) == tokens and list(figure.layout.xaxis.tickvals) == [0, 1.5, 3]
    assert [shape.x0 for shape in figure.layout.shapes if shape.x0 == shape.x1] == [0.5, 2.5], "lines between the parts"


def test_terms_are_drawn_beside_a_guess():
    figure = plot.loss_terms(TERMS, [1, 50, 99], guess=5.5, alt="in words")
    for training, of in TERMS.items():
        (guess, *lines), layout = at(figure, training)
        assert list(guess["y"]) == [5.5, 5.5]
        assert {line["name"]: list(line["y"]) for line in lines} == of
        for term, values in of.items():
            assert f"{term} {values[-1]:.2f}" in layout["title"]["text"].replace("<br>", " ")


def test_pointing_at_a_point_names_the_frame_of_its_picture():
    figure = plot.embedding_map(POINTS, colours=PAINT, pictures={"red": PICTURES[:2], "blue": PICTURES[2:]}, **WORDS)
    red, blue, ring = figure.data
    assert list(red.customdata) == ["1", "2", None, None, None] and list(blue.customdata) == ["3", None]
    assert [frame.name for frame in figure.frames] == ["1", "2", "3"]
    sources = [frame.layout.images[0].source for frame in figure.frames]
    assert len(set(sources)) == 3 and all(source.startswith("data:image/png;base64,") for source in sources)
    for frame, (x, y), text in zip(figure.frames, [*POINTS["red"][0][:2].tolist(), [1.0, 0.0]], "abx", strict=True):
        assert frame.traces == (2,) and frame.data[0].x[0] == pytest.approx(x, abs=1e-4)
        assert frame.data[0].y[0] == pytest.approx(y, abs=1e-4)
        assert frame.layout.annotations[0].text == text
    assert ring.x == figure.frames[0].data[0].x and figure.layout.images[0].source == sources[0]


# ---------------------------------------------------------------- refusals


def test_wrong_inputs_are_refused():
    batch, circle, probe = plot.contrastive_batch, plot.infonce_gradient, plot.mixture_probe
    held, read = {"a": ATOMS["0.0"]}, {"a": FOUND["0.0"]}
    one = {8: {"InfoNCE": ([1.0], [0.1])}}
    wrong = [
        (lambda: batch(COSINES[:, :3], 1.0, names=NAMES), "cosines must be a square table"),
        (lambda: batch(COSINES, 1.0, names=NAMES[:3]), "cosines must have one entry for each of the 3 rows"),
        (lambda: batch(COSINES, 1.0, names=["cat"] * 4), "with different names"),
        (lambda: batch(COSINES * NAN, 1.0, names=NAMES), "cosines must be finite"),
        (lambda: batch(COSINES, [1.0, 0.0], names=NAMES), "temperature must be a finite number above zero, got 0.0"),
        (lambda: circle(90, [0], 1.0), r"keys must be 2 or more places, the own one first, got \[0\]; add a negative"),
        (lambda: circle(90, [0, 9], [1, 2], negative=[3, 4]), "only one of temperature and negative can be moved"),
        (lambda: circle(900, [0, 9], 1.0), "query must lie in"),
        (lambda: circle(90, [0, 900], 1.0), r"keys\[1\] must lie in"),
        (lambda: circle(90, [0, 9], 1.0, negative=900), "negative must lie in"),
        (lambda: plot.sensor_angle(181), r"degrees must lie in \[0, 180\], got 181"),
        (lambda: plot.sensor_angle(60, gain2=0.0), "gain2 must be a finite number above zero"),
        (lambda: plot.gate_mixer({"R": 1.0}), r"strengths must hold \['R', 'U1', 'U2', 'S'\], got \['R'\]; measure"),
        (lambda: plot.gate_mixer(dict.fromkeys(plot.ATOMS, 0.5), positions=1), "positions must be at least 2, got 1"),
        (lambda: plot.mi_bounds({}, [1.0], **WORDS), "estimates must hold at least one"),
        (lambda: plot.mi_bounds(one, [1.0, 2.0], **WORDS), r"estimates\[8\] must hold .* 2 means .*; measure all"),
        (lambda: plot.mi_bounds(one | {9: {}}, [1.0], **WORDS), r"estimates\[9\] must hold \['InfoNCE'\], got \[\]"),
        (lambda: plot.mi_bounds(one, [1.0], ceilings={9: {}}, **WORDS), r"ceilings must hold \[8\], got \[9\]"),
        (lambda: plot.mi_bounds(one, [1.0], ceilings={8: {"DV": 1.0}}, **WORDS), "must be one of .* got 'DV'"),
        (lambda: probe({}, {}, name="R", **WORDS), "atoms must hold at least one"),
        (lambda: probe(held, {"b": read["a"]}, name="R", **WORDS), r"found must hold \['a'\], got \['b'\]"),
        (lambda: probe(held, {"a": {"Cross": {}}}, name="R", **WORDS), r"found\['a'\]\['Cross'\] must hold"),
        (
            lambda: probe(held, {"a": {"Cross": dict.fromkeys(GENRES, [])}}, name="R", **WORDS),
            r"must hold a number, got none; add a seed",
        ),
        (lambda: plot.attention_map({}, PARTS, **WORDS), "weights must hold at least one"),
        (lambda: plot.attention_map({"a": torch.eye(3)}, PARTS, **WORDS), "must be a table of the 4 tokens"),
        (lambda: plot.attention_map({"a": 2 * torch.eye(4)}, PARTS, **WORDS), r"must hold shares in \[0, 1\] or NaN"),
        (lambda: plot.attention_map({"a": torch.eye(2)}, {"p": ["x", "x"]}, **WORDS), r"got \['x'\] more than once"),
        (lambda: plot.loss_terms({}, [1], guess=1.0, alt="a"), "terms must hold at least one"),
        (lambda: plot.loss_terms({"a": {"L": [1.0]}}, [1, 2], guess=1.0, alt="a"), "with 2 numbers each, as many"),
        (
            lambda: plot.embedding_map(POINTS, colours=PAINT, pictures={"blue": PICTURES}, **WORDS),
            r"pictures\['blue'\] must be at most 2, one a point, got 3; drop the others",
        ),
        (
            lambda: plot.embedding_map(POINTS, colours=PAINT, pictures={"no": PICTURES}, **WORDS),
            r"pictures must name only .* got unknown \['no'\]",
        ),
    ]  # fmt: skip
    for call, text in wrong:
        with pytest.raises(ValueError, match=text):
            call()
