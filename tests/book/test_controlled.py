r"""The controlled experiment: every method trains on every kind of pairs, and what must be equal between them is."""

from dataclasses import replace

import pytest
import torch

from comm_lite.book import controlled
from comm_lite.book.controlled import METHODS, SETTINGS, SIDES, TASKS, Recipe, Setting, build, pretrain, probe, run
from comm_lite.data import ImageAugment
from comm_lite.worlds import TrifeaturesConfig, trifeatures

TINY_DATA = TrifeaturesConfig(size=32, train_renders=1, test_renders=1, train_pairs=800, test_pairs=300)
PLAIN = ImageAugment(crop_scale=(0.5, 1.0), blur_chance=0.0)
TINY = replace(
    SETTINGS["smoke"],
    data=TINY_DATA,
    unbiased=Recipe(16, 1, 1e-3, 0.01, augment=PLAIN),
    biased=Recipe(16, 1, 1e-3, 0.01, deep_head=False, augment=PLAIN),
)


@pytest.fixture(scope="module")
def data():
    return trifeatures(TINY_DATA, seed=0)


@pytest.mark.parametrize("pairs", TASKS)
@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_every_method_reaches_every_parameter(method, pairs, data):
    model = build(method, TINY, pairs, seed=0)
    x, y = data.train.batch(slice(0, 100))
    draws = torch.Generator().manual_seed(0)
    loss = METHODS[method](model, lambda unique=False: {s: PLAIN(x[s], generator=draws) for s in SIDES}, y)
    assert loss.ndim == 0 and torch.isfinite(loss)
    loss.backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    untouched = [name for name, p in trained.items() if p.grad is None or not p.grad.any()]
    assert not [name for name in untouched if "bias" not in name], untouched  # a bias before BatchNorm has none


def test_all_methods_start_from_the_same_encoders():
    weights = [build(method, TINY, "unbiased", seed=3).encoders.state_dict() for method in METHODS]
    assert weights[0]
    for other in weights[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build("CoMM", TINY, "biased", seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_run_repeats_to_the_digit_and_another_seed_differs():
    first, again, other = (run("CoMM", TINY, "unbiased", seed=seed, progress=False) for seed in (0, 0, 1))
    assert first.history.loss == again.history.loss != other.history.loss
    assert {t: s.balanced_accuracy for t, s in first.scores.items()} == {
        t: s.balanced_accuracy for t, s in again.scores.items()
    }
    assert first.seconds > sum(first.history.seconds) > 0  # rendering counts


def test_a_biased_run_scores_synergy_with_and_without_weights():
    found = run("Cross", TINY, "biased", progress=False)
    assert sorted(found.scores) == ["S", "S, weighted"]


class Looked(Exception):
    pass


@pytest.mark.parametrize(("method", "biased"), [("SupCon", False), ("CoMM", True)])
def test_supcon_is_not_shown_biased_pairs(method, biased, data, monkeypatch):
    def look(model, view, labels):
        raise Looked(labels["S"].float().mean().item())

    monkeypatch.setitem(controlled.METHODS, method, look)
    with pytest.raises(Looked) as found:
        pretrain(method, TINY, data, "biased", progress=False)
    assert (found.value.args[0] == 1) is biased


def test_validation_combinations_are_scored_only_where_they_were_split_off(data):
    model = build("CoMM", TINY, "unbiased")
    with pytest.raises(ValueError, match=r"must have been split off, got no validation pairs; set validation_comb"):
        probe(model, data, ("R",), part="validation")
    split = trifeatures(replace(TINY_DATA, validation_combinations=160), seed=0)
    found = probe(model, split, ("R",), part="validation")
    assert found["R"].n_items <= 160


def test_contradictions_name_both_fields():
    with pytest.raises(ValueError, match=r"heads must divide dim, got heads=3 and dim=16; choose for example heads=8"):
        Recipe(16, 1, 1e-3, heads=3)
    with pytest.raises(ValueError, match=r"batch=900 and train_pairs=800; change one of the two fields"):
        replace(TINY, batch=900)
    with pytest.raises(ValueError, match="method must be one of"):
        build("SimCLR", TINY, "unbiased")
    with pytest.raises(ValueError, match="tasks must be one of .*got 'U'; choose"):
        probe(None, None, ("R", "U"))
    with pytest.raises(ValueError, match="precision must be one of"):
        probe(None, None, ("R",), precision="half")
    with pytest.raises(ValueError, match="pairs must be one of"):
        build("CoMM", TINY, "skewed")


def test_the_gpu_setting_is_the_papers():
    paper: Setting = SETTINGS["gpu"]
    assert (paper.data.size, paper.data.train_renders, paper.batch, paper.data.train_pairs) == (224, 3, 64, 10_000)
    assert paper.unbiased == paper.biased and paper.unbiased.epochs == 100 and paper.unbiased.kernel_lr is None
    assert paper.unbiased.augment == ImageAugment() and paper.unbiased.weight_decay == 1e-4
