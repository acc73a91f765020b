"""Every refusal of every loss, by its text, with the name that the caller used."""

import pytest
import torch

from comm_lite.losses import (
    binding_loss,
    binding_terms,
    clip_loss,
    clip_terms,
    cmc_loss,
    cmc_terms,
    comm_loss,
    comm_terms,
    cosine,
    cross_self_loss,
    cross_self_terms,
    info_nce,
    nt_xent,
)

Z = torch.eye(4)

# How to call each with one tensor replaced: name of the argument -> call.
CALLS = {
    "info_nce": ("query", lambda z: info_nce(z, Z, temperature=0.1)),
    "info_nce, second": ("key", lambda z: info_nce(Z, z, temperature=0.1)),
    "nt_xent": ("z1", lambda z: nt_xent(z, Z)),
    "nt_xent, second": ("z2", lambda z: nt_xent(Z, z)),
    "clip_loss": ("text", lambda z: clip_loss(Z, z, logit_scale=10.0)),
    "clip_terms": ("image", lambda z: clip_terms(z, Z, logit_scale=10.0)),
    "binding_loss": (r"embeddings\['b'\]", lambda z: binding_loss({"a": Z, "b": z}, anchor="a")),
    "binding_terms": (r"embeddings\['c'\]", lambda z: binding_terms({"a": Z, "b": Z, "c": z}, anchor="b")),
    "cmc_loss": (r"embeddings\['b'\]", lambda z: cmc_loss({"a": Z, "b": z})),
    "cmc_terms": (r"embeddings\['c'\]", lambda z: cmc_terms({"a": Z, "b": Z, "c": z})),
    "cross_self_loss": ("first_views", lambda z: cross_self_loss(Z, Z, z, Z)),
    "cross_self_terms": ("second_views", lambda z: cross_self_terms(Z, Z, Z, z)),
    "comm_loss": (r"unimodal2\['b'\]", lambda z: comm_loss(Z, Z, {"a": Z, "b": Z}, {"a": Z, "b": z})),
    "comm_terms": (r"unimodal1\['a'\]", lambda z: comm_terms(Z, Z, {"a": z}, {"a": Z})),
    "comm_terms, fused": ("fused2", lambda z: comm_terms(Z, z, {"a": Z}, {"a": Z})),
}
every_call = pytest.mark.parametrize(("name", "call"), CALLS.values(), ids=CALLS)


@every_call
def test_not_a_tensor(name, call):
    with pytest.raises(TypeError, match=rf"{name} must be a torch.Tensor, got list; wrap it with torch.as_tensor"):
        call([[1.0, 0.0], [0.0, 1.0]])


@every_call
def test_whole_numbers(name, call):
    with pytest.raises(TypeError, match=rf"{name} must hold floating-point embeddings, got torch.int64; call .float"):
        call(Z.long())


@every_call
def test_number_of_axes(name, call):
    with pytest.raises(ValueError, match=rf"{name} must have shape \(B, D\), got \(1, 4, 4\); bring it to 2 axes"):
        call(Z[None])


