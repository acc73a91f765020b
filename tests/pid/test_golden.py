r"""The values that five independent solvers agree on, through ours."""

import json
from pathlib import Path

import numpy as np
import pytest

from comm_lite.info import mutual_information
from comm_lite.pid.broja import broja
from comm_lite.pid.gates import GATES, additive
from comm_lite.pid.gaussian import gain_angle, gaussian_scalar

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text())
NAMES = ("corr_yx1", "corr_yx2", "corr_x1x2")


def joint(how):
    if "gate" in how:
        return GATES[how["gate"]].p
    concentration, shape, seed = how["dirichlet"]
    return np.random.default_rng(seed).dirichlet(np.full(np.prod(shape), concentration)).reshape(shape)


def test_every_gate_has_its_golden_value():
    assert {how["gate"] for how in GOLDEN["distributions"].values() if "gate" in how} == set(GATES)


@pytest.mark.parametrize("name", GOLDEN["distributions"])
def test_the_solver_finds_the_golden_atoms(name):
    how = GOLDEN["distributions"][name]
    found = broja(joint(how))
    assert found.certified and 0 <= found.gap <= 1e-7
    assert list(found.atoms.values()) == pytest.approx(how["atoms"], abs=1e-6)


@pytest.mark.parametrize("name", GOLDEN["distributions"])
def test_what_the_sources_tell(name):
    how = GOLDEN["distributions"][name]
    p = joint(how)
    found = [mutual_information(table) for table in (p.sum(1), p.sum(0), p.reshape(-1, p.shape[2]))]
    assert found == pytest.approx(how["informations"], abs=1e-6)


@pytest.mark.parametrize("case", GOLDEN["gaussian_scalar"])
def test_gaussian_scalar(case):
    found = gaussian_scalar(**dict(zip(NAMES, case["correlations"], strict=True)))
    assert list(found.atoms.values()) == pytest.approx(case["atoms"], abs=1e-8)


@pytest.mark.parametrize("degrees", GOLDEN["gain_angle"])
def test_gain_angle(degrees):
    assert list(gain_angle(float(degrees)).atoms.values()) == pytest.approx(GOLDEN["gain_angle"][degrees], abs=1e-6)


def test_the_additive_label_tends_to_its_limit():
    wanted = GOLDEN["additive"]
    assert additive(2048).atoms["R"] == pytest.approx(wanted["R"], abs=1e-6)
    assert additive(2048).atoms["S"] == pytest.approx(wanted["S"], abs=1e-3)
