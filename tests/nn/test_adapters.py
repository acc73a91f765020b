import copy
import itertools

import pytest
import torch
from torch import nn

from comm_lite.nn.adapters import GatedCrossAttention, PerceiverResampler, QFormer, last_image, qformer_mask

DIM = 16


def shaken(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():  # away from zeros and ones, so that every parameter shows
            p += 0.2 * torch.randn(p.shape, generator=generator)
    return module


def unreached(module):
    return [name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()]


# --- resampler


def resampler(**options):
    torch.manual_seed(0)
    return shaken(PerceiverResampler(DIM, **{"latents": 3, "layers": 2, "heads": 2} | options))


X = torch.randn(4, 6, DIM, generator=torch.Generator().manual_seed(0))
MASK = torch.arange(6)[None] < torch.tensor([6, 4, 1, 0])[:, None]


def test_without_places_the_order_of_tokens_makes_no_difference_and_with_them_it_does():
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    plain, placed = resampler(), resampler(places=6)
    assert torch.allclose(plain(X[:, order]), plain(X), atol=1e-5)
    assert (placed(X[:, order]) - placed(X)).abs().max() > 1e-2


def test_frames_have_codes_of_time():
    clip = X.view(4, 2, 3, DIM)
    timed, untimed = resampler(frames=5), resampler()
    assert torch.allclose(untimed(clip.flip(1)), untimed(clip), atol=1e-5)
    assert (timed(clip.flip(1)) - timed(clip)).abs().max() > 1e-2
    assert timed(clip).shape == (4, 3, DIM)
    with torch.no_grad():
        timed.frames[:] = 0
    assert torch.allclose(timed(clip), timed(X), atol=1e-6)  # then all frames are one heap of tokens


@pytest.mark.parametrize("options", [{}, {"places": 6}, {"frames": 2, "places": 6}])
def test_padding_and_mates_change_nothing(options):
    module = resampler(**options)
    made = module(X, MASK)
    assert not made[3].any() and made[:3].abs().amax((1, 2)).min() > 0.1
    for filling in (1e6, float("nan")):
        assert torch.equal(module(X.masked_fill(~MASK[:, :, None], filling), MASK), made)
    for row in range(3):
        assert torch.allclose(module(X[row : row + 1], MASK[row : row + 1])[0], made[row], atol=1e-5)
    if not options:
        assert torch.allclose(module(X[1:2, :4])[0], made[1], atol=1e-5)
        assert torch.allclose(module(X, torch.ones_like(MASK)), module(X), atol=1e-6)


def test_gradient_reaches_every_parameter_of_the_resampler():
    module = resampler(frames=2, places=3)
    (module(X.view(4, 2, 3, DIM), MASK.view(4, 2, 3)) * torch.randn(4, 3, DIM)).sum().backward()
    assert unreached(module) == []


def test_latents_are_among_their_own_keys():
    """A layer written out: what is asked is the tokens and the latents together."""
    module = resampler(layers=1).eval()
    ours, z = module.attention[0], module.latents.expand(4, -1, -1)
    theirs = nn.MultiheadAttention(DIM, 2, batch_first=True).eval()
    theirs.in_proj_weight.data = torch.cat([ours.query.weight, ours.key_value.weight])
    theirs.in_proj_bias.data = torch.cat([ours.query.bias, ours.key_value.bias])
    theirs.out_proj = ours.out
    given = ours.norm_given(torch.cat([X, z], 1))
    z = z + theirs(ours.norm_asking(z), given, given)[0]
    assert torch.allclose(module(X), module.norm(z + module.mlp[0](z)), atol=1e-5)


# --- gated cross-attention


IDS = torch.tensor([[5, 9, 6, 9, 7], [5, 5, 9, 5, 5], [5, 5, 5, 5, 5]])  # 9 stands where an image was
TEXT = torch.randn(3, 5, DIM, generator=torch.Generator().manual_seed(1))
PICTURES = torch.randn(3, 2, 4, 6, generator=torch.Generator().manual_seed(2))


def gated(*, opened=True):
    torch.manual_seed(0)
    block = GatedCrossAttention(DIM, heads=2, given=6)
    return shaken(block) if opened else block


def test_at_first_the_block_is_not_there_and_only_its_gates_learn():
    block, text = gated(opened=False), TEXT.clone().requires_grad_()
    made = block(text, PICTURES, last_image(IDS, 9))
    assert torch.equal(made, TEXT)
    model = nn.TransformerEncoderLayer(DIM, 2, 32, 0.0, batch_first=True).eval()
    assert torch.equal(model(made), model(TEXT))
    model(made).square().sum().backward()
    reached = {name for name, p in block.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"gate_attention", "gate_mlp"}
    optimiser = torch.optim.SGD(block.parameters(), lr=0.1)
    before = copy.deepcopy(block.state_dict())
    optimiser.step()
    assert {name for name, value in block.state_dict().items() if not torch.equal(value, before[name])} == reached


def test_gradient_reaches_every_parameter_once_the_gates_are_open():
    block = gated()
    (block(TEXT, PICTURES, last_image(IDS, 9)) * torch.randn(3, 5, DIM)).sum().backward()
    assert unreached(block) == []


def test_a_token_sees_the_last_image_before_it_and_no_other():
    block, last = gated(), last_image(IDS, 9)
    assert last.tolist() == [[0, 1, 1, 2, 2], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]]
    made = block(TEXT, PICTURES, last)
    for image in (0, 1):
        changed = PICTURES.clone()
        changed[:, image] = changed[:, image].flip(-1)
        moved = (block(TEXT, changed, last) - made).abs().amax(2) > 1e-4
        assert torch.equal(moved, last == image + 1)