@every_call
def test_another_shape(name, call):
    # If the first tensor is the odd one, the text names the next and wants the first's shape: both are in it.
    with pytest.raises(ValueError, match=rf"({name} must have the shape of|must have the shape of {name}, wanted)"):
        call(Z[:3])
    with pytest.raises(ValueError, match=r"wanted .*, got .*; row i of both must come from the same sample"):
        call(torch.ones(4, 3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@every_call
def test_not_finite(name, call, bad):
    z = Z.clone()
    z[1, 2] = bad
    with pytest.raises(ValueError, match=rf"{name} must be finite, got 1 NaN or infinite of 16 numbers; look for a"):
        call(z)


@every_call
def test_a_row_of_zeros_has_no_direction(name, call):
    z = Z.clone()
    z[2] = 0
    with pytest.raises(ValueError, match=rf"{name} must have a direction in every row, got 1 rows of zeros; cosine"):
        call(z)


ONE = torch.ones(1, 4)
ALONE = {
    "info_nce": lambda: info_nce(ONE, ONE, temperature=0.1),
    "nt_xent": lambda: nt_xent(ONE, ONE),
    "clip_loss": lambda: clip_loss(ONE, ONE, logit_scale=10.0),
    "clip_terms": lambda: clip_terms(ONE, ONE, logit_scale=10.0),
    "binding_loss": lambda: binding_loss({"a": ONE, "b": ONE}, anchor="a"),
    "binding_terms": lambda: binding_terms({"a": ONE, "b": ONE}, anchor="a"),
    "cmc_loss": lambda: cmc_loss({"a": ONE, "b": ONE}),
    "cmc_terms": lambda: cmc_terms({"a": ONE, "b": ONE}),
    "cross_self_loss": lambda: cross_self_loss(ONE, ONE, ONE, ONE),
    "cross_self_terms": lambda: cross_self_terms(ONE, ONE, ONE, ONE),
    "comm_loss": lambda: comm_loss(ONE, ONE, {"a": ONE}, {"a": ONE}),
    "comm_terms": lambda: comm_terms(ONE, ONE, {"a": ONE}, {"a": ONE}),
}


@pytest.mark.parametrize("call", ALONE.values(), ids=ALONE)
def test_a_batch_of_one_has_no_negatives(call):
    with pytest.raises(ValueError, match=r"must hold at least 2 rows, got 1; .* so use a larger batch"):
        call()


WITH_TEMPERATURE = {
    "info_nce": lambda t: info_nce(Z, Z, temperature=t),
    "nt_xent": lambda t: nt_xent(Z, Z, temperature=t),
    "binding_loss": lambda t: binding_loss({"a": Z, "b": Z}, anchor="a", temperature=t),
    "binding_terms": lambda t: binding_terms({"a": Z, "b": Z}, anchor="a", temperature=t),
    "cmc_loss": lambda t: cmc_loss({"a": Z, "b": Z}, temperature=t),
    "cmc_terms": lambda t: cmc_terms({"a": Z, "b": Z}, temperature=t),
    "cross_self_loss": lambda t: cross_self_loss(Z, Z, Z, Z, temperature=t),
    "cross_self_terms": lambda t: cross_self_terms(Z, Z, Z, Z, temperature=t),
    "comm_loss": lambda t: comm_loss(Z, Z, {"a": Z}, {"a": Z}, temperature=t),
    "comm_terms": lambda t: comm_terms(Z, Z, {"a": Z}, {"a": Z}, temperature=t),
}
WITH_SCALE = {
    "clip_loss": lambda s: clip_loss(Z, Z, logit_scale=s),
    "clip_terms": lambda s: clip_terms(Z, Z, logit_scale=s),
}
numbers = pytest.mark.parametrize(
    ("name", "call"),
    [("temperature", call) for call in WITH_TEMPERATURE.values()] + [("logit_scale", c) for c in WITH_SCALE.values()],
    ids=[*WITH_TEMPERATURE, *WITH_SCALE],
)


@numbers
@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan"), float("inf"), torch.tensor(-1.0)])
def test_temperature_is_above_zero(name, call, bad):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number above zero, got .*; pass a value such as"):
        call(bad)


@numbers
@pytest.mark.parametrize("bad", ["0.1", None, True, torch.ones(1)])
def test_temperature_is_one_number(name, call, bad):
    with pytest.raises(TypeError, match=rf"{name} must be a number above zero, got {type(bad).__name__}; pass a float"):
        call(bad)


@pytest.mark.parametrize("loss", [cmc_loss, cmc_terms])
def test_cmc_needs_a_dictionary_of_two(loss):
    with pytest.raises(
        TypeError, match=r"embeddings must be a dictionary from modality name to tensor, got list; pass"
    ):
        loss([Z, Z])
    with pytest.raises(
        ValueError, match=r"embeddings must hold at least 2 modalities, got \['a'\]; add the missing ones"
    ):
        loss({"a": Z})


@pytest.mark.parametrize("loss", [comm_loss, comm_terms])
def test_comm_needs_the_same_modalities_twice(loss):
    with pytest.raises(
        TypeError, match=r"unimodal1 must be a dictionary from modality name to tensor, got Tensor; pass"
    ):
        loss(Z, Z, Z, {"a": Z})
    with pytest.raises(ValueError, match=r"unimodal1 must hold at least 1 modalities, got \[\]; add the missing ones"):
        loss(Z, Z, {}, {})
    with pytest.raises(
        ValueError, match=r"unimodal2 must name the modalities of unimodal1, wanted \['a', 'b'\], got \['a'"
    ):
        loss(Z, Z, {"a": Z, "b": Z}, {"a": Z})
    with pytest.raises(
        ValueError, match=r"unimodal1 must not call a modality 'joint', a name that the terms use; rename"
    ):
        loss(Z, Z, {"joint": Z}, {"joint": Z})


def test_cosine_needs_two_tables():
    with pytest.raises(TypeError, match=r"a must be a torch.Tensor, got list; wrap it with torch.as_tensor"):
        cosine([1.0], Z)
    with pytest.raises(ValueError, match=r"b must have shape \(B, D\), got \(4,\); bring it to 2 axes"):
        cosine(Z, Z[0])
