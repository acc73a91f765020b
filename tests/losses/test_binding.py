"""Binding: which pairs it compares and which it never does."""

import pytest
import torch
from torch.autograd import grad
from torch.testing import assert_close

from comm_lite.losses import binding_loss, binding_terms, cmc_loss, nt_xent


def draw(n=6, width=5, names="abc"):
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(n, width, generator=generator, requires_grad=True) for name in names}


@pytest.mark.parametrize("anchor", ["a", "b", "c"])
def test_binding_is_the_sum_over_the_others(anchor):
    z = draw()
    terms = binding_terms(z, anchor=anchor, temperature=0.3)
    others = [name for name in "abc" if name != anchor]
    assert list(terms) == others
    for name in others:
        assert_close(terms[name], nt_xent(z[name], z[anchor], temperature=0.3))
    assert_close(binding_loss(z, anchor=anchor, temperature=0.3), terms[others[0]] + terms[others[1]])


def test_binding_of_two_is_nt_xent_whichever_is_the_anchor():
    z = draw(names="ab")
    value = nt_xent(z["a"], z["b"])
    assert_close(binding_loss(z, anchor="a"), value)
    assert_close(binding_loss(z, anchor="b"), value)


def test_every_anchor_once_is_every_pair_twice():
    z = draw()
    total = sum(binding_loss(z, anchor=anchor) for anchor in z)
    assert_close(total, 2 * 3 * cmc_loss(z))  # three pairs, and CMC is their mean


def test_the_others_are_never_compared_with_each_other():
    z = draw()
    (slope,) = grad(binding_terms(z, anchor="a")["b"], z["c"], allow_unused=True)
    assert slope is None
    one, two = (grad(binding_loss(dict(z, c=c), anchor="a"), z["b"])[0] for c in (z["c"], z["c"].flip(0)))
    assert torch.equal(one, two)  # whatever the third shows, the second learns nothing of it


def test_the_anchor_is_one_of_them():
    z = draw()
    with pytest.raises(ValueError, match=r"anchor must be one of \['a', 'b', 'c'\], got 'd'; choose one of these"):
        binding_loss(z, anchor="d")
    with pytest.raises(ValueError, match=r"embeddings must hold at least 2 modalities, got \['a'\]; add"):
        binding_terms({"a": z["a"]}, anchor="a")
