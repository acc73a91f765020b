r"""What each family of readers must find on tables whose information is known."""

import math
from dataclasses import replace

import pytest
import torch

from comm_lite.evaluate import Usable, usable_information
from comm_lite.evaluate.readers import READERS
from comm_lite.info import mutual_information

N = 1600


def coins(*shape, seed=0):
    return torch.randint(2, shape, generator=torch.Generator().manual_seed(seed)).float() * 2 - 1


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


A, B = coins(2, N, 1)
WORLDS = {
    "copy": ((torch.ones(N, 1), A), (A[:, 0] > 0).long()),
    "xor": ((A, B), (A != B).long()[:, 0]),
    "and": ((A, B), ((A > 0) & (B > 0)).long()[:, 0]),
    "independent": ((noise(N, 6), noise(N, 6, seed=1)), (coins(N, seed=2) > 0).long()),
}
FOUND = {}


def found(world, reader):
    if (world, reader) not in FOUND:
        FOUND[world, reader] = usable_information(*WORLDS[world], reader=reader, permutations=99, replicates=200)
    return FOUND[world, reader]


@pytest.mark.parametrize(
    ("world", "bits"),
    [
        ("copy", {"linear": 1, "bilinear": 1, "mlp": 1, "cosine": 1}),
        ("xor", {"linear": 0, "bilinear": 1, "mlp": 1, "cosine": 1}),
        ("independent", {"linear": 0, "bilinear": 0, "mlp": 0, "cosine": 0}),
        ("and", {"linear": 0.811, "bilinear": 0.811, "mlp": 0.811, "cosine": 0.311}),  # cosine tells equal from unequal
    ],
)
def test_known_answers(world, bits):
    for reader in READERS:
        of = found(world, reader)
        assert of.bits == pytest.approx(bits[reader], abs=0.09 if world == "and" else 0.03), of
        assert of.inside_null == (bits[reader] == 0), of
        assert of.low <= of.bits <= of.high and of.accuracy_low <= of.balanced_accuracy <= of.accuracy_high
        if bits[reader] == 1:
            assert of.balanced_accuracy == 1 and of.null < 0


def test_a_larger_family_finds_no_less():
    for world in WORLDS:
        linear, bilinear, mlp = (found(world, reader).bits for reader in ("linear", "bilinear", "mlp"))
        assert bilinear >= linear - 0.03 and mlp >= linear - 0.03


@pytest.mark.parametrize("reader", READERS)
def test_no_family_finds_more_than_there_is(reader):
    # Exact tables of two symbols each, drawn at random: I(Z; Y) bounds what any reader of (z1, z2) finds.
    generator = torch.Generator().manual_seed(3)
    for _ in range(2):
        table = torch.rand(2, 2, 2, generator=generator, dtype=torch.float64) ** 3
        table /= table.sum()
        cells = torch.multinomial(table.flatten(), N, replacement=True, generator=generator)
        one, two, y = cells // 4, cells // 2 % 2, cells % 2
        parts = (2.0 * one[:, None] - 1, 2.0 * two[:, None] - 1)
        of = usable_information(parts, y, reader=reader, replicates=200)
        truth = float(mutual_information(table.reshape(4, 2)))
        assert of.low <= truth, (of, truth)
        if reader in ("bilinear", "mlp"):  # these can say everything about two bits
            assert of.high >= truth and of.bits > 0.3 * truth


def test_bits_are_the_fall_in_cross_entropy_by_hand():
    of, (z, y) = found("xor", "linear"), WORLDS["xor"]
    assert of.bits == pytest.approx(0, abs=1e-3) and of.entropy == pytest.approx(1, abs=0.01)
    z, y = noise(2000, 1), (noise(2000, seed=4) > 1.28).long()  # one in ten, and nothing to see
    rare = usable_information(z, y, reader="linear")
    share = float(y.float().mean())
    assert rare.entropy == pytest.approx(-share * math.log2(share) - (1 - share) * math.log2(1 - share), abs=0.06)
    assert rare.inside_null and rare.chance == 0.5


def test_rare_labels_are_read_at_their_own_frequency():
    # Two Gaussians, one in ten: the optimal reader is logistic, and its information is an integral.
    generator = torch.Generator().manual_seed(0)
    y = (torch.rand(8000, generator=generator) < 0.1).long()
    z = 2.0 * y[:, None] + torch.randn(8000, 1, generator=generator)
    grid = torch.linspace(-8, 10, 4001, dtype=torch.float64)
    density = [weight * torch.exp(-((grid - mean) ** 2) / 2) for weight, mean in ((0.9, 0.0), (0.1, 2.0))]
    joint = torch.stack(density) / torch.stack(density).sum()
    truth = float(mutual_information(joint))
    for reader in ("linear", "mlp"):
        of = usable_information(z[:4000], y[:4000], z[4000:], y[4000:], reader=reader, permutations=19)
        assert of.low - 0.01 < truth < of.high + 0.01 and of.bits > 0.8 * truth
        assert of.balanced_accuracy == pytest.approx(0.841, abs=0.03)  # Phi(1), the threshold of equal classes


