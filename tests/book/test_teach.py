import doctest
import functools
import math
import subprocess
import sys
from typing import NamedTuple

import pytest
import torch

import comm_lite.book.same
from comm_lite.book import teach

# ---------------------------------------------------------------- record


class Shell:
    """Stands in for IPython: keeps what is displayed."""

    def __init__(self, cells=()):
        self.display_pub, self.shown, self.user_ns = self, [], {"In": ["", *cells]}

    def publish(self, data, metadata):
        self.shown.append((data, metadata))


@pytest.fixture
def shell(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(teach, "_shell", lambda: shell)
    return shell


def test_record_writes_what_glue_and_the_tests_read(shell):
    teach.record("accuracy", 71.6, format=".2f")
    (data, metadata), prefix = shell.shown[0], "application/papermill.record/"
    assert metadata == {"scrapbook": {"name": "accuracy", "mime_prefix": prefix}}
    assert data[prefix + "text/plain"] == "'71.60'"  # quoted, so that the last zero survives glue
    assert data["application/vnd.comm-lite.record+json"] == 71.6


@pytest.mark.parametrize("value", [1, True, 2.5, "word", [1, [2.0, "x"]], {"a": {"b": [1]}}, (1, 2)])
def test_record_takes_plain_values_and_is_silent_outside_a_notebook(value, capsys):
    assert teach.record("x", value) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["", "1st", "two words", "a:b", "ä", 3, None])
def test_record_refuses_a_name_that_prose_cannot_name(name):
    with pytest.raises(ValueError, match="name must begin with a letter"):
        teach.record(name, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf], {"a": [math.nan]}])
def test_record_refuses_what_is_not_finite(value, shell):
    with pytest.raises(ValueError, match="x.* must be finite, got -?(nan|inf); find where it came from"):
        teach.record("x", value)
    assert shell.shown == []


@pytest.mark.parametrize("value", [torch.ones(2), None, {1, 2}, [torch.ones(())], object()])
def test_record_refuses_what_is_not_json(value):
    with pytest.raises(TypeError, match=r"must be a number, string, list or dict, got .*\.item\(\) or \.tolist\(\)"):
        teach.record("x", value)


def test_record_refuses_keys_that_json_would_change():
    with pytest.raises(TypeError, match="keys of x must be strings, got 1; write '1'"):
        teach.record("x", {1: 2})


@pytest.mark.parametrize("value", ["a", [1.0], True])
def test_record_formats_numbers_only(value):
    with pytest.raises(TypeError, match="format is for one number, got"):
        teach.record("x", value, format=".1f")


# ---------------------------------------------------------------- show_source


def documented(x):
    """Double.

    Twice as much.
    """

    def inner(y):
        """Inner."""
        return y + y

    return inner(x)


class OnlyDocumented:
    """Nothing else."""


def wrapper(function):
    @functools.wraps(function)
    def wrapped(*args):
        return function(*args)

    return wrapped


def test_show_source_prints_file_line_and_code_without_docstrings(capsys):
    teach.show_source(documented)
    first = documented.__code__.co_firstlineno
    assert capsys.readouterr().out == (
        f"# tests/book/test_teach.py:{first}\n"
        "def documented(x):\n    def inner(y):\n        return y + y\n\n    return inner(x)\n"
    )


def test_show_source_of_the_package_names_its_file(capsys):
    teach.show_source(teach.Settings.__setattr__)
    out = capsys.readouterr().out
    assert out.startswith("# comm_lite/book/teach.py:") and "\ndef __setattr__(" in out  # dedented


def test_show_source_sees_through_a_wrapper_and_keeps_a_lone_docstring(capsys):
    teach.show_source(wrapper(documented))
    assert "def documented(x):" in capsys.readouterr().out
    teach.show_source(OnlyDocumented)
    assert '"""Nothing else."""' in capsys.readouterr().out


