import dataclasses

import numpy as np
import pytest

from comm_lite.info import mutual_information
from comm_lite.pid.broja import broja
from comm_lite.pid.gates import GATES, additive, combine

ATOMS = ["R", "U1", "U2", "S"]


def informations(p):
    return [mutual_information(table) for table in (p.sum(1), p.sum(0), p.reshape(-1, p.shape[2]))]


def holds(gate, at=1e-10):
    """What one source and both tell is the sum of the atoms that each can reach: no solver is needed for that."""
    atoms = gate.atoms
    wanted = [atoms["R"] + atoms["U1"], atoms["R"] + atoms["U2"], sum(atoms.values())]
    assert informations(gate.p) == pytest.approx(wanted, abs=at)


def test_there_are_gates():
    assert len(GATES) > 20 and {"RDN", "UNQ1", "UNQ2", "UNQ", "XOR", "AND", "PwUnq"} <= set(GATES)


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_a_gate_is_a_distribution_and_its_atoms_add_up(gate):
    assert GATES[gate.name] is gate and gate.p.dtype == np.float64 and gate.p.ndim == 3
    assert gate.p.min() >= 0 and gate.p.sum() == pytest.approx(1, abs=1e-12)
    assert all(gate.p.sum(axis).any(axis=k).all() for axis in range(3) for k in range(2)), "every symbol occurs"
    assert list(gate.atoms) == ATOMS and min(gate.atoms.values()) >= 0
    assert gate.says.endswith((".", "?")) and gate.source
    holds(gate)


def test_a_gate_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        GATES["AND"].p[0, 0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        GATES["AND"].name = "OR"


def test_tables_written_by_hand():
    assert GATES["AND"].p.tolist() == [[[0.25, 0], [0.25, 0]], [[0.25, 0], [0, 0.25]]]
    assert GATES["XOR"].p.tolist() == [[[0.25, 0], [0, 0.25]], [[0, 0.25], [0.25, 0]]]
    assert GATES["RDN"].p.tolist() == [[[0.5, 0], [0, 0]], [[0, 0], [0, 0.5]]]
    blank, one, two = 0, 1, 2
    cases = {(one, blank, 0), (two, blank, 1), (blank, one, 0), (blank, two, 1)}
    assert {tuple(map(int, case)) for case in np.argwhere(GATES["PwUnq"].p)} == cases


def test_swapping_the_sources_swaps_the_unique_parts():
    one, two = GATES["UNQ1"], GATES["UNQ2"]
    assert np.array_equal(one.p.transpose(1, 0, 2), two.p)
    assert one.atoms["U1"] == two.atoms["U2"] == 1


STRENGTHS = [(0, 0, 0, 0), (1, 1, 1, 1), (0.5, 0, 0, 0), (0.3, 0.7, 0.05, 0.9), (1, 0, 1e-3, 0.999)]


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_a_combination_has_the_strengths_asked_for(strengths):
    names = ("redundancy", "unique1", "unique2", "synergy")
    gate = combine(**dict(zip(names, strengths, strict=True)))
    assert gate.p.shape == (8, 8, 16) and list(gate.atoms.values()) == list(strengths)
    holds(gate, at=1e-9)


@pytest.mark.parametrize("strengths", STRENGTHS[1:4])
def test_the_solver_adds_up_over_independent_components(strengths):
    names = ("redundancy", "unique1", "unique2", "synergy")
    gate = combine(**dict(zip(names, strengths, strict=True)))
    found = broja(gate.p)
    assert found.certified
    assert list(found.atoms.values()) == pytest.approx(list(strengths), abs=1e-6)


def test_two_other_independent_gates_add_up_too():
    first, second = GATES["AND"], GATES["Diff"]
    both = np.einsum("abc,def->adbecf", first.p, second.p).reshape(4, 4, 4)
    found = broja(both).atoms
    assert found == pytest.approx({atom: first.atoms[atom] + second.atoms[atom] for atom in ATOMS}, abs=1e-6)


@pytest.mark.parametrize("name", ["redundancy", "unique1", "unique2", "synergy"])
def test_a_component_carries_at_most_one_bit(name):
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0.0, 1.0\], got 1.5; pass a value inside"):
        combine(**{name: 1.5})


@pytest.mark.parametrize("bins", [1, 2, 3, 16, 64])
def test_the_additive_label_against_the_volume_of_each_cell(bins):
    gate = additive(bins)
    holds(gate)
    # each cell by counting a fine grid of ranks: u1 + u2 > 1 is x1 + x2 > 0, as the normal is symmetric
    fine = 40
    ranks = (np.arange(bins * fine) + 0.5) / (bins * fine)
    ones = np.add.outer(ranks, ranks) - 1
    ones = ((np.sign(np.round(ones, 9)) + 1) / 2).reshape(bins, fine, bins, fine).mean((1, 3)) / bins**2
    assert np.allclose(gate.p[:, :, 1], ones, atol=1e-12)


def test_the_additive_label_is_not_pure_synergy():
    found = [additive(bins).atoms["R"] for bins in (2, 8, 32, 128, 512)]
    limit = 1 - 1 / (2 * np.log(2))
    assert all(low < high < limit for low, high in zip(found, found[1:], strict=False))
    assert found[-1] == pytest.approx(limit, abs=1e-5) and additive(512).atoms["S"] == pytest.approx(
        1 - limit, abs=3e-3
    )
    assert broja(additive(8).p).atoms == pytest.approx(additive(8).atoms, abs=1e-6)


def test_the_additive_label_wants_bins():
    with pytest.raises(ValueError, match="bins must be at least 1, got 0; pass a larger one"):
        additive(0)