def test_no_image_gives_no_answer():
    """Before the first image, behind the last one that is there, and where it is masked: as with a closed gate."""
    block = gated()
    shut = copy.deepcopy(block)
    with torch.no_grad():
        shut.gate_attention.zero_()
    closed = shut(TEXT, PICTURES, last_image(IDS, 9))
    for last, mask in ((0, None), (3, None), (2, [[True, False]])):
        seen = None if mask is None else torch.tensor(mask).expand(3, 2)
        made = block(TEXT, PICTURES, torch.full((3, 5), last), seen)
        assert torch.equal(made, closed)
    spoilt = PICTURES.clone()
    spoilt[:, 1] = float("nan")
    assert torch.equal(block(TEXT, spoilt, torch.full((3, 5), 2), torch.tensor([[True, False]]).expand(3, 2)), closed)


# --- Q-Former


WORDS = torch.randn(3, 5, DIM, generator=torch.Generator().manual_seed(3))
SEEN = torch.arange(5)[None] < torch.tensor([5, 3, 0])[:, None]
PATCHES = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(4))


def former(layers=3):
    torch.manual_seed(0)
    return shaken(QFormer(DIM, queries=4, layers=layers, heads=2, given=6))


@pytest.mark.parametrize("mode", ["itc", "itm", "itg"])
def test_masks_are_those_of_the_paper(mode):
    made = qformer_mask(2, 3, mode)
    for row, column in itertools.product(range(5), repeat=2):
        asks_text, sees_text = row >= 2, column >= 2
        wanted = {
            "itc": asks_text == sees_text,
            "itm": True,
            "itg": (not sees_text) or (asks_text and column <= row),
        }[mode]
        assert made[row, column] == wanted, (row, column)


@pytest.mark.parametrize("mode", ["itc", "itm", "itg"])
def test_text_changes_queries_only_where_matching_lets_it(mode):
    module = former()
    queries, words = module(PATCHES, WORDS, mode=mode)
    assert queries.shape == (3, 4, DIM) and words.shape == (3, 5, DIM)
    other, _ = module(PATCHES, WORDS.flip(-1), mode=mode)
    if mode == "itm":
        assert (other - queries).abs().amax((1, 2)).min() > 1e-3
    else:
        assert torch.equal(other, queries)
        assert torch.allclose(module(PATCHES)[0], queries, atol=1e-5)


@pytest.mark.parametrize("mode", ["itc", "itm", "itg"])
def test_who_hears_of_a_changed_word_or_image(mode):
    module = former()
    _, words = module(PATCHES, WORDS, mode=mode)
    for place in range(5):
        changed = WORDS.clone()
        changed[:, place] = changed[:, place].flip(-1)
        moved = (module(PATCHES, changed, mode=mode)[1] - words).abs().amax(2) > 1e-4
        wanted = torch.arange(5) >= (place if mode == "itg" else 0)  # under itg no earlier one hears of a later one
        assert torch.equal(moved, wanted.expand(3, 5))
    moved = (module(PATCHES.flip(-1), WORDS, mode=mode)[1] - words).abs().amax(2) > 1e-4
    assert torch.equal(moved, torch.full((3, 5), mode != "itc"))