def test_the_null_is_exceeded_as_seldom_as_it_says():
    # 60 readings of nothing: 5 % are 3; also where few items carry the rows, in one column or as pairs.
    generator = torch.Generator().manual_seed(0)
    above = {"rows": 0, "items": 0, "pairs": 0}
    item = torch.arange(400) // 10
    for trial in range(60):
        train = (torch.randn(200, 8, generator=generator), torch.arange(200) % 2)
        effect, side = torch.randn(2, 40, 4, generator=generator)
        label = torch.randint(2, (2, 40), generator=generator)
        i, j = torch.randint(40, (2, 600), generator=generator)
        worlds = {
            "rows": (torch.randn(300, 8, generator=generator), torch.arange(300) % 2, None),
            "items": (torch.cat([effect[item], side[item]], 1), label[0, item], item),
            "pairs": (torch.cat([effect[i], side[j]], 1), label[0, i] ^ label[1, j], torch.stack([i, 40 + j], 1)),
        }
        for name, (z, y, items) in worlds.items():
            of = usable_information(*train, z, y, items=items, replicates=100, permutations=99, seed=trial)
            above[name] += not of.inside_null
    assert all(count <= 7 for count in above.values()), above


def test_parts_given_apart_and_one_tensor():
    (one, two), y = WORLDS["xor"]
    train, test = slice(1000), slice(1000, None)
    apart = usable_information((one[train], two[train]), y[train], (one[test], two[test]), y[test], reader="mlp")
    z = torch.cat([one, two], 1)
    joined = usable_information(z[train], y[train], z[test], y[test], reader="mlp")
    assert apart == joined and apart.n_test == apart.n_items == 600
    other = usable_information(z[train], y[train], z[test], y[test], reader="mlp", seed=1)
    assert other != joined and other.bits == pytest.approx(joined.bits, abs=0.03)


def test_held_out_items_are_whole():
    # The label of an item hangs on nothing but its number: known items would be read, new ones cannot be.
    generator = torch.Generator().manual_seed(1)
    items = torch.arange(100).repeat_interleave(8)
    z = torch.randn(100, 60, generator=generator)[items] + 0.05 * torch.randn(800, 60, generator=generator)
    y = torch.randint(2, (100,), generator=generator)[items]
    known, new = (usable_information(z, y, reader="mlp", items=i, permutations=99) for i in (None, items))
    assert not known.inside_null and known.balanced_accuracy > 0.9
    assert new.inside_null and new.n_items == 25


def test_it_prints_and_knows_the_words():
    of = Usable("mlp", 0.31, 0.27, 0.35, 0.01, 1.0, 0.81, 0.78, 0.84, chance=0.5, n_test=900, n_items=900)
    assert str(of).startswith("mlp: 0.310 bits [0.270, 0.350] of 1.000 (null 0.010), balanced accuracy 0.810 [0.780,")
    assert not of.inside_null and replace(of, bits=0.01).inside_null
    assert replace(of, bits=-0.1, null=-2.0).inside_null  # what costs bits is of no use


Z, Y = noise(40, 4), torch.arange(40) % 2


@pytest.mark.parametrize(
    ("arguments", "change", "error", "text"),
    [
        ((Z, Y), {"reader": "forest"}, ValueError, r"reader must be one of \['linear', .*, got 'forest'; choose"),
        ((Z, Y), {"reader": "bilinear"}, ValueError, r"z must be a tuple of two parts for 'bilinear', got one"),
        ((Z, Y), {"reader": "cosine"}, ValueError, r"z must be a tuple of two parts for 'cosine', got one"),
        (([Z], Y), {}, TypeError, r"z must be a tensor or a tuple of two, got list; pass z or \(z1, z2\)"),
        (((Z, Z[:3]), Y), {}, ValueError, r"z\[1\] must have one entry for each of the 40 rows, got shape \(3, 4\)"),
        (((Z, Z[0]), Y), {}, ValueError, r"z\[1\] must have shape \(N, D\), got \(4,\)"),
        (
            ((Z, Z[:, :2]), Y),
            {"reader": "cosine"},
            ValueError,
            r"z\[1\] must have the shape of z\[0\], wanted \(40, 4\)",
        ),
        ((Z, Y, Z), {}, ValueError, "test_z and test_y must come together, got one of them; pass both or neither"),
        ((Z, Y, Z[:, :2], Y), {}, ValueError, "test_z must have the width of train_z, wanted 4, got 2; take both"),
        ((Z, Y, Z, Y * 0), {}, ValueError, r"test_y must hold at least two classes, got only \[0\]; else a constant"),
        ((Z, Y.float()), {}, TypeError, r"labels must hold integers, got torch.float32; call .long\(\) first"),
        ((Z, Y), {"permutations": 9}, ValueError, "permutations must be at least 19, got 9; pass a larger one"),
        ((Z, Y), {"replicates": 9}, ValueError, "replicates must be at least 100, got 9; pass a larger one"),
        ((Z, Y), {"seed": -1}, ValueError, "seed must be at least 0, got -1; pass a larger one"),
    ],
)
def test_what_is_refused(arguments, change, error, text):
    with pytest.raises(error, match=text):
        usable_information(*arguments, **change)
