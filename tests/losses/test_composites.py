"""The composite losses: what their terms are, and how the terms make the loss."""

import math

import pytest
import torch
from torch.testing import assert_close

from comm_lite.losses import (
    clip_loss,
    clip_terms,
    cmc_loss,
    cmc_terms,
    comm_loss,
    comm_terms,
    cross_self_loss,
    cross_self_terms,
    info_nce,
    nt_xent,
)


def draw(count, n=6, width=5):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, width, generator=generator) for _ in range(count)]


def test_clip_is_the_mean_of_its_directions():
    image, text = draw(2)
    terms = clip_terms(image, text, logit_scale=4.0)
    assert list(terms) == ["image_to_text", "text_to_image"]
    assert_close(terms["image_to_text"], info_nce(image, text, temperature=0.25))
    assert_close(terms["text_to_image"], info_nce(text, image, temperature=0.25))
    assert terms["image_to_text"] != terms["text_to_image"]
    assert_close(clip_loss(image, text, logit_scale=4.0), (terms["image_to_text"] + terms["text_to_image"]) / 2)


def test_clip_scale_is_learnt_through_its_logarithm():
    image, text = draw(2)
    log_scale = torch.tensor(math.log(1 / 0.07), requires_grad=True)
    loss = clip_loss(image, text, logit_scale=log_scale.exp())
    assert_close(loss, clip_loss(image, text, logit_scale=1 / 0.07))
    loss.backward()
    step = 1e-2
    ahead, back = (clip_loss(image, text, logit_scale=math.exp(log_scale.item() + s)) for s in (step, -step))
    assert log_scale.grad.item() == pytest.approx((ahead - back).item() / (2 * step), rel=1e-3)


def test_cmc_is_the_mean_over_pairs():
    a, b, c = draw(3)
    terms = cmc_terms({"a": a, "b": b, "c": c}, temperature=0.3)
    expected = {
        ("a", "b"): nt_xent(a, b, temperature=0.3),
        ("a", "c"): nt_xent(a, c, temperature=0.3),
        ("b", "c"): nt_xent(b, c, temperature=0.3),
    }
    assert_close(terms, expected)
    assert_close(cmc_loss({"a": a, "b": b, "c": c}, temperature=0.3), sum(expected.values()) / 3)


def test_cmc_of_two_is_nt_xent():
    a, b = draw(2)
    assert cmc_loss({"a": a, "b": b}) == nt_xent(a, b)


def test_cross_self_is_the_sum_of_its_terms():
    first, second, first_views, second_views = draw(4)
    terms = cross_self_terms(first, second, first_views, second_views)
    expected = {
        "cross": nt_xent(first, second),
        "first": nt_xent(first, first_views),
        "second": nt_xent(second, second_views),
    }
    assert_close(terms, expected)
    assert_close(cross_self_loss(first, second, first_views, second_views), sum(expected.values()))


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
def test_comm_is_the_sum_of_its_terms(names):
    fused1, fused2, *rest = draw(2 + 2 * len(names))
    one, two = dict(zip(names, rest, strict=False)), dict(zip(names, rest[len(names) :], strict=True))
    terms = comm_terms(fused1, fused2, one, two, temperature=0.2)
    assert list(terms) == ["joint", *names]
    assert terms["joint"] == nt_xent(fused1, fused2, temperature=0.2)
    for name in names:
        crossed = nt_xent(one[name], fused2, temperature=0.2) + nt_xent(two[name], fused1, temperature=0.2)
        assert_close(terms[name], crossed / 2)
    assert_close(comm_loss(fused1, fused2, one, two, temperature=0.2), sum(terms.values()))


def test_comm_finds_the_second_view_by_name_not_by_place():
    fused1, fused2, a1, b1, a2, b2 = draw(6)
    value = comm_loss(fused1, fused2, {"a": a1, "b": b1}, {"a": a2, "b": b2})
    assert_close(comm_loss(fused1, fused2, {"a": a1, "b": b1}, {"b": b2, "a": a2}), value)
