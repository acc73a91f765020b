import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from comm_lite.book.plot import COLOURS, gallery, loss_curves, score_bars

SCORES = {"Cross": {"R": (99.0, 98.0, 99.5), "S": (50.0, 48.0, 52.0)}, "CoMM": {"R": (98.0, 97.0, 99.0)}}
CHANCE = {"R": 10.0, "S": 50.0}


def bars(**changes):
    given = {"chance": CHANCE, "reference": {"CoMM": {"S": 71.9}}, "title": "finding", "alt": "in words"}
    return score_bars(SCORES, **{**given, **changes})


def test_a_gallery_shows_each_image_where_it_belongs():
    images = torch.rand(5, 3, 4, 6)
    figure = gallery(images, columns=3, titles=list("abcde"), title="five")
    assert len(figure.axes) == 6  # two rows of three, the last one empty
    for place, axis in enumerate(figure.axes[:5]):
        assert np.array_equal(axis.images[0].get_array(), images[place].permute(1, 2, 0).numpy())
        assert axis.get_title() == "abcde"[place]
    assert not figure.axes[5].images and figure.get_suptitle() == "five"
    assert not plt.get_fignums(), "left open it would be shown twice"


def test_losses_have_a_panel_a_method_and_a_line_a_run():
    figure = loss_curves(
        {"CoMM, biased": [3.0, 2.0], "Cross, biased": [1.0, 0.5], "CoMM, unbiased": [3.0, 2.5]}, title="t"
    )
    where = plt.rcParams["axes.titlelocation"]
    assert [axis.get_title(loc=where) for axis in figure.axes] == ["CoMM", "Cross"]
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines == {"biased": [3.0, 2.0], "unbiased": [3.0, 2.5]}
    assert len({line.get_linestyle() for line in figure.axes[0].lines}) == 2, "told apart without colour"
    assert all(axis.get_xlabel() == "epoch" for axis in figure.axes) and "nats" in figure.axes[0].get_ylabel()


def test_scores_stand_at_their_task_with_their_interval():
    figure = bars()
    drawn = {trace.name: trace for trace in figure.data}
    assert list(drawn) == ["Cross", "CoMM", "the paper", "chance"]
    assert list(drawn["Cross"].y) == [99.0, 50.0]
    assert [round(x) for x in drawn["Cross"].x] == [0, 1]
    assert list(drawn["Cross"].error_y.array) == [0.5, 2.0] and list(drawn["Cross"].error_y.arrayminus) == [1.0, 2.0]
    assert drawn["Cross"].marker.color == COLOURS["Cross"]
    assert max(drawn["Cross"].x) < drawn["the paper"].x[0] < 1.5  # CoMM's place is right of Cross's
    assert list(drawn["the paper"].y) == [71.9]
    assert [level for level in drawn["chance"].y if level is not None] == [10.0, 10.0, 50.0, 50.0]
    assert figure.layout.meta["alt"] == "in words" and figure.layout.title.text == "finding"


def test_a_method_that_only_the_paper_has_keeps_its_place():
    figure = bars(reference={"FactorCL": {"R": 99.8}})
    assert [trace.name for trace in figure.data] == ["Cross", "CoMM", "the paper", "chance"]
    assert figure.data[2].text[0] == "FactorCL, R"


def test_without_a_paper_there_are_no_diamonds():
    assert [trace.name for trace in bars(reference={}).data] == ["Cross", "CoMM", "chance"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: gallery(torch.rand(0, 3, 4, 4), columns=2), "at least one image .* got 0 images"),
        (lambda: gallery(torch.rand(2, 3, 4, 4), columns=2, titles=["one"]), "got 2 images and 1 titles"),
        (lambda: gallery(torch.rand(2, 4, 4), columns=2), r"images must have shape \(N, C, H, W\)"),
        (lambda: gallery(torch.rand(2, 3, 4, 4), columns=0), "columns must be at least 1"),
        (lambda: loss_curves({}, title="t"), "losses must hold at least one"),
        (lambda: bars(chance={"R": 10.0}), r"scores\['Cross'\] must name only \['R'\], got unknown \['S'\]"),
    ],
)
def test_wrong_input_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
