r"""Caption metrics against the code of the COCO challenge, and where they are blind.

`captioning_golden.json` holds what pycocoevalcap 1.2 gives (`Bleu(4)` and `Cider`, texts split at blanks).
"""

import json
from pathlib import Path

import pytest

from comm_lite.evaluate import bleu, cider, tuple_f1

GOLDEN = json.loads((Path(__file__).parent / "captioning_golden.json").read_text())["sets"]


@pytest.mark.parametrize("name", GOLDEN)
def test_scores_are_those_of_the_reference_code(name):
    of = GOLDEN[name]
    found = bleu(of["candidates"], of["references"])
    assert list(found) == [1, 2, 3, 4]
    assert list(found.values()) == pytest.approx(of["bleu"], abs=2e-4)  # it adds 1e-15 to a count of 0
    each = cider(of["candidates"], of["references"])
    assert each == pytest.approx(of["cider_each"], abs=1e-9)
    assert sum(each) / len(each) == pytest.approx(of["cider"], abs=1e-9)


def test_the_golden_values_say_something():
    assert len(GOLDEN) == 5 and GOLDEN["scenes"]["cider"] > 3 and 0.5 < GOLDEN["scenes"]["bleu"][3] < 0.7


def test_one_image_has_no_rare_words():
    assert cider(["a red circle"], [["a red circle"]]) == [0.0]
    assert cider(["red circle here", "x"], [["a red circle"], ["the red circle"]]) == [0.0, 0.0]


def test_every_colour_wrong():
    colours = ["red", "blue", "green", "pink"]
    truth = [[f"there is a {colour} circle"] for colour in colours]
    wrong = [f"there is a {colour} circle" for colour in colours[1:] + colours[:1]]
    assert cider(wrong, truth) == [0.0] * 4
    assert bleu(wrong, truth)[1] == pytest.approx(0.8)
    assert cider([one for (one,) in truth], truth) == pytest.approx([10.0] * 4)
    assert tuple_f1([[("circle", c)] for c in colours[1:] + colours[:1]], [[("circle", c)] for c in colours]) == 0


def test_brevity_is_punished_by_the_corpus():
    assert bleu(["a red"], [["a red circle here"]])[1] == pytest.approx(2.718281828 ** (1 - 4 / 2))
    assert bleu(["a red", "a b c d"], [["a red circle"], ["a b c"]])[1] == pytest.approx(5 / 6)  # 6 words for 6


def test_tuple_f1_is_precision_and_recall():
    said, true = [{1, 2, 3}, {7}, ()], [{2, 3, 4, 5}, {7}, {1}]
    precision, recall = 2 / 3, 2 / 4
    assert tuple_f1(said, true) == pytest.approx((2 * precision * recall / (precision + recall) + 1 + 0) / 3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: bleu("a", [["a"]]), TypeError, "candidates must be a list of texts, got 'a'"),
        (lambda: bleu(["a"], ["a"]), TypeError, r"references\[0\] must be a list of texts, got 'a'"),
        (lambda: bleu(["a"], [[]]), ValueError, r"references\[0\] must hold at least one text, got none"),
        (lambda: cider(["a", "b"], [["a"]]), ValueError, "one list for each of the 2 candidates, got 1; put the capt"),
        (
            lambda: cider(["a", " "], [["a"], ["b"]]),
            ValueError,
            "at least one word, got an empty one for image 1; drop",
        ),
        (lambda: tuple_f1([[1]], [[]]), ValueError, "of the 1 images of said, got 1 images, 1 of them without a fact"),
        (lambda: tuple_f1([[1]], []), ValueError, "of the 1 images of said, got 0 images, 0 of them without a fact"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
