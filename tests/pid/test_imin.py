import math

import numpy as np
import pytest

from comm_lite.info import mutual_information
from comm_lite.pid import GATES, imin


def by_hand(p):
    """Label by label and symbol by symbol, from conditional probabilities."""
    total = 0.0
    for y in range(p.shape[2]):
        p_y = p[:, :, y].sum()
        tells = []
        for pair in (p.sum(1), p.sum(0)):
            bits = 0.0
            for row in pair:
                if row[y] > 0:
                    bits += row[y] / p_y * math.log2(row[y] / row.sum() / p_y)
            tells.append(bits)
        total += p_y * min(tells)
    return total


@pytest.mark.parametrize("seed", range(5))
def test_against_sums_by_hand(seed):
    p = np.random.default_rng(seed).dirichlet(np.full(24, 0.5)).reshape(3, 2, 4)
    found = imin(p)
    assert found.redundancy == pytest.approx(by_hand(p), abs=1e-12)
    assert found.redundancy + found.unique1 == pytest.approx(mutual_information(p.sum(1)), abs=1e-12)
    assert found.redundancy + found.unique2 == pytest.approx(mutual_information(p.sum(0)), abs=1e-12)
    assert found.total == pytest.approx(mutual_information(p.reshape(6, 4)), abs=1e-12)
    assert min(found.atoms.values()) >= -1e-12 and found.gap == 0


def test_swapping_the_sources_swaps_the_unique_parts():
    p = np.random.default_rng(7).dirichlet(np.ones(12)).reshape(2, 3, 2)
    found, swapped = imin(p), imin(p.transpose(1, 0, 2))
    assert swapped.unique1 == pytest.approx(found.unique2, abs=1e-12) and swapped.total == pytest.approx(found.total)


def test_the_examples_of_williams_and_beer():
    # their Figure 4: three equally likely outcomes of three symbols
    left, right = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    left[0, 0, 0] = left[0, 1, 1] = left[1, 0, 2] = 1 / 3
    assert list(imin(left).atoms.values()) == pytest.approx([math.log2(3) - 1, 1 / 3, 1 / 3, 1 / 3])
    right[0, 0, 0] = right[0, 1, 1] = right[1, 1, 1] = right[1, 0, 2] = 1 / 4
    assert list(imin(right).atoms.values()) == pytest.approx([1 / 2, 0, 1 / 2, 1 / 2])


def test_the_two_bit_copy_is_called_redundant():
    assert list(imin(GATES["UNQ"].p).atoms.values()) == pytest.approx([1, 0, 0, 1])
    assert list(imin(GATES["XOR"].p).atoms.values()) == pytest.approx([0, 0, 0, 1])


def test_symbols_that_never_occur_change_nothing():
    p = np.random.default_rng(3).dirichlet(np.ones(8)).reshape(2, 2, 2)
    padded = np.zeros((4, 3, 3))
    padded[1:3, :2, 1:] = p
    assert imin(padded).atoms == pytest.approx(imin(p).atoms, abs=1e-12)


def test_a_rare_symbol_stays_finite():
    p = np.full((2, 2, 2), 0.25 - 5e-13)
    p[1, :, :] = 1e-12 / 2
    p = p / p.sum()
    assert all(abs(value) < 1e-9 for value in imin(p).atoms.values())
