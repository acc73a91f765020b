"""Every subset of the modalities: what each should tell is planted, so the scores are known."""

import pytest
import torch
from torch import nn

from comm_lite.evaluate import linear_probe, present, probe_subsets, subsets
from comm_lite.models import CoMM, TwoTower
from comm_lite.nn import ConcatSelfAttention, TokenConverter

NAMES = ["a", "b", "c"]


def samples(n, seed):
    """a and c tell the label "sign", b tells nothing."""
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    x = {name: torch.randn(n, 2, generator=g) for name in NAMES}
    for name in "ac":
        x[name][:, 0] = 20.0 * y + x[name][:, 0]
    return x, {"sign": y, "coin": torch.randint(2, (n,), generator=g)}


def batches(n, seed):
    x, y = samples(n, seed)
    return [
        ({k: v[rows] for k, v in x.items()}, {k: v[rows] for k, v in y.items()}) for rows in torch.arange(n).split(33)
    ]


def towers():
    torch.manual_seed(0)
    return TwoTower(*[{n: make() for n in NAMES} for make in (nn.Identity, lambda: TokenConverter(2, 4), nn.Identity)])


def comm():
    torch.manual_seed(0)
    encoders, converters = ({n: make() for n in NAMES} for make in (nn.Identity, lambda: TokenConverter(2, 8)))
    return CoMM(encoders, converters, ConcatSelfAttention(NAMES, dim=8, heads=2), nn.Identity())


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_subsets_are_the_binary_numbers_from_one(count):
    names = list("abcde"[:count])
    found = subsets(names)
    numbers = [sum(2 ** names.index(name) for name in kept) for kept in found]
    assert sorted(numbers) == list(range(1, 2**count))
    assert [len(kept) for kept in found] == sorted(len(kept) for kept in found)
    assert found[-1] == tuple(names) and all(list(kept) == sorted(kept) for kept in found)


def test_subsets_refuses_a_name_twice_and_one_text():
    with pytest.raises(ValueError, match=r"modalities must differ, got \['a', 'a'\]; name each of them once"):
        subsets(["a", "a"])
    with pytest.raises(TypeError, match=r"modalities must be a list of texts"):
        subsets("abc")


def test_present_takes_masks_along_and_copies_nothing():
    x = {"a": torch.zeros(2, 3), "a_mask": torch.ones(2, 3).bool(), "b": torch.zeros(2)}
    assert list(present(x, ["a"])) == ["a", "a_mask"] and present(x, ("b",))["b"] is x["b"]
    with pytest.raises(ValueError, match=r"keep must name only \['a', 'b'\], got unknown \['c'\]; drop or rename"):
        present(x, ["c"])
    with pytest.raises(ValueError, match=r"keep must hold at least one text"):
        present(x, [])


@pytest.mark.parametrize("make", [towers, comm])
def test_a_refitted_probe_reads_what_the_subset_tells(make):
    scores = probe_subsets(
        make(), batches(198, 1), batches(132, 2), modalities=NAMES, tasks=["sign", "coin"], replicates=100
    )
    assert list(scores) == ["sign", "coin"] and list(scores["sign"]) == subsets(NAMES)
    for keep, score in scores["sign"].items():
        assert score.balanced_accuracy > 0.95 if set(keep) & {"a", "c"} else score.balanced_accuracy < 0.65, keep
    assert all(score.balanced_accuracy < 0.65 for score in scores["coin"].values())


def test_without_refitting_the_full_probe_is_used_as_it_is():
    model, train, test = comm(), batches(198, 1), batches(132, 2)
    scores = probe_subsets(model, train, test, modalities=NAMES, tasks=["sign"], refit=False, replicates=100)["sign"]
    x, y = samples(198, 1)
    new, answer = samples(132, 2)
    with torch.no_grad():
        for keep in (("b",), ("a", "b"), ("a", "b", "c")):
            left = {name: new[name] for name in keep}
            by_hand = linear_probe(model(x), y["sign"], model(left), answer["sign"], replicates=100)
            assert scores[keep].balanced_accuracy == pytest.approx(by_hand.balanced_accuracy)


def test_towers_fill_what_is_missing_with_its_mean():
    model, train, test = towers(), batches(198, 1), batches(132, 2)
    scores = probe_subsets(model, train, test, modalities=NAMES, tasks=["sign"], refit=False, replicates=100)["sign"]
    x, y = samples(198, 1)
    new, answer = samples(132, 2)
    with torch.no_grad():
        z, new_z = model(x), model(new)
    new_z[:, 4:8] = z[:, 4:8].mean(0)  # b, the middle one, is gone
    by_hand = linear_probe(z, y["sign"], new_z, answer["sign"], replicates=100)
    assert (
        scores["a", "c"].balanced_accuracy == pytest.approx(by_hand.balanced_accuracy)
        and by_hand.balanced_accuracy > 0.95
    )
    assert scores[("b",)].balanced_accuracy == 0.5 or scores[("b",)].balanced_accuracy < 0.65


def test_an_unknown_task_and_no_task():
    model, data = comm(), batches(66, 1)
    with pytest.raises(ValueError, match=r"tasks must name only \['sign', 'coin'\], got unknown \['age'\]; drop"):
        probe_subsets(model, data, data, modalities=NAMES, tasks=["age"])
    with pytest.raises(TypeError, match=r"tasks must be a list of texts"):
        probe_subsets(model, data, data, modalities=NAMES, tasks="sign")