@pytest.mark.parametrize("mode", ["itc", "itm", "itg"])
def test_padding_and_mates_change_nothing_in_a_q_former(mode):
    module, mask = former(), torch.arange(7)[None] < torch.tensor([7, 2, 0])[:, None]
    queries, words = module(PATCHES, WORDS, mode=mode, mask=mask, text_mask=SEEN)
    assert not queries[2].any() and not words[~SEEN].any() and words[SEEN].abs().amax(1).min() > 0.1
    spoilt = [PATCHES.masked_fill(~mask[:, :, None], float("nan")), WORDS.masked_fill(~SEEN[:, :, None], float("nan"))]
    again = module(*spoilt, mode=mode, mask=mask, text_mask=SEEN)
    assert torch.equal(again[0], queries) and torch.equal(again[1], words)
    alone = module(PATCHES[1:2, :2], WORDS[1:2, :3], mode=mode)
    assert torch.allclose(alone[0][0], queries[1], atol=1e-5) and torch.allclose(alone[1][0], words[1, :3], atol=1e-5)


def test_gradient_reaches_every_parameter_of_a_q_former():
    module = former()
    queries, words = module(PATCHES, WORDS, mode="itm", text_mask=SEEN)
    ((queries * torch.randn(3, 4, DIM)).sum() + (words * torch.randn(3, 5, DIM)).sum()).backward()
    assert unreached(module) == []
    assert [layer.look is not None for layer in module.layers] == [True, False, True]  # every other one looks


# --- all


@pytest.mark.parametrize(
    "run",
    [
        lambda m: m(resampler())(X, MASK),
        lambda m: m(gated())(TEXT, PICTURES, last_image(IDS, 9)),
        lambda m: m(former())(PATCHES, WORDS, mode="itg", text_mask=SEEN)[1],
    ],
    ids=["resampler", "gated", "q-former"],
)
def test_bfloat16_is_near_float32_and_compiling_changes_nothing(run):
    with torch.no_grad():
        wanted = run(lambda module: module)
        with torch.autocast("cpu", torch.bfloat16):
            made = run(lambda module: module)
        compiled = run(lambda module: torch.compile(module, fullgraph=True, backend="eager"))
    assert (made.float() - wanted).abs().max() < 0.1 * wanted.abs().max()
    assert torch.allclose(compiled, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: PerceiverResampler(DIM, latents=0), ValueError, "latents must be at least 1, got 0"),
        (lambda: PerceiverResampler(DIM, heads=3), ValueError, "heads must divide dim, got heads=3 and dim=16"),
        (lambda: PerceiverResampler(DIM, frames=-1), ValueError, "frames must be at least 0, got -1"),
        (
            lambda: resampler()(torch.rand(2, 6, 8)),
            ValueError,
            r"shape \(B, L, 16\) or .*got \(2, 1, 6, 8\)",
        ),
        (
            lambda: resampler(frames=2)(torch.rand(2, 3, 4, DIM)),
            ValueError,
            "with T up to 2, got .*; project",
        ),
        (lambda: resampler(places=4)(X), ValueError, "x must have 4 places, got .*; build it with places=6"),
        (lambda: resampler()(X, MASK[:, :5]), ValueError, "mask must be boolean with shape"),
        (lambda: last_image(IDS.float(), 9), TypeError, "ids must hold integers"),
        (lambda: last_image(IDS[0], 9), ValueError, r"ids must have shape \(B, L\)"),
        (
            lambda: gated()(TEXT, PICTURES, IDS[:2]),
            ValueError,
            r"last must have shape \(3, 5\) and images as many rows",
        ),
        (lambda: gated()(TEXT, PICTURES[0], IDS), ValueError, r"images must have shape \(B, I, R, C\)"),
        (lambda: qformer_mask(1, 1, "mlm"), ValueError, r"mode must be one of \['itc', 'itm', 'itg'\], got 'mlm'"),
        (lambda: QFormer(DIM, queries=0), ValueError, "queries must be at least 1, got 0"),
        (lambda: former()(PATCHES, WORDS[:2]), ValueError, "text must have one entry for each of the 3 rows"),
        (lambda: former()(PATCHES, WORDS, text_mask=SEEN[:2]), ValueError, "text_mask must be boolean with shape"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