def test_show_source_displays_highlighted_code_in_a_notebook(shell, monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    teach.show_source(documented)
    assert shown[0].language == "python" and "Twice as much" not in shown[0].data
    assert 'class="highlight"' in shown[0]._repr_html_()


@pytest.mark.parametrize("obj", [len, torch.exp, 3, torch.nn.Linear(1, 1), math])
def test_show_source_refuses_what_has_no_python_source(obj):
    with pytest.raises(TypeError, match="obj must be a function, method or class written in Python, got"):
        teach.show_source(obj)


# ---------------------------------------------------------------- assert_same

X = torch.arange(1.0, 7.0).reshape(2, 3)


def mean_square(x):
    return (x * x).mean()


def test_assert_same_returns_the_largest_difference_and_says_so(capsys):
    assert teach.assert_same(lambda x: (x * x).sum() / 6, mean_square, (X,)) < 1e-6
    assert "Same: 1 value and 1 gradient agree (largest difference" in capsys.readouterr().out
    assert X.grad is None and not X.requires_grad  # the caller's tensors are left alone


def test_assert_same_takes_names_and_nested_tensors(capsys):
    inputs = {"views": {"image": X, "text": [X + 1]}, "temperature": 0.5, "labels": torch.tensor([0, 1])}

    def naive(views, temperature, labels):
        return {"a": (views["image"] * views["text"][0]).sum() / temperature, "b": [labels.sum()]}

    assert teach.assert_same(naive, naive, inputs) == 0.0
    assert "2 values and 2 gradients agree" in capsys.readouterr().out


def test_assert_same_keeps_dtype():
    def check(x):
        assert x.dtype == torch.float64
        return x.sum()

    teach.assert_same(check, check, (X.double(),))


@pytest.mark.parametrize(
    ("mine", "hint"),
    [
        (lambda x: (x * x).sum(), "6 times ours everywhere: a factor is missing or too much"),
        (lambda x: (x * x).sum(1).mean(), "3 times ours everywhere: a sum over an axis of size 3 where a mean"),
        (lambda x: (x * x).mean() / 3, "0.333333 times ours everywhere: a mean over an axis of size 3 where a sum"),
        (lambda x: -(x * x).mean(), "-1 times ours everywhere: the sign is turned"),
        (lambda x: (x * x).mean() / math.log(2), "1.4427 times ours everywhere: nats and bits are mixed"),
        (lambda x: (x * x).mean() * math.inf, "Mine is not finite: stay in log space"),
        (lambda x: (x * x).mean() * math.nan, "Mine is not finite: stay in log space"),
    ],
)
def test_assert_same_says_what_a_difference_may_come_from(mine, hint):
    with pytest.raises(AssertionError, match="value: mine and ours differ in 1 of 1 numbers") as caught:
        teach.assert_same(mine, mean_square, (X,))
    assert hint in str(caught.value)


def test_assert_same_says_where_and_by_how_much():
    def wrong_in_one_place(x):
        return x + torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]])

    with pytest.raises(
        AssertionError, match=r"differ in 1 of 6 numbers, most at \[1, 1\]: mine 5.5, ours 5, difference 0.5"
    ):
        teach.assert_same(wrong_in_one_place, lambda x: x * 1, (X,))


def test_assert_same_names_a_constant():
    with pytest.raises(AssertionError, match=r"Mine is ours \+0.5 everywhere: a constant"):
        teach.assert_same(lambda x: x + 0.5, lambda x: x * 1, (X,))


def test_assert_same_finds_a_wrong_gradient_behind_a_right_value():
    with pytest.raises(AssertionError, match="gradient by argument 1: mine and ours differ in 6 of 6"):
        teach.assert_same(lambda x: (x * x.detach()).mean(), mean_square, (X,))
    assert teach.assert_same(lambda x: (x * x.detach()).mean(), mean_square, (X,), grad=False) == 0.0


def test_assert_same_finds_gradient_errors_that_cancel_in_a_plain_sum():
    def swapped(x):  # value of x, gradient that a sum of the outputs cannot tell from x's
        return x + x.flip(0) - x.flip(0).detach() - (x - x.detach())

    with pytest.raises(AssertionError, match="gradient by argument 1"):
        teach.assert_same(swapped, lambda x: x * 1, (X,))


@pytest.mark.parametrize(
    ("mine", "ours", "which"),
    [
        (lambda x: mean_square(x).item(), mean_square, "mine"),
        (mean_square, lambda x: mean_square(x).detach(), "ours"),
    ],
)
def test_assert_same_says_who_lost_the_gradient(mine, ours, which):
    with pytest.raises(AssertionError, match=rf"the values agree, but {which} has no gradient: look for .item\(\)"):
        teach.assert_same(mine, ours, (X,))


def test_assert_same_lets_a_result_depend_on_a_parameter_where_no_input_has_a_gradient():
    weight = torch.ones(3, requires_grad=True)
    for grad in (True, False):
        assert teach.assert_same(lambda n: (weight * n).sum(), lambda n: 3.0 * n, (2,), grad=grad) == 0.0


def test_assert_same_lets_equal_infinities_pass_but_no_nan():
    infinite = lambda x: torch.stack([x.sum(), x.sum() / 0])  # noqa: E731
    assert teach.assert_same(infinite, infinite, (X,), grad=False) == 0.0
    with pytest.raises(AssertionError, match="Ours is not finite either: look at the inputs"):
        teach.assert_same(lambda x: x * math.nan, lambda x: x * math.nan, (X,))


