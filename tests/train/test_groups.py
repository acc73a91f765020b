r"""What decays and what Muon trains is said by the owner of a parameter, never guessed from its shape."""

import pytest
import torch
from torch import nn

from comm_lite.nn import ConcatSelfAttention, TextTransformer
from comm_lite.train import TrainConfig, fit, parameter_groups

CONFIG = TrainConfig(lr=1e-3, kernel_lr=0.02, weight_decay=0.3, progress=False)


class Everything(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos, self.cls = nn.Parameter(torch.ones(1, 5, 4)), nn.Parameter(torch.ones(1, 1, 4))
        self.bare = nn.Parameter(torch.ones(4, 4))
        self.table = nn.Embedding(6, 4)
        self.norm, self.batch = nn.LayerNorm((5, 4)), nn.BatchNorm1d(4)
        self.line, self.pair = nn.Linear(4, 4), nn.Bilinear(4, 4, 4)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.apart = nn.MultiheadAttention(4, 2, kdim=3, vdim=2)
        self.gru, self.cell = nn.GRU(4, 4), nn.LSTMCell(4, 4)
        self.conv1, self.conv2, self.conv3 = nn.Conv1d(1, 2, 3), nn.Conv2d(1, 2, 3), nn.Conv3d(1, 2, 3)
        self.up = nn.ConvTranspose2d(1, 2, 3)


def roles(model, config=CONFIG):
    """By parameter name: does it decay, does Muon train it, and its largest rate."""
    names = {id(p): name for name, p in model.named_parameters()}
    found = {}
    for group in parameter_groups(model, config):
        for p in group["params"]:
            assert names[id(p)] not in found
            found[names[id(p)]] = (group["weight_decay"] > 0, group["muon"], group["lr"])
    return found


MATRICES = {
    *("line.weight", "pair.weight", "up.weight", "attention.in_proj_weight", "attention.out_proj.weight"),
    *("apart.q_proj_weight", "apart.k_proj_weight", "apart.v_proj_weight", "apart.out_proj.weight"),
    *("gru.weight_ih_l0", "gru.weight_hh_l0", "cell.weight_ih", "cell.weight_hh"),
}
KERNELS = {"conv1.weight", "conv2.weight", "conv3.weight"}


def test_the_owner_says_what_a_parameter_is():
    found = roles(Everything())
    assert found.keys() == dict(Everything().named_parameters()).keys()
    assert {name for name, (decays, muon, _) in found.items() if muon} == KERNELS
    assert {name for name, (decays, muon, _) in found.items() if decays and not muon} == MATRICES
    assert {rate for name, (_, _, rate) in found.items() if name in KERNELS} == {0.02}
    assert {rate for name, (_, _, rate) in found.items() if name not in KERNELS} == {1e-3}
    without = roles(Everything(), TrainConfig(weight_decay=0.3))
    assert {name for name, (decays, _, _) in without.items() if decays} == MATRICES | KERNELS
    assert not any(muon for _, muon, _ in without.values())


def test_our_own_modules_decay_only_what_they_multiply_by():
    for model in (TextTransformer(9, width=8), ConcatSelfAttention(("a", "b"), dim=8, layers=1, heads=2)):
        found = roles(model)
        assert {"words.weight", "places", "cls"} & found.keys()
        for name, (decays, muon, _) in found.items():
            assert not muon
            assert decays is (name.endswith(".weight") and "norm" not in name and "words" not in name), name


def test_fit_neither_decays_nor_orthogonalises_a_bare_parameter():
    model = Everything()
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(1.0)

    def nothing(model, batch):
        return 0.0 * sum(p.sum() for p in model.parameters())

    fit(model, nothing, [0] * 4, CONFIG)
    for name, p in model.named_parameters():
        assert bool((p < 1).all()) is (name in MATRICES | KERNELS), name


def test_a_module_declares_what_it_knows_better():
    class Mixing(nn.Module):
        parameter_roles = {"mix": "matrix", "filters": "kernel"}

        def __init__(self):
            super().__init__()
            self.mix, self.filters = nn.Parameter(torch.ones(3, 3)), nn.Parameter(torch.ones(4, 2, 5))

    class Gain(nn.Linear):
        parameter_roles = {"weight": "plain"}

    found = roles(nn.ModuleDict({"mixing": Mixing(), "gain": Gain(2, 2)}))
    assert found["mixing.mix"][:2] == (True, False) and found["mixing.filters"][:2] == (True, True)
    assert found["gain.weight"][:2] == (False, False)


def test_a_shared_parameter_stands_once_and_as_its_most_careful_owner_says():
    table, out, conv = nn.Embedding(6, 4), nn.Linear(4, 6, bias=False), nn.Conv1d(1, 2, 3)
    out.weight = table.weight
    found = roles(nn.ModuleDict({"out": out, "table": table, "a": conv, "b": conv}))
    assert found == {
        "out.weight": (False, False, 1e-3),
        "a.weight": (True, True, 0.02),
        "a.bias": (False, False, 1e-3),
    }


def test_the_callers_groups_count():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    scale = nn.Parameter(torch.ones(()))  # beside the model
    before = [p.detach().clone() for p in (*model.parameters(), scale)]
    groups = parameter_groups(model[1], CONFIG) + [{"params": [scale], "lr": 0.5}]

    def step(model, batch):
        return scale * model(batch).square().mean()

    fit(model, step, [torch.ones(4, 2)], TrainConfig(epochs=1, warmup=0.0, progress=False), groups=groups)
    moved = [(now.detach() - then).abs().max() for now, then in zip((*model.parameters(), scale), before, strict=True)]
    assert moved[0] == moved[1] == 0 and 0 < moved[2] < 2e-3 and moved[4] == pytest.approx(0.5, rel=1e-3)


def test_what_is_trained_beside_the_model_is_put_back_too():
    model, scale = nn.Linear(2, 1), nn.Parameter(torch.ones(()))
    groups, seen = [*parameter_groups(model, CONFIG), {"params": [scale], "lr": 0.1}], []

    def step(model, batch):
        seen.append(scale.item())
        loss = scale * model(batch).square().mean()
        return loss * float("nan") if len(seen) == 3 else loss

    with pytest.raises(ValueError, match="those after step 2 of 5"):
        fit(model, step, [torch.ones(4, 2)] * 5, TrainConfig(epochs=1, progress=False), groups=groups)
    assert scale.item() == seen[-1] != seen[0]


def bad(**roles):
    model = nn.Linear(2, 2)
    model.parameter_roles = roles
    return nn.Sequential(model)


LINE = nn.Linear(2, 1)


def fitted(groups):
    fit(LINE, lambda m, x: m(x).mean(), [torch.ones(1, 2)], CONFIG, groups=groups)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: parameter_groups(bad(wieght="matrix"), CONFIG), ValueError, "parameter_roles of 0 must name its own"),
        (
            lambda: parameter_groups(bad(weight="big"), CONFIG),
            ValueError,
            "role of weight in 0 must be one of",
        ),
        (lambda: parameter_groups(bad(bias="kernel"), CONFIG), ValueError, "two axes to be a kernel"),
        (lambda: fitted([LINE.weight]), TypeError, "groups must be dictionaries .* got Parameter at position 0; start"),
        (lambda: fitted([{"params": [LINE.weight]}]), TypeError, "groups must be dictionaries with 'params' and 'lr'"),
        (
            lambda: fitted([{"params": [LINE.weight], "lr": 1.0}] * 2),
            ValueError,
            "each trained parameter once",
        ),
        (
            lambda: fitted([{"params": [nn.Parameter(torch.ones(1), requires_grad=False)], "lr": 1.0}]),
            ValueError,
            "no frozen one, got 1 of which 0 stand twice and 1 are frozen; drop these",
        ),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
