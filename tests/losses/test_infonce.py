import math

import pytest
import torch

from comm_lite.losses import cosine, info_nce, nt_xent


def test_cosine_by_hand():
    a = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    b = torch.tensor([[8.0, 6.0], [0.0, -2.0], [-6.0, -8.0]])
    expected = torch.tensor([[0.96, -0.8, -1.0], [0.8, 0.0, -0.6]])
    torch.testing.assert_close(cosine(a, b), expected)


def test_info_nce_of_two_by_hand():
    # cos(q, k) = [[1, 0], [0, -1]]: the second query prefers the wrong key.
    query, key = torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(1))) / 2
    assert info_nce(query, key, temperature=1.0).item() == pytest.approx(expected)


def test_own_similarity_is_no_candidate_of_nt_xent():
    # Two samples at opposite points: the positive is at 1, both negatives at -1; the own similarity, also 1, is out.
    z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert nt_xent(z, z, temperature=1.0).item() == pytest.approx(math.log(1 + 2 * math.exp(-2)))


def test_nt_xent_is_one_tenth_by_default():
    z = torch.eye(4)
    assert nt_xent(z, z).item() == pytest.approx(math.log1p(6 * math.exp(-10)), rel=1e-3)


def test_info_nce_never_claims_more_than_log_n():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(64, 8, generator=generator)
    bound = math.log(64) - info_nce(z, z, temperature=0.01)
    assert math.log(64) - 0.01 < bound <= math.log(64)