def test_assert_same_compares_shapes_and_names():
    with pytest.raises(AssertionError, match=r"value: mine has shape \(2,\), ours \(3,\)"):
        teach.assert_same(lambda x: x.sum(1), lambda x: x.sum(0), (X,))
    with pytest.raises(AssertionError, match=r"mine returns \['a'\], ours returns \['b'\]"):
        teach.assert_same(lambda x: {"a": x.sum()}, lambda x: {"b": x.sum()}, (X,))


def test_assert_same_refuses_to_compare_nothing():
    with pytest.raises(TypeError, match="mine must return a number, a tensor, or a dict or list of them, got NoneType"):
        teach.assert_same(lambda x: None, mean_square, (X,))
    with pytest.raises(TypeError, match=r"inputs must be a dict or a tuple, got Tensor; write \(x,\)"):
        teach.assert_same(mean_square, mean_square, X)
    with pytest.raises(ValueError, match="rtol must lie in"):
        teach.assert_same(mean_square, mean_square, (X,), rtol=-1.0)


# ---------------------------------------------------------------- assert_same with known mistakes

MISTAKES = {
    "You summed.": lambda x: (x * x).sum(),
    "You forgot the square.": lambda x: x.mean(),
    "You took a square root of a negative number.": lambda x: (-x).sqrt().mean(),  # NaN, recognised as such
    "You cut the gradient.": lambda x: (x * x.detach()).mean(),  # right in value
}


@pytest.mark.parametrize("hint", MISTAKES)
def test_assert_same_recognises_each_known_mistake(hint):
    for again in (MISTAKES[hint], lambda *args: MISTAKES[hint](*args) * 1):
        with pytest.raises(AssertionError) as caught:
            teach.assert_same(again, mean_square, (X,), mistakes=MISTAKES)
        first, *rest = str(caught.value).splitlines()
        assert first == hint and len(rest) == 1  # and then what would have been said without the hint
        with pytest.raises(AssertionError) as plain:
            teach.assert_same(again, mean_square, (X,))
        assert rest == [f"In numbers: {plain.value}"]


@pytest.mark.parametrize("unknown", [lambda x: (x * x).sum(1).mean(), lambda x: x * x, lambda x: {"a": x.mean()}])
def test_assert_same_says_of_an_unknown_mistake_what_it_always_says(unknown):
    said = []
    for mistakes in (None, MISTAKES):
        with pytest.raises(AssertionError) as caught:
            teach.assert_same(unknown, mean_square, (X,), mistakes=mistakes)
        said.append(str(caught.value))
    assert said[0] == said[1] and not any(hint in said[1] for hint in MISTAKES)


def test_assert_same_lets_a_right_answer_pass_beside_the_mistakes(capsys):
    assert teach.assert_same(lambda x: (x * x).sum() / 6, mean_square, (X,), mistakes=MISTAKES) < 1e-6
    out = capsys.readouterr().out
    assert out.startswith("Same: ") and not any(hint in out for hint in MISTAKES)


@pytest.mark.parametrize(
    ("wrong", "like"),
    [
        ({"You summed.": lambda x: (x * x).sum() / 6}, "ours"),
        ({"You summed.": lambda x: x.sum(), "You cubed.": lambda x: 6 * x.mean()}, "You summed."),
    ],
)
def test_assert_same_refuses_a_mistake_that_the_inputs_do_not_show(wrong, like):
    with pytest.raises(ValueError, match=rf"mistakes must differ from ours .*, got .* like '{like}'; choose inputs"):
        teach.assert_same(mean_square, mean_square, (X,), mistakes=wrong)


def test_assert_same_calls_every_mistake_though_the_answer_is_right():
    with pytest.raises(TypeError, match="the mistake 'You forgot to return.' must return a number"):
        teach.assert_same(mean_square, mean_square, (X,), mistakes={"You forgot to return.": lambda x: None})
    with pytest.raises(TypeError, match="mistakes must be a dict from hint to function, got list"):
        teach.assert_same(mean_square, mean_square, (X,), mistakes=[mean_square])


# ---------------------------------------------------------------- settings

THREE = {"smoke": {"epochs": 1}, "laptop": {"epochs": 24}, "gpu": {"epochs": 100}}


@pytest.mark.parametrize("profile", THREE)
def test_settings_are_those_of_the_profile(profile):
    chosen = teach.settings(profile, **THREE)
    assert chosen.profile == profile and chosen.epochs == THREE[profile]["epochs"]


