"""Six measures on gates whose values are published with three digits, and what they must have in common."""

import numpy as np
import pytest

from comm_lite.info import mutual_information
from comm_lite.pid import GATES, broja, imin, measures

NAMES = ["I_min", "MMI", "BROJA", "I_ccs", "I_dep", "I_pm"]


@pytest.mark.parametrize(
    ("gate", "redundancy"),
    [
        ("AND", [0.311, 0.311, 0.311, 0.104, 0.082, 0.561]),
        ("XOR", [0, 0, 0, 0, 0, 0]),
        ("RDN", [1, 1, 1, 1, 1, 1]),
        ("UNQ", [1, 1, 0, 0, 0, 1]),
        ("PwUnq", [0.5, 0.5, 0.5, 0, 0.25, 0]),
    ],
)
def test_published_values(gate, redundancy):
    found = measures(GATES[gate].p)
    assert list(found) == NAMES
    assert [pid.redundancy for pid in found.values()] == pytest.approx(redundancy, abs=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_what_every_measure_must_keep(seed):
    p = np.random.default_rng(seed).dirichlet(np.full(24, 0.4)).reshape(3, 4, 2)
    for pid in measures(p).values():
        assert pid.redundancy + pid.unique1 == pytest.approx(mutual_information(p.sum(1)), abs=1e-9)
        assert pid.redundancy + pid.unique2 == pytest.approx(mutual_information(p.sum(0)), abs=1e-9)
        assert pid.total == pytest.approx(mutual_information(p.reshape(12, 2)), abs=1e-9)
    assert measures(p)["BROJA"] == broja(p) and measures(p)["I_min"] == imin(p)


def test_swapping_the_sources_swaps_the_unique_parts():
    p = np.random.default_rng(4).dirichlet(np.full(18, 0.5)).reshape(3, 3, 2)
    there, back = measures(p), measures(p.transpose(1, 0, 2))
    for name in NAMES:
        assert back[name].redundancy == pytest.approx(there[name].redundancy, abs=1e-7), name
        assert back[name].unique1 == pytest.approx(there[name].unique2, abs=1e-7), name
