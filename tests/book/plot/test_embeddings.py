import base64
import io

import matplotlib.image
import numpy as np
import pytest
import torch

from comm_lite.book.plot import embedding_map, search_results

IMAGES = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TEXT = {"captions": ["red apple", *"bcdef"], "title": "Found", "alt": "in words"}


def test_a_map_has_a_trace_a_group_in_its_colour():
    groups = {"red": (torch.tensor([[0.0, 1.0], [2.0, 3.0]]), ["a", "b"]), "blue": (torch.eye(2), ["c", "d"])}
    figure = embedding_map(groups, colours={"red": "#ff0000", "blue": "#0000ff"}, title="finding", alt="in words")
    red, blue = figure.data
    assert (red.name, list(red.x), list(red.y), list(red.text)) == ("red", [0.0, 2.0], [1.0, 3.0], ["a", "b"])
    assert red.marker.color == "#ff0000" and red.marker.symbol != blue.marker.symbol, "told apart without colour"
    assert figure.layout.meta["alt"] == "in words" and figure.layout.title.text == "finding"


def test_a_map_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="groups"):
        embedding_map({}, colours={}, title="t", alt="a")
    with pytest.raises(ValueError, match="groups"):
        embedding_map({"red": (torch.zeros(2, 3), ["a", "b"])}, colours={"red": "#f00"}, title="t", alt="a")
    with pytest.raises(ValueError, match="groups"):
        embedding_map({"red": (torch.zeros(2, 2), ["a"])}, colours={"red": "#f00"}, title="t", alt="a")


def test_each_query_has_its_own_pictures_best_first():
    found = {"one": [4, 0, 2], "two": [1, 5, 3]}
    figure = search_results(IMAGES, found, **TEXT)
    buttons = figure.layout.updatemenus[0].buttons
    assert [button.label for button in buttons] == ["one", "two"]
    for button, rows in zip(buttons, found.values(), strict=True):
        view = button.args[0]
        assert button.label in view["title.text"]
        assert [note["text"] for note in view["annotations"]] == [TEXT["captions"][row] for row in rows]
        assert {note["font"]["size"] for note in view["annotations"]} == {figure.layout.annotations[0].font.size}
        for picture, row in zip(view["images"], rows, strict=True):
            file = io.BytesIO(base64.b64decode(picture["source"].partition(",")[2]))
            shown = (matplotlib.image.imread(file)[..., :3] * 255).round()
            assert np.array_equal(shown, IMAGES[row].permute(1, 2, 0).numpy())
    assert [note.text for note in figure.layout.annotations] == ["e", "red apple", "c"]  # the first query is shown
    places = [(picture.x, picture.y) for picture in figure.layout.images]
    assert len(set(places)) == 3 and places[0][1] == places[1][1] > places[2][1]


def test_long_captions_are_broken_between_words():
    text = "smiling face with heart-eyes"
    note = search_results(IMAGES, {"q": [0]}, **{**TEXT, "captions": [text, *"bcdef"]}).layout.annotations[0].text
    assert note.replace("<br>", " ") == text and max(map(len, note.split("<br>"))) <= 17


@pytest.mark.parametrize("found", [{}, {"a": []}, {"a": [1], "b": [1, 2]}])
def test_searches_that_cannot_be_shown_side_by_side(found):
    with pytest.raises(ValueError, match="found must"):
        search_results(IMAGES, found, **TEXT)