def test_settings_cannot_be_changed():
    chosen = teach.settings("smoke", **THREE)
    with pytest.raises(AttributeError, match="settings are fixed for a run, so epochs cannot be set"):
        chosen.epochs = 2
    with pytest.raises(AttributeError, match="settings are fixed"):
        del chosen.epochs
    assert chosen.epochs == 1


@pytest.mark.parametrize("profile", ["", "Smoke", "fast", None])
def test_settings_names_the_profiles(profile):
    with pytest.raises(ValueError, match=r"profile must be one of \['smoke', 'laptop', 'gpu'\], got"):
        teach.settings(profile, **THREE)


def test_settings_names_the_keys_that_differ():
    with pytest.raises(ValueError, match=r"\{'smoke': \['width'\], 'laptop': \['width'\]\} are missing"):
        teach.settings("smoke", **{**THREE, "gpu": {"epochs": 1, "width": 2}})
    with pytest.raises(ValueError, match="profile is the name of the profile itself"):
        teach.settings("smoke", smoke={"profile": 1}, laptop={"profile": 1}, gpu={"profile": 1})


def test_settings_refuses_a_parameter_that_the_chapter_does_not_have(shell):
    own = "import os\nprofile = 'laptop'\nseed = 0\n"
    shell.user_ns["In"] = ["", own, '# Parameters\nprofile = "smoke"\nseed = 1\n', "settings(...)"]
    assert teach.settings("smoke", **THREE).epochs == 1
    shell.user_ns["In"][2] = '# Parameters\nprofle = "smoke"\n'
    with pytest.raises(ValueError, match=r"unknown parameter \['profle'\]; this chapter takes \['profile', 'seed'\]"):
        teach.settings("laptop", **THREE)


# ---------------------------------------------------------------- the module itself


@pytest.mark.parametrize("module", [teach, comm_lite.book.same])
def test_examples_in_docstrings_run(module):
    tried = doctest.testmod(module)
    assert tried.attempted > 0 and tried.failed == 0


def test_importing_the_package_loads_no_plots_no_notebook_and_no_scikit_learn():
    heavy = ["matplotlib", "plotly", "sklearn", "transformers", "IPython", "scipy", "ipywidgets"]
    code = f"import sys, comm_lite, comm_lite.book.teach; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# ---------------------------------------------------------------- kinds of results


class Parts(NamedTuple):
    first: torch.Tensor
    second: list


def test_assert_same_tells_a_complex_number_from_its_conjugate():
    z = torch.tensor([1.0 + 2.0j, 3.0 - 1.0j])
    for grad in (False, True):
        with pytest.raises(AssertionError, match="differ in 2 of 2 numbers.* Mine is the complex conjugate of ours"):
            teach.assert_same(lambda z: z.conj(), lambda z: z * 1, (z,), grad=grad)
        assert teach.assert_same(lambda z: z * 2, lambda z: z + z, (z,), grad=grad) == 0.0
    with pytest.raises(AssertionError, match="gradient by argument 1: mine and ours differ"):
        teach.assert_same(lambda z: z + z.imag.detach() * 1j - z.imag * 1j, lambda z: z * 1, (z,))
    mirrored = {"You conjugated.": lambda z: z.conj()}
    with pytest.raises(AssertionError, match="^You conjugated."):
        teach.assert_same(lambda z: z.conj(), lambda z: z * 1, (z,), grad=False, mistakes=mirrored)
    with pytest.raises(AssertionError, match=r"mine 0\+1j, ours 1\+0j"):
        teach.assert_same(lambda: 1j, lambda: 1.0, ())


def test_assert_same_takes_dicts_in_any_order(capsys):
    def one(x):
        return {"a": (x * x).sum(1), "b": {"d": x.exp(), "c": x.sum()}}

    def other(x):
        return {"b": {"c": x.sum(), "d": x.exp()}, "a": (x * x).sum(1)}

    assert teach.assert_same(one, other, (X,)) < 1e-4  # sums in another order
    assert "3 values and 1 gradient agree" in capsys.readouterr().out
    with pytest.raises(AssertionError, match=r"value\['a'\]"):
        teach.assert_same(one, lambda x: other(x) | {"a": x.sum(1)}, (X,))


def test_assert_same_takes_named_tuples(capsys):
    def total(parts):
        return Parts(parts.first.sum(), [parts.second[0] * 2])

    assert teach.assert_same(total, total, {"parts": Parts(X, [X + 1])}) == 0.0
    assert teach.assert_same(lambda first, second: first + second[0], lambda *p: p[0] + p[1][0], Parts(X, [X])) == 0.0
    assert teach.assert_same(lambda found: found.values, lambda found: found[0], (X.max(dim=1),)) == 0.0
    assert "2 values and 2 gradients agree" in capsys.readouterr().out
