import math

import pytest
import torch
from torch import Tensor

from comm_lite.worlds import (
    COLOURS,
    SHAPES,
    TEXTURES,
    Images,
    TrifeaturesConfig,
    combinations,
    pair_up,
    render,
    trifeatures,
)

BOX = 128 / 224
GREY = 128
SMALL = TrifeaturesConfig(size=16, train_renders=2, test_renders=2, train_pairs=2_000, test_pairs=2_000)
PAPER = TrifeaturesConfig(
    size=16, train_renders=3, test_renders=1, train_pairs=10_000, test_pairs=None, self_pairs=True
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(shape, texture, colour, count=1, *, size=64, period=10.0, seed=0):
    """``count`` images of one combination, in float; places and angles depend on seed and count only."""
    row = torch.tensor([SHAPES.index(shape), TEXTURES.index(texture), list(COLOURS).index(colour)])
    factors = row.expand(count, 3).contiguous()
    return render(factors, size=size, texture_period=period, generator=seeded(seed)).double()


def coverage(images):
    """The m of white images: from 128, the grey of the canvas, to 255."""
    return (images[:, 0] - GREY) / (255 - GREY)


@pytest.fixture(scope="module")
def data():
    return trifeatures(SMALL, seed=0)


@pytest.fixture(scope="module")
def paper():
    return trifeatures(PAPER, seed=0)


def combinations_of(pairs):
    return {tuple(row) for row in pairs.images.factors.tolist()}


# --- what is drawn


def test_names_are_those_of_the_paper():
    assert SHAPES == tuple("triangle square plus circle tee rhombus pentagon star fivesquare trapezoid".split())
    assert TEXTURES == tuple("solid stripes grid hexgrid dots noise triangles zigzags rain pluses".split())
    assert COLOURS["ocean"] == (0.1, 0.4, 0.5)
    assert COLOURS["pink"] == (1.0, 0.4, 1.0)
    assert len(COLOURS) == len(set(COLOURS.values())) == 10


@pytest.mark.parametrize("size", [16, 48, 64, 224])
def test_images_have_the_size_asked_for(size):
    images = render(combinations()[::100], size=size, generator=seeded())
    assert images.shape == (10, 3, size, size)
    assert images.dtype == torch.uint8
    assert (images != GREY).any(dim=3).any(dim=2).any(dim=1).all()


@pytest.mark.parametrize("colour", COLOURS)
def test_a_pixel_is_grey_outside_and_the_full_colour_inside(colour):
    image = draw("circle", "solid", colour, 4, size=64)
    outside = coverage(draw("circle", "solid", "white", 4, size=64)) == 0
    inside = coverage(draw("circle", "solid", "white", 4, size=64)) == 1
    wanted = 255 * torch.tensor(COLOURS[colour], dtype=torch.float64)
    assert inside.sum() > 1_000
    assert outside.sum() > 4_000
    pixels = image.movedim(1, 3)
    assert (pixels[outside] - GREY).abs().max() <= 1  # 1 where the shape's faint edge rounds away in white
    assert (pixels[outside] == GREY).double().mean() > 0.97
    assert (pixels[inside] - wanted).abs().max() <= 1


@pytest.mark.parametrize("texture", TEXTURES[1:])
@pytest.mark.parametrize("colour", ["red", "ocean"])
def test_a_pixel_mixes_colour_and_grey_by_shape_times_texture(texture, colour):
    m = coverage(draw("star", texture, "white", 4, size=64))[:, None]
    wanted = 255 * torch.tensor(COLOURS[colour], dtype=torch.float64).view(1, 3, 1, 1)
    assert (draw("star", texture, colour, 4, size=64) - (m * wanted + (1 - m) * 127.5)).abs().max() <= 2


@pytest.mark.parametrize("texture", TEXTURES)
def test_shape_and_texture_do_not_depend_on_each_other(texture):
    """Where two shapes are full, the same texture shows; where the shape ends, nothing does."""
    here, there = (coverage(draw(shape, "solid", "white", 6)) for shape in ("circle", "square"))
    both = (here == 1) & (there == 1)
    in_circle, in_square = (coverage(draw(shape, texture, "white", 6)) for shape in ("circle", "square"))
    assert both.sum() > 2_000
    assert (in_circle[both] - in_square[both]).abs().max() < 0.01
    assert (in_circle <= here + 0.01).all()


def polygon_area(corners, *radii):
    radii = [radii[k % len(radii)] for k in range(corners)]
    return sum(radii[k] * radii[k - 1] for k in range(corners)) * math.sin(2 * math.pi / corners) / 2


AREA = {  # in closed form, in squares of half a box
    "triangle": polygon_area(3, 1.12),
    "square": 1.64**2,
    "plus": 2 * 0.64 * 1.96 - 0.64**2,
    "circle": math.pi * 0.92**2,
    "tee": 0.6 * 1.8 + 1.5 * 0.58 - 0.6 * 0.58,
    "rhombus": 2 * 0.72 * 1.12,
    "pentagon": polygon_area(5, 1.02),
    "star": polygon_area(10, 1.12, 0.5),
    "fivesquare": 5 * (1.64 / 3) ** 2,
    "trapezoid": (1.0 + 1.9) / 2 * 1.3,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("size", "tolerance"), [(32, 0.05), (64, 0.02)])
def test_a_shape_is_never_cut_by_the_border(shape, size, tolerance):
    """A cut shape would lose area; each of 300 shows that of the closed form, but for what the pixels round away."""
    area = coverage(draw(shape, "solid", "white", 300, size=size)).sum((1, 2)) / (BOX * size / 2) ** 2
    assert (area / AREA[shape] - 1).abs().max() < tolerance
    assert area.min() / area.median() > 0.99


def centre(mask):
    """Centres of mass, across and down, in half sides from the middle."""
    line = (torch.arange(mask.shape[-1]).double() + 0.5) / mask.shape[-1] * 2 - 1
    return (mask.sum(1) @ line) / mask.sum((1, 2)), (mask.sum(2) @ line) / mask.sum((1, 2))


@pytest.mark.parametrize("shape", ["triangle", "square", "plus", "circle", "rhombus", "pentagon", "star", "fivesquare"])
def test_places_are_spread_evenly(shape):
    for place in centre(coverage(draw(shape, "solid", "white", 600, size=32))):
        room = 1 - BOX * 1.18
        assert abs(place.mean()) < 0.04
        assert abs(place.std() - room / math.sqrt(3)) < 0.015
        assert room - 0.03 < place.abs().max() < room + 0.01


def test_angles_are_spread_evenly():
    """The long axis of a rhombus stands upright and is turned by up to 45 degrees either way."""
    mask = coverage(draw("rhombus", "solid", "white", 600, size=64))
    line = (torch.arange(64).double() + 0.5) / 32 - 1
    across, down = centre(mask)
    x, y = line[None, None, :] - across[:, None, None], line[None, :, None] - down[:, None, None]
    spread = [(mask * product).sum((1, 2)) for product in (x * x, x * y, y * y)]
    angle = torch.rad2deg(0.5 * torch.atan2(-2 * spread[1], spread[2] - spread[0]))
    assert abs(angle.mean()) < 3
    assert abs(angle.std() - 90 / math.sqrt(12)) < 1
    assert 44 < angle.max() < 46
    assert -46 < angle.min() < -44


def rings(mask):
    """Mean of a mask over rings about its centre of mass: what neither turning nor shifting changes."""
    side = mask.shape[-1]
    line = torch.arange(side).double()
    across, down = ((place + 1) * side / 2 - 0.5 for place in centre(mask))
    radius = torch.hypot(line[None, None, :] - across[:, None, None], line[None, :, None] - down[:, None, None])
    edges = torch.linspace(0, 0.36 * side, 13)
    each = [((radius >= low) & (radius < high)).double() for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return torch.stack([(mask * ring).sum((1, 2)) / ring.sum((1, 2)) for ring in each], dim=1)


def least_recognised(known, asked):
    """Of images by class: the least share, over classes, of those whose nearest class mean is their own."""
    means = torch.stack([features.mean(0) for features in known])
    return min((torch.cdist(own, means).argmin(1) == k).double().mean().item() for k, own in enumerate(asked))


def test_every_shape_is_told_from_all_others():
    known, asked = (
        [rings(coverage(draw(shape, "solid", "white", 40, seed=seed))) for shape in SHAPES] for seed in (1, 2)
    )
    assert least_recognised(known, asked) == 1


SHARE = {  # of a texture's area that is filled, in closed form
    "solid": 1.0,
    "stripes": 0.5,
    "grid": 1 - 0.7**2,
    "hexgrid": 1 - 0.72**2,
    "dots": math.pi * 0.32**2,
    "noise": 0.5,
    "triangles": 0.9**2 / 2,
    "zigzags": 0.5,
    "rain": 0.5 * 0.55,
    "pluses": 2 * 0.26 * 0.76 - 0.26**2,
}


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_texture_fills_its_share_of_a_shape(texture):
    inside = coverage(draw("square", "solid", "white", 100, size=96)) == 1
    filled = coverage(draw("square", texture, "white", 100, size=96))[inside].mean()
    assert abs(filled - SHARE[texture]) < 0.025


def spectrum(mask):
    """Power by frequency and its unevenness over directions: turning and shifting change neither."""
    side = mask.shape[-1]
    window = torch.hann_window(side, periodic=False, dtype=torch.float64)
    power = torch.fft.fft2((mask - mask.mean((1, 2), keepdim=True)) * window * window[:, None]).abs().square()
    power = power / (side * side)
    f = torch.fft.fftfreq(side, dtype=torch.float64) * side
    radius, angle = torch.hypot(f[None], f[:, None]), torch.atan2(f[:, None], f[None])
    features = [mask.mean((1, 2))]
    for low in range(2, 20, 3):
        ring = ((radius >= low) & (radius < low + 3)).double()
        total = (power * ring).sum((1, 2))
        features.append(0.2 * torch.log(total + 0.1))
        for fold in (2, 4, 6):
            turn = torch.exp(1j * fold * angle) * ring
            features.append((power * turn).sum((1, 2)).abs() / (total + 1e-2))
    return torch.stack(features, dim=1)


def middles(seed, count=16, size=160, side=56):
    """By texture, (count, side, side) pixels about the centre of a circle, textures of 7 periods."""
    circle = torch.tensor([SHAPES.index("circle"), 0, list(COLOURS).index("white")])
    solid = circle.expand(10 * count, 3).clone()
    textured = solid + torch.tensor([0, 1, 0]) * torch.arange(10).repeat_interleave(count)[:, None]
    solid, textured = (
        coverage(render(factors, size=size, texture_period=8.0, generator=seeded(seed)).double())
        for factors in (solid, textured)
    )
    left, top = ((((place + 1) * size - side) / 2).round().long().tolist() for place in centre(solid))
    crops = [image[y : y + side, x : x + side] for image, x, y in zip(textured, left, top, strict=True)]
    return torch.stack(crops).view(10, count, side, side)


def test_every_texture_is_told_from_all_others():
    known, asked = ([spectrum(mask) for mask in middles(seed)] for seed in (1, 2))
    assert least_recognised(known, asked) == 1


def test_texture_period_is_in_pixels():
    """Along a line across stripes, half as long a period crosses twice as many edges."""

    def edges(period):
        mask = coverage(draw("square", "stripes", "white", 60, size=96, period=period)) > 0.5
        inside = coverage(draw("square", "solid", "white", 60, size=96, period=period)) == 1
        both = inside[:, :, 1:] & inside[:, :, :-1]
        return ((mask[:, :, 1:] ^ mask[:, :, :-1]) & both).sum() / both.sum()

    # stripes are turned by t, uniform in +-45 degrees: a row meets 2 cos(t) / period edges a pixel
    expected = 2 / 8 * math.sin(math.pi / 4) / (math.pi / 4)
    assert abs(edges(8.0) / expected - 1) < 0.05
    assert abs(edges(8.0) / edges(16.0) - 2) < 0.2


def test_rendering_follows_its_generator():
    factors = combinations()[::50]
    first, again, other = (render(factors, size=32, generator=seeded(s)) for s in (3, 3, 4))
    assert torch.equal(first, again)
    assert (first != other).flatten(1).any(dim=1).all()


def test_each_image_has_its_own_place_and_angle():
    images = draw("triangle", "stripes", "white", 20, size=32).flatten(1)
    assert torch.unique(images, dim=0).shape[0] == 20


def test_images_lie_on_the_device_of_the_generator():
    images = render(combinations()[:3], size=16, generator=torch.Generator("cpu"))
    assert images.device == torch.device("cpu")
    data = trifeatures(SMALL, device=torch.device("cpu"))
    x, y = data.test.batch(slice(2))
    assert {value.device.type for value in (*x.values(), *y.values())} == {"cpu"}


def test_no_factors_give_no_images():
    assert render(combinations()[:0], size=16, generator=seeded()).shape == (0, 3, 16, 16)


def test_combinations_are_all_and_distinct():
    assert len({tuple(row) for row in combinations().tolist()}) == 1_000


# --- split and map


def test_splits_share_no_combination_and_one_map():
    config = TrifeaturesConfig(
        size=16, train_renders=1, test_renders=2, validation_combinations=100, train_pairs=200, test_pairs=200
    )
    data = trifeatures(config, seed=1)
    train, validation, test = map(combinations_of, (data.train, data.validation, data.test))
    assert (len(train), len(validation), len(test)) == (700, 100, 200)
    assert len(train | validation | test) == 1_000
    assert combinations_of(data.train_biased) == train
    assert data.train_biased.images is data.train.images
    for pairs in (data.train, data.train_biased, data.validation, data.test):
        assert torch.equal(pairs.mapping, data.train.mapping)
    assert sorted(data.train.mapping.tolist()) == list(range(10))


def test_validation_comes_out_of_training_alone(data):
    config = TrifeaturesConfig(
        size=16, train_renders=2, test_renders=2, validation_combinations=50, train_pairs=100, test_pairs=100
    )
    other = trifeatures(config, seed=0)
    assert data.validation is None
    assert combinations_of(other.test) == combinations_of(data.test)
    assert combinations_of(other.train) | combinations_of(other.validation) == combinations_of(data.train)


@pytest.mark.parametrize(
    "change",
    [
        {"train_renders": 1},
        {"test_renders": 3},
        {"train_pairs": 100},
        {"test_pairs": 100},
        {"self_pairs": True},
        {"size": 24},
        {"texture_period": 5.0},
    ],
)
def test_counts_and_sizes_change_neither_split_nor_map(data, change):
    settings = {name: getattr(SMALL, name) for name in SMALL.__dataclass_fields__} | change
    other = trifeatures(TrifeaturesConfig(**settings), seed=0)
    assert torch.equal(other.test.mapping, data.test.mapping)
    assert combinations_of(other.test) == combinations_of(data.test)
    assert combinations_of(other.train) == combinations_of(data.train)
    if not {"size", "texture_period", "test_renders"} & set(change):
        assert torch.equal(other.test.images.pixels, data.test.images.pixels)


def test_another_seed_changes_split_map_images_and_pairs(data):
    other = trifeatures(SMALL, seed=1)
    assert not torch.equal(other.test.mapping, data.test.mapping)
    assert combinations_of(other.test) != combinations_of(data.test)
    assert not torch.equal(other.test.images.pixels, data.test.images.pixels)
    assert not torch.equal(other.test.index, data.test.index)


def test_the_same_seed_gives_the_same_data(data):
    again = trifeatures(SMALL, seed=0)
    for name in ("train", "train_biased", "test"):
        mine, theirs = getattr(data, name), getattr(again, name)
        assert torch.equal(mine.index, theirs.index)
        assert torch.equal(mine.images.pixels, theirs.images.pixels)


def test_renders_of_one_combination_are_distinct_images(data):
    pixels = data.train.images.pixels.flatten(1)
    assert len(pixels) == 1_600
    assert torch.unique(pixels, dim=0).shape[0] == 1_600
    assert not set(map(bytes, pixels.numpy())) & set(map(bytes, data.test.images.pixels.flatten(1).numpy()))


# --- pairs and labels


def test_labels_are_those_of_the_definition(data):
    for pairs in (data.train, data.train_biased, data.test):
        labels = pairs.labels()
        for row, (first, second) in enumerate(pairs.index.tolist()):
            shape1, texture1, _ = pairs.images.factors[first].tolist()
            shape2, texture2, colour2 = pairs.images.factors[second].tolist()
            assert shape1 == shape2 == labels["R"][row]
            assert (texture1, texture2) == (labels["U1"][row], labels["U2"][row])
            assert int(pairs.mapping[texture1] == colour2) == labels["S"][row]


def test_biased_pairs_all_fit_the_map_and_unbiased_ones_by_chance(data):
    assert data.train_biased.labels()["S"].min() == 1
    for pairs in (data.train, data.test):
        assert 0.08 < pairs.labels()["S"].double().mean() < 0.12


def test_no_image_is_paired_with_itself_unless_asked_for(data):
    for pairs in (data.train, data.train_biased, data.test):
        assert (pairs.index[:, 0] != pairs.index[:, 1]).all()
    factors = combinations()[::41]
    images = Images(torch.zeros(len(factors), 3, 16, 16, dtype=torch.uint8), factors)
    without = pair_up(images, None, mapping=torch.arange(10), generator=seeded())
    with_self = pair_up(images, None, mapping=torch.arange(10), self_pairs=True, generator=seeded())
    assert len(with_self) == len(without) + len(factors)
    assert (with_self.index[:, 0] == with_self.index[:, 1]).sum() == len(factors)


def test_the_paper_s_variant_has_its_counts(paper):
    """Test: all pairs of one shape, self pairs too. Train: 10 000 of what are 576 846 with the paper's split."""
    test_shapes = torch.bincount(paper.test.images.factors[:, 0], minlength=10)
    assert len(paper.test.images.pixels) == 200
    assert len(paper.test) == (test_shapes**2).sum()
    assert 4_000 < len(paper.test) < 4_400
    assert (paper.test.index[:, 0] == paper.test.index[:, 1]).sum() == 200
    assert len(paper.train.images.pixels) == 2_400
    assert len(paper.train) == len(paper.train_biased) == 10_000
    everything = pair_up(paper.train.images, None, mapping=paper.train.mapping, self_pairs=True, generator=seeded())
    # of 100 combinations of a shape, those that are not in the test set, three renders each
    assert len(everything) == 9 * ((100 - test_shapes) ** 2).sum()
    assert abs(len(everything) / 576_846 - 1) < 0.01
    itself = (paper.train.index[:, 0] == paper.train.index[:, 1]).sum()
    assert 10 < itself < 90  # 41.6 expected


@pytest.mark.parametrize("biased", [False, True])
def test_every_allowed_pair_comes_once(biased):
    factors = combinations()[::23]
    images = Images(torch.zeros(len(factors), 3, 16, 16, dtype=torch.uint8), factors)
    mapping = torch.randperm(10, generator=seeded(5))
    wanted = set()
    for i, (shape1, texture1, _) in enumerate(factors.tolist()):
        for j, (shape2, _, colour2) in enumerate(factors.tolist()):
            if i != j and shape1 == shape2 and (not biased or mapping[texture1] == colour2):
                wanted.add((i, j))
    pairs = pair_up(images, None, mapping=mapping, biased=biased, generator=seeded())
    assert len(wanted) > 10
    assert len(pairs) == len(wanted)
    assert {tuple(row) for row in pairs.index.tolist()} == wanted


def test_pairs_are_drawn_without_replacement(data):
    for pairs in (data.train, data.train_biased, data.test):
        assert len(pairs) == 2_000
        assert torch.unique(pairs.index, dim=0).shape[0] == 2_000


def test_every_allowed_pair_is_as_likely():
    """20 images of two shapes, 15 and 5: 230 pairs, of which 50 are drawn 600 times."""
    factors = torch.tensor([[0, t % 10, t % 7] for t in range(15)] + [[1, t, t] for t in range(5)])
    images = Images(torch.zeros(20, 3, 16, 16, dtype=torch.uint8), factors)
    generator, seen = seeded(), torch.zeros(20, 20)
    for _ in range(600):
        pairs = pair_up(images, 50, mapping=torch.arange(10), generator=generator)
        seen[pairs.index[:, 0], pairs.index[:, 1]] += 1
    allowed = (factors[:, None, 0] == factors[None, :, 0]) & ~torch.eye(20, dtype=torch.bool)
    chance = 50 / 230
    assert allowed.sum() == 230
    assert seen[~allowed].sum() == 0
    deviation = (seen[allowed] - 600 * chance).abs().max() / math.sqrt(600 * chance * (1 - chance))
    assert deviation < 4.5


def test_combination_numbers_the_items_behind_a_pair(data):
    numbers = data.test.combination()
    first = data.test.images.factors[data.test.index[:, 0]]
    assert numbers.shape == (2_000, 2)
    assert torch.equal(numbers[:, 0], first[:, 0] * 100 + first[:, 1] * 10 + first[:, 2])
    assert len(torch.unique(numbers)) <= 200


# --- batches


def test_a_batch_is_modalities_and_labels(data):
    x, y = data.train.batch(torch.tensor([4, 2]))
    assert list(x) == ["image1", "image2"]
    assert list(y) == ["R", "U1", "U2", "S"]
    for k, image in enumerate(x.values()):
        assert image.shape == (2, 3, 16, 16)
        assert image.dtype == torch.float32
        assert torch.equal((image * 255).round().to(torch.uint8), data.train.images.pixels[data.train.index[[4, 2], k]])
    for task, label in y.items():
        assert label.dtype == torch.int64
        assert torch.equal(label, data.train.labels()[task][[4, 2]])


def labels_of(batches):
    return torch.cat([y["U1"] * 100 + y["U2"] * 10 + y["R"] for _, y in batches])


def test_evaluation_batches_are_complete_and_always_the_same(data):
    batches = data.test.batches(300)
    sizes = [len(y["R"]) for _, y in batches]
    assert sizes == [300] * 6 + [200]
    assert len(batches) == 7
    labels = data.test.labels()
    assert torch.equal(labels_of(batches), labels["U1"] * 100 + labels["U2"] * 10 + labels["R"])
    assert torch.equal(next(iter(batches))[0]["image1"], next(iter(batches))[0]["image1"])
    assert len(data.test.batches(5_000)) == 1


def test_training_batches_shuffle_anew_and_drop_the_last(data):
    batches = data.train.batches(300, generator=seeded())
    first, second = labels_of(batches), labels_of(batches)
    assert len(batches) == 6
    assert len(first) == len(second) == 1_800
    assert not torch.equal(first, second)
    assert torch.equal(labels_of(data.train.batches(300, generator=seeded())), first)
    whole = data.train.batches(500, generator=seeded())
    assert torch.equal(labels_of(whole).sort().values, labels_of(data.train.batches(500)).sort().values)


# --- what is refused


def config(**changes):
    return lambda: TrifeaturesConfig(**changes)


def drawn(**changes):
    settings = {"factors": combinations()[:2], "size": 16, "texture_period": 8.0, "generator": seeded()} | changes
    return lambda: render(settings.pop("factors"), **settings)


def paired(count=1, mapping=None):
    factors = combinations()[:12]
    images = Images(torch.zeros(12, 3, 16, 16, dtype=torch.uint8), factors)
    mapping = torch.arange(10) if mapping is None else mapping
    return lambda: pair_up(images, count, mapping=mapping, generator=seeded())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (drawn(factors=[[0, 0, 0]]), TypeError, "factors must be a torch.Tensor, got list"),
        (drawn(factors=torch.zeros(3)), ValueError, r"factors must have shape \(B, 3\), got \(3,\)"),
        (drawn(factors=torch.zeros(2, 3)), TypeError, "factors must hold integers, got torch.float32"),
        (
            drawn(factors=torch.zeros(2, 4).long()),
            ValueError,
            r"factors must have shape \(B, 3\) .* got shape \(2, 4\)",
        ),
        (drawn(factors=torch.tensor([[0, 10, 0]])), ValueError, r"columns below \[10, 10, 10\], .* values \[0, 10\]"),
        (drawn(factors=torch.tensor([[0, -1, 0]])), ValueError, r"columns below \[10, 10, 10\], .* values \[-1, 0\]"),
        (drawn(size=15), ValueError, "size must be at least 16, got 15"),
        (drawn(size=16.0), TypeError, "size must be an integer, got float"),
        (drawn(texture_period=0.0), ValueError, "texture_period must be a finite number above zero, got 0"),
        (config(size=8), ValueError, "size must be at least 16, got 8"),
        (config(texture_period=-1.0), ValueError, "texture_period must be a finite number above zero"),
        (config(train_renders=0), ValueError, "train_renders must be at least 1, got 0"),
        (config(test_renders=1.5), TypeError, "test_renders must be an integer, got float"),
        (config(train_pairs=None), TypeError, "train_pairs must be an integer, got NoneType"),
        (config(test_pairs=0), ValueError, "test_pairs must be at least 1, got 0"),
        (config(validation_combinations=-1), ValueError, "validation_combinations must be at least 0, got -1"),
        (config(validation_combinations=701), ValueError, "must leave 100 of the 800 .* got 701; ask for at most 700"),
        (paired(mapping=torch.zeros(10).long()), ValueError, "mapping must be a permutation of 0..9"),
        (paired(mapping=torch.arange(9)), ValueError, "mapping must be a permutation of 0..9"),
        (paired(mapping=torch.arange(10.0)), TypeError, "mapping must hold integers, got torch.float32"),
        (paired(mapping=list(range(10))), TypeError, "mapping must be a torch.Tensor, got list"),
        (paired(count=133), ValueError, "count must be at most the number of allowed pairs, 132, got 133"),
        (paired(count=0), ValueError, "count must be at least 1, got 0"),
        (paired(count=-1), ValueError, "count must be at least 1, got -1"),
        (paired(count=1.0), TypeError, "count must be an integer, got float"),
        (lambda: trifeatures(SMALL, seed=-1), ValueError, "seed must be at least 0, got -1"),
        (lambda: trifeatures(SMALL, seed=None), TypeError, "seed must be an integer, got NoneType"),
        (lambda: paired()().batches(0), ValueError, "batch_size must be at least 1, got 0"),
        (lambda: paired()().batches(2, generator=seeded()), ValueError, "batch_size must be at most .* 1, got 2"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def many(shapes, renders):
    """Images without pixels worth looking at: only their factors matter to pairing."""
    factors = combinations()[torch.isin(combinations()[:, 0], torch.arange(shapes))].repeat_interleave(renders, 0)
    return Images(torch.zeros(len(factors), 3, 1, 1, dtype=torch.uint8), factors)


@pytest.mark.parametrize("self_pairs", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_all_allowed_pairs_come_and_each_as_often(biased, self_pairs):
    few = many(10, 1)
    few = Images(few.pixels[::23], few.factors[::23])
    mapping = torch.arange(10).roll(3)
    wanted = {
        (i, j)
        for i, (shape, texture, _) in enumerate(few.factors.tolist())
        for j, (other, _, colour) in enumerate(few.factors.tolist())
        if shape == other and (self_pairs or i != j) and (not biased or mapping[texture] == colour)
    }
    more = {"mapping": mapping, "biased": biased, "self_pairs": self_pairs}
    every = pair_up(few, None, generator=seeded(), **more).index.tolist()
    assert len(every) == len(wanted) and {tuple(pair) for pair in every} == wanted
    with pytest.raises(ValueError, match=f"allowed pairs, {len(wanted)}, got {len(wanted) + 1}; ask"):
        pair_up(few, len(wanted) + 1, generator=seeded(), **more)
    count = max(2, len(wanted) // 3)
    often, draws, generator = dict.fromkeys(wanted, 0), 600, seeded(1)
    for _ in range(draws):
        some = [tuple(pair) for pair in pair_up(few, count, generator=generator, **more).index.tolist()]
        assert len(set(some)) == count
        for pair in some:
            often[pair] += 1
    share = count / len(wanted)
    deviation = math.sqrt(draws * share * (1 - share))
    assert max(abs(times - draws * share) for times in often.values()) < 4.5 * deviation


def test_pairing_costs_what_is_asked_for(monkeypatch):
    images = many(8, 30)  # 24 000 images, 72 million allowed pairs
    largest = []
    arange, nonzero = torch.randperm, Tensor.nonzero
    monkeypatch.setattr(torch, "randperm", lambda n, **more: largest.append(n) or arange(n, **more))
    monkeypatch.setattr(Tensor, "nonzero", lambda self, **more: largest.append(self.numel()) or nonzero(self, **more))
    pairs = pair_up(images, 100, mapping=torch.arange(10), generator=seeded())
    assert len(pairs) == 100 and max(largest, default=0) < 1_000_000
    assert torch.equal(*images.factors[pairs.index][..., 0].unbind(1))
