import colorsys
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch.utils._python_dispatch import TorchDispatchMode

from comm_lite import _check
from comm_lite.data import ImageAugment, TextAugment, VectorAugment, blur, recolour, warp

KEEP = dict(
    crop_scale=(1.0, 1.0),
    crop_ratio=(1.0, 1.0),
    flip_chance=0.0,
    rotation=0.0,
    jitter_chance=0.0,
    gray_chance=0.0,
    blur_chance=0.0,
)
"""With these settings a view is the image itself."""


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth(height=40, width=40, count=1, seed=0):
    """Images without edges, so that two ways of interpolating hardly differ."""
    coarse = torch.rand(count, 3, 5, 5, generator=seeded(seed))
    return torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic").clamp(0, 1)


def rough(height=16, width=16, count=1, seed=0):
    return torch.rand(count, 3, height, width, generator=seeded(seed))


def to_pillow(image):
    return Image.fromarray((image.movedim(0, 2) * 255).round().to(torch.uint8).numpy())


def from_pillow(picture):
    return torch.from_numpy(np.array(picture.convert("RGB"))).movedim(2, 0) / 255


def rounded(images):
    return (images * 255).round() / 255


def inside(image, margin):
    return image[..., margin:-margin, margin:-margin]


WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


# --- warp


@pytest.mark.parametrize("box", [(0.1, 0.2, 0.5, 0.5), (0.0, 0.0, 0.4, 0.9), (0.35, 0.05, 0.65, 0.3)])
@pytest.mark.parametrize("sides", [(40, 40), (30, 50)])
def test_crop_and_resize_as_pillow(box, sides):
    image = smooth(*sides)
    height, width = sides
    left, top, wide, tall = box
    pixels = (left * width, top * height, (left + wide) * width, (top + tall) * height)
    wanted = to_pillow(image[0]).resize((width, height), Image.Resampling.BILINEAR, box=pixels)
    made = warp(image, boxes=torch.tensor([box]))[0]
    assert inside(made - from_pillow(wanted), 3).abs().max() < 0.02


def test_crop_and_resize_as_pillow_s_affine_transform():
    image = smooth(40, 40)
    wanted = to_pillow(image[0]).transform(
        (40, 40), Image.Transform.AFFINE, (0.5, 0, 4.0, 0, 0.75, 8.0), Image.Resampling.BILINEAR
    )
    made = warp(image, boxes=torch.tensor([[0.1, 0.2, 0.5, 0.75]]))[0]
    assert inside(made - from_pillow(wanted), 2).abs().max() < 0.01


@pytest.mark.parametrize("sides", [(16, 16), (9, 14)])
def test_flip_mirrors_left_and_right_exactly(sides):
    image = rough(*sides)
    wanted = from_pillow(to_pillow(image[0]).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    made = warp(rounded(image), boxes=WHOLE, flip=torch.tensor([True]))[0]
    assert torch.allclose(made, wanted, atol=1e-5)
    assert torch.allclose(warp(image, boxes=WHOLE, flip=torch.tensor([False])), image, atol=1e-5)


@pytest.mark.parametrize("degrees", [30, -30, 90, -15])
@pytest.mark.parametrize("sides", [(41, 41), (31, 60), (60, 31)])
def test_rotation_as_pillow(degrees, sides):
    image = smooth(*sides)
    wanted = from_pillow(to_pillow(image[0]).rotate(degrees, Image.Resampling.BILINEAR, expand=False))
    shown = from_pillow(Image.new("RGB", sides[::-1], "white").rotate(degrees, Image.Resampling.BILINEAR, expand=False))
    made = warp(image, boxes=WHOLE, angle=torch.tensor([math.radians(degrees)]))[0]
    seen = shown == 1  # the rest comes from outside the image
    assert seen.double().mean() > 0.4
    assert (made - wanted)[seen].abs().max() < 0.012


def test_a_quarter_turn_is_exact_and_counter_clockwise():
    image = rough(12, 12)
    made = warp(image, boxes=WHOLE, angle=torch.tensor([math.pi / 2]))
    assert torch.allclose(made, image.rot90(1, (2, 3)), atol=1e-5)


def test_outside_takes_the_value_of_the_border():
    image = torch.full((1, 3, 12, 12), 0.25)
    assert torch.allclose(warp(image, boxes=WHOLE, angle=torch.tensor([0.7])), image, atol=1e-6)


def test_crop_then_mirror_then_turn():
    image = smooth(40, 40)
    box, angle = torch.tensor([[0.2, 0.1, 0.6, 0.5]]), torch.tensor([0.4])
    once = warp(image, boxes=box, flip=torch.tensor([True]), angle=angle)
    steps = warp(image, boxes=box)
    steps = warp(steps, boxes=WHOLE, flip=torch.tensor([True]))
    steps = warp(steps, boxes=WHOLE, angle=angle)
    assert inside(once - steps, 12).abs().max() < 0.02
    swapped = warp(warp(image, boxes=box, angle=angle), boxes=WHOLE, flip=torch.tensor([True]))
    assert inside(once - swapped, 12).abs().max() > 0.1


# --- recolour


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.0, 1.4])
@pytest.mark.parametrize(
    ("name", "enhance"),
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
def test_factors_as_pillow(name, enhance, factor):
    image = rounded(rough())
    wanted = from_pillow(enhance(to_pillow(image[0])).enhance(factor))
    made = recolour(image, **{name: torch.tensor([factor])})[0]
    assert (made - wanted).abs().max() < 2.01 / 255  # Pillow rounds the gray, its mean and the result


def test_gray_as_pillow():
    image = rounded(rough())
    made = recolour(image, gray=torch.tensor([True]))[0]
    assert (made - from_pillow(to_pillow(image[0]).convert("L"))).abs().max() < 1.01 / 255
    assert torch.equal(recolour(image, gray=torch.tensor([False])), image)


@pytest.mark.parametrize(
    ("turn", "order"), [(1 / 3, [2, 0, 1]), (-1 / 3, [1, 2, 0]), (2 / 3, [1, 2, 0]), (1.0, [0, 1, 2])]
)
def test_a_third_of_a_turn_of_hue_exchanges_the_channels(turn, order):
    image = rough()
    assert torch.allclose(recolour(image, hue=torch.tensor([turn])), image[:, order], atol=1e-5)


@pytest.mark.parametrize("turn", [0.02, -0.02, 0.08, -0.08])
def test_a_small_turn_of_hue_is_near_that_of_hsv(turn):
    """In HSV a turn keeps the largest channel, here the length of the colour about gray: alike for pale colours."""
    image = 0.5 + 0.2 * (rough() - 0.5)
    made = recolour(image, hue=torch.tensor([turn]))[0].flatten(1).T
    for (red, green, blue), got in zip(image[0].flatten(1).T.tolist(), made.tolist(), strict=True):
        h, s, v = colorsys.rgb_to_hsv(red, green, blue)
        wanted = colorsys.hsv_to_rgb((h + turn) % 1, s, v)
        moved = max(abs(a - b) for a, b in zip(wanted, (red, green, blue), strict=True))
        assert max(abs(a - b) for a, b in zip(wanted, got, strict=True)) < 0.05
        if moved > 0.02:  # and in the same direction
            ahead = sum((a - o) * (b - o) for a, b, o in zip(wanted, got, (red, green, blue), strict=True))
            assert ahead > 0


def test_hue_keeps_gray_and_mean():
    image = rough() * 0.3 + 0.3
    turned = recolour(image, hue=torch.tensor([0.13]))
    assert torch.allclose(turned.mean(1), image.mean(1), atol=1e-5)
    gray = image[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose(recolour(gray, hue=torch.tensor([0.4])), gray, atol=1e-5)


def test_steps_follow_in_the_order_of_the_arguments():
    image = rough(count=2) * 0.3 + 0.3  # far from 0 and 1, so that clamping plays no part
    amounts = {
        "brightness": torch.tensor([0.9, 1.1]),
        "contrast": torch.tensor([1.2, 0.7]),
        "saturation": torch.tensor([0.5, 1.3]),
        "hue": torch.tensor([0.05, -0.1]),
        "gray": torch.tensor([True, False]),
    }
    steps = image
    for name, amount in amounts.items():
        steps = recolour(steps, **{name: amount})
    assert torch.allclose(recolour(image, **amounts), steps, atol=1e-5)


def test_colours_are_clamped():
    made = recolour(rough(), brightness=torch.tensor([3.0]))
    assert made.max() == 1
    assert recolour(rough(), contrast=torch.tensor([5.0])).min() == 0


# --- blur


def naive_blur(image, sigma):
    """Two-dimensional convolution with a Gaussian that ends after three sigma, the border continued; in float64."""
    reach = math.ceil(3 * sigma)
    height, width = image.shape[-2:]
    weight = {
        (i, j): math.exp(-(i * i + j * j) / (2 * sigma * sigma))
        for i in range(-reach, reach + 1)
        for j in range(-reach, reach + 1)
    }
    total, out = sum(weight.values()), torch.zeros_like(image, dtype=torch.float64)
    rows, columns = torch.arange(height), torch.arange(width)
    for (i, j), w in weight.items():
        moved = image.double()[:, (rows + i).clamp(0, height - 1)][:, :, (columns + j).clamp(0, width - 1)]
        out += w / total * moved
    return out


@pytest.mark.parametrize("sigma", [0.3, 0.8, 2.0])
@pytest.mark.parametrize("sides", [(16, 16), (9, 14), (3, 20)])
def test_blur_as_a_direct_convolution(sigma, sides):
    image = rough(*sides)
    made = blur(image, sigma=torch.tensor([sigma]))[0]
    assert (made - naive_blur(image[0], sigma)).abs().max() < 2e-6


@pytest.mark.parametrize("sigma", [0.7, 1.5, 2.0])
def test_blur_as_pillow(sigma):
    """Pillow approximates the Gaussian by boxes."""
    image = rounded(rough(32, 32))
    wanted = from_pillow(to_pillow(image[0]).filter(ImageFilter.GaussianBlur(sigma)))
    made = blur(image, sigma=torch.tensor([sigma]))[0]
    assert inside(made - wanted, 6).abs().max() < 0.06
    assert inside(made - wanted, 6).abs().mean() < 0.02
    assert inside(made - image[0], 6).abs().mean() > 0.15  # what the blur itself does


def test_a_width_of_zero_keeps_the_image():
    image = rough(count=2)
    assert torch.equal(blur(image, sigma=torch.zeros(2)), image)
    assert torch.equal(blur(image, sigma=torch.tensor([0.0, 2.0]))[0], image[0])


# --- each image by itself


def every_operation(images, rows):
    amounts = torch.linspace(0, 1, 6)[rows]
    boxes = torch.stack([0.3 * amounts, 0.2 * amounts, 1 - 0.5 * amounts, 1 - 0.4 * amounts], dim=1)
    return {
        "warp": warp(images, boxes=boxes, flip=amounts > 0.5, angle=amounts),
        "recolour": recolour(
            images, brightness=1 + amounts, contrast=amounts, saturation=amounts, hue=amounts, gray=amounts > 0.7
        ),
        "blur": blur(images, sigma=2 * amounts),
    }


@pytest.mark.parametrize("operation", ["warp", "recolour", "blur"])
def test_batch_mates_and_their_order_change_nothing(operation):
    images = rough(count=6)
    together = every_operation(images, torch.arange(6))[operation]
    order = torch.tensor([3, 0, 5, 4, 1, 2])
    assert torch.allclose(every_operation(images[order], order)[operation], together[order], atol=1e-6)
    for k in range(6):
        alone = every_operation(images[k : k + 1], torch.tensor([k]))[operation]
        assert torch.allclose(alone[0], together[k], atol=1e-6)


@pytest.mark.parametrize("operation", ["warp", "recolour", "blur"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_is_kept(operation, dtype):
    images = rough(count=6)
    made = every_operation(images.to(dtype), torch.arange(6))[operation]
    assert made.dtype == dtype
    assert (made.float() - every_operation(images, torch.arange(6))[operation]).abs().max() < 0.03


@pytest.mark.parametrize("operation", ["warp", "recolour", "blur"])
def test_an_empty_batch_stays_empty(operation):
    none = torch.zeros(0, dtype=torch.long)
    assert every_operation(rough(count=6)[:0], none)[operation].shape == (0, 3, 16, 16)


# --- whole views

EVERYTHING = ImageAugment(rotation=30.0, jitter_chance=1.0, blur_chance=0.7)


def test_each_image_has_a_draw_of_its_own():
    views = EVERYTHING(smooth(16, 16).expand(40, -1, -1, -1), generator=seeded())
    assert torch.unique(views.flatten(1), dim=0).shape[0] == 40


def test_views_follow_their_generator():
    images = rough(count=8)
    first, again, other = (EVERYTHING(images, generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).flatten(1).any(dim=1).all()
    generator = seeded(1)
    assert torch.equal(EVERYTHING(images, generator=generator), first)
    assert not torch.equal(EVERYTHING(images, generator=generator), first)


def test_global_randomness_is_neither_used_nor_moved():
    images = rough(count=4)
    torch.manual_seed(0)
    first = EVERYTHING(images, generator=seeded())
    state = torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(EVERYTHING(images, generator=seeded()), first)
    torch.manual_seed(0)
    assert torch.equal(torch.get_rng_state(), state)


def test_views_stay_in_range_and_leave_the_images_alone():
    images = rough(count=200).round()  # black and white: whatever overshoots shows
    before = images.clone()
    views = EVERYTHING(images, generator=seeded())
    assert torch.equal(images, before)
    assert views.shape == images.shape
    assert 0 <= views.min()
    assert views.max() <= 1
    assert torch.isfinite(views).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("sides", [(16, 16), (10, 18)])
def test_views_keep_dtype_device_and_shape(dtype, sides):
    images = rough(*sides, count=5).to(dtype)
    views = EVERYTHING(images, generator=seeded())
    assert (views.dtype, views.device, views.shape) == (dtype, images.device, images.shape)


def test_settings_that_keep_everything_return_the_images():
    images = rough(count=5)
    assert torch.allclose(ImageAugment(**KEEP)(images, generator=seeded()), images, atol=1e-5)
    gone = KEEP | dict(jitter_chance=1.0, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    gone |= dict(blur_chance=1.0, blur_sigma=(0.0, 0.0))
    assert torch.allclose(ImageAugment(**gone)(images, generator=seeded()), images, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_small_batches(count):
    images = rough(count=3)[:count]
    assert EVERYTHING(images, generator=seeded()).shape == (count, 3, 16, 16)


def test_channels_last_images_give_the_same_views():
    images = rough(count=4)
    last = images.to(memory_format=torch.channels_last)
    assert torch.allclose(EVERYTHING(last, generator=seeded()), EVERYTHING(images, generator=seeded()), atol=1e-5)


def test_views_are_made_under_autocast_too():
    """As a step of bfloat16 training makes them: the colours round, so whatever blurs must fit what it is given."""
    images = smooth(16, 16).expand(40, -1, -1, -1)
    wanted = EVERYTHING(images, generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        views = EVERYTHING(images, generator=seeded())
    assert torch.isfinite(views).all()
    assert (views.float() - wanted).abs().max() < 0.05
    assert (views.float() - wanted).abs().mean() < 0.005


def test_blur_under_autocast_keeps_a_flat_image():
    """Taps that were rounded to half precision would not sum to 1, and would change its brightness."""
    flat = torch.full((8, 3, 16, 16), 0.7)
    with torch.autocast("cpu", torch.bfloat16):
        made = blur(flat, sigma=torch.linspace(0.1, 2, 8))
        half = blur(flat.bfloat16(), sigma=torch.linspace(0.1, 2, 8))
    assert made.dtype == torch.float32 and (made - 0.7).abs().max() < 1e-6
    assert half.dtype == torch.bfloat16 and torch.equal(half, flat.bfloat16())


def changed_share(images, **settings):
    views = ImageAugment(**(KEEP | settings))(images, generator=seeded())
    return ((views - images).abs().flatten(1).max(dim=1).values > 1e-3).double().mean()


@pytest.mark.parametrize("name", ["flip_chance", "jitter_chance", "gray_chance", "blur_chance"])
def test_chances_are_chances(name):
    images = rough(count=1_000)
    blurred = {"blur_sigma": (1.0, 2.0)}
    assert changed_share(images, **{name: 0.0}, **blurred) == 0
    assert abs(changed_share(images, **{name: 0.3}, **blurred) - 0.3) < 0.05
    assert changed_share(images, **{name: 1.0}, **blurred) == 1


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.3, 0.3), (1.0, 1.0)])
def test_crops_have_the_area_and_ratio_asked_for(scale):
    line = (torch.arange(32) + 0.5) / 32
    ramp = torch.stack([line.expand(32, 32), line.view(-1, 1).expand(32, 32), torch.zeros(32, 32)])
    settings = KEEP | dict(crop_scale=scale, crop_ratio=(3 / 4, 4 / 3))
    views = ImageAugment(**settings)(ramp.expand(2_000, -1, -1, -1), generator=seeded())
    views = views[:, :, 1:-1, 1:-1]  # at the rim, the border's own value shows
    wide = (views[:, 0, 0, -1] - views[:, 0, 0, 0]) * 32 / 29
    tall = (views[:, 1, -1, 0] - views[:, 1, 0, 0]) * 32 / 29
    area, ratio = wide * tall, wide / tall
    assert scale[0] - 0.005 < area.min() < scale[0] + 0.02
    assert scale[1] - 0.02 < area.max() < scale[1] + 0.005
    assert abs(area.mean() - sum(scale) / 2) < 0.02
    assert 3 / 4 - 0.005 < ratio.min()
    assert ratio.max() < 4 / 3 + 0.01
    if scale[1] < 1:
        assert abs(ratio.log().mean()) < 0.01
        assert abs(ratio.log().std() - math.log(16 / 9) / math.sqrt(12)) < 0.01


def test_rotation_reaches_both_ways():
    line = torch.linspace(-1, 1, 33)
    ramp = (0.5 + 0.2 * line.expand(33, 33)).expand(3, 33, 33)
    settings = KEEP | dict(rotation=30.0)
    views = ImageAugment(**settings)(ramp.expand(1_000, -1, -1, -1), generator=seeded())
    across = views[:, 0, 16, 20] - views[:, 0, 16, 12]
    down = views[:, 0, 20, 16] - views[:, 0, 12, 16]
    angle = torch.rad2deg(torch.atan2(down, across))
    assert 29 < angle.max() < 30.1
    assert -30.1 < angle.min() < -29
    assert abs(angle.mean()) < 2


# --- what is refused


def warped(images=None, **changes):
    images = rough(count=2) if images is None else images
    return lambda: warp(images, **({"boxes": WHOLE.expand(2, 4)} | changes))


def coloured(images=None, **changes):
    return lambda: recolour(rough(count=2) if images is None else images, **changes)


def blurred(sigma, images=None):
    return lambda: blur(rough(count=2) if images is None else images, sigma=sigma)


def augment(**changes):
    return lambda: ImageAugment(**changes)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (warped([[0.0]]), TypeError, "images must be a torch.Tensor, got list"),
        (warped(torch.rand(3, 8, 8)), ValueError, r"images must have shape \(B, 3, H, W\), got \(3, 8, 8\)"),
        (
            warped(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)),
            TypeError,
            "images must hold floats in .* got torch.uint8",
        ),
        (warped(torch.rand(2, 1, 8, 8)), ValueError, "images must have 3 channels .* got 1 in shape"),
        (warped(boxes=WHOLE), ValueError, r"boxes must have shape \(2, 4\), one entry an image, got \(1, 4\)"),
        (warped(boxes=[[0, 0, 1, 1]] * 2), TypeError, "boxes must be a torch.Tensor, got list"),
        (warped(flip=torch.tensor([True])), ValueError, r"flip must have shape \(2,\), one entry an image, got \(1,\)"),
        (warped(flip=torch.ones(2)), TypeError, "flip must be boolean, .* got torch.float32"),
        (warped(angle=torch.tensor(0.1)), ValueError, r"angle must have shape \(2,\), one entry an image, got \(\)"),
        (warped(angle=0.1), TypeError, "angle must be a torch.Tensor, got float"),
        (coloured(torch.rand(2, 8, 8, 3)), ValueError, "images must have 3 channels .* got 8 in shape"),
        (coloured(torch.zeros(2, 3, 8, 8).int()), TypeError, "images must hold floats in .* got torch.int32"),
        (coloured(brightness=torch.ones(3)), ValueError, r"brightness must have shape \(2,\)"),
        (coloured(contrast=torch.ones(2, 1)), ValueError, r"contrast must have shape \(2,\), .* got \(2, 1\)"),
        (coloured(saturation=1.0), TypeError, "saturation must be a torch.Tensor, got float"),
        (coloured(hue=torch.ones(1)), ValueError, r"hue must have shape \(2,\)"),
        (coloured(gray=torch.ones(2)), TypeError, "gray must be boolean, .* got torch.float32"),
        (blurred(torch.ones(2), torch.rand(2, 8, 8)), ValueError, r"images must have shape \(B, 3, H, W\)"),
        (blurred(torch.ones(3)), ValueError, r"sigma must have shape \(2,\)"),
        (blurred(1.0), TypeError, "sigma must be a torch.Tensor, got float"),
        (blurred(torch.tensor([1.0, -0.5])), ValueError, "sigma must be at least 0 pixels, got -0.5"),
        (blurred(torch.tensor([1.0, math.nan])), ValueError, "sigma must be finite, got 1 NaN"),
        (augment(flip_chance=1.5), ValueError, r"flip_chance must lie in \[0.0, 1.0\], got 1.5"),
        (augment(jitter_chance=-0.1), ValueError, r"jitter_chance must lie in \[0.0, 1.0\], got -0.1"),
        (augment(gray_chance="often"), TypeError, r"gray_chance must be a number in \[0.0, 1.0\], got str"),
        (augment(blur_chance=True), TypeError, r"blur_chance must be a number in \[0.0, 1.0\], got bool"),
        (augment(brightness=2.0), ValueError, r"brightness must lie in \[0.0, 1.0\], got 2.0"),
        (augment(contrast=math.nan), ValueError, r"contrast must lie in \[0.0, 1.0\], got nan"),
        (augment(saturation=-1.0), ValueError, r"saturation must lie in \[0.0, 1.0\], got -1.0"),
        (augment(hue=0.6), ValueError, r"hue must lie in \[0.0, 0.5\], got 0.6"),
        (augment(rotation=200.0), ValueError, r"rotation must lie in \[0.0, 180.0\], got 200.0"),
        (augment(crop_scale=0.5), TypeError, "crop_scale must be two numbers, least and largest, got 0.5"),
        (augment(crop_scale=(0.0, 1.0)), ValueError, r"crop_scale\[0\] must lie in \[0.0001, 1.0\], got 0.0"),
        (augment(crop_scale=(0.5, 1.1)), ValueError, r"crop_scale\[1\] must lie in \[0.0001, 1.0\], got 1.1"),
        (augment(crop_scale=(0.9, 0.5)), ValueError, r"crop_scale\[0\] must not exceed crop_scale\[1\], .* swap them"),
        (augment(crop_ratio=(2.0, 1.0)), ValueError, r"crop_ratio\[0\] must not exceed crop_ratio\[1\]"),
        (augment(blur_sigma=(-1.0, 2.0)), ValueError, r"blur_sigma\[0\] must lie in \[0.0, 1000.0\], got -1.0"),
        (
            lambda: ImageAugment()(torch.rand(3, 8, 8), generator=seeded()),
            ValueError,
            r"must have shape \(B, 3, H, W\)",
        ),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


# ---------------------------------------------------------------- views of another size


@pytest.mark.parametrize("size", [8, 20, 48])
def test_a_whole_crop_to_another_size_is_an_interpolation(size):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(3, -1)
    found = warp(images, boxes=whole, size=size)
    wanted = torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    assert found.shape == (3, 3, size, size)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_the_size_of_a_view_changes_neither_its_crop_nor_its_colours():
    images = torch.full((4, 3, 32, 32), 0.5)
    images[:, 0, :16] = 1.0
    large, small = (
        ImageAugment(blur_chance=0.0, size=size)(images, generator=torch.Generator().manual_seed(1))
        for size in (None, 16)
    )
    halved = torch.nn.functional.avg_pool2d(large, 2)
    assert small.shape == (4, 3, 16, 16) and (small - halved).abs().mean() < 0.01


def test_views_of_no_images_have_their_size_and_wrong_sizes_are_refused():
    none = torch.rand(0, 3, 32, 32)
    assert warp(none, boxes=torch.rand(0, 4), size=8).shape == (0, 3, 8, 8)
    with pytest.raises(ValueError, match="size must be at least 1, got 0; pass a larger one"):
        ImageAugment(size=0)
    with pytest.raises(TypeError, match="size must be an integer, got float"):
        warp(torch.rand(1, 3, 8, 8), boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]), size=4.0)


def test_views_add_noise_and_drop_coordinates():
    x = {"x1": torch.full((50, 400), 3.0), "x2": torch.zeros(50, 4)}
    view = VectorAugment(noise=0.5, drop_chance=0.25)(x, generator=torch.Generator().manual_seed(0))
    gone = view["x1"] == 0
    assert gone.float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert (view["x1"][~gone] - 3).std().item() == pytest.approx(0.5, abs=0.01)
    same = VectorAugment(noise=0.0, drop_chance=0.0)(x, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(same[name], x[name]) for name in x)
    with pytest.raises(ValueError, match=r"x\['x1'\] must have shape \(B, D\), got \(3,\); bring"):
        VectorAugment()({"x1": torch.ones(3)}, generator=torch.Generator())
    with pytest.raises(TypeError, match=r"x must be a dictionary .*, got Tensor; pass"):
        VectorAugment()(torch.ones(3, 4), generator=torch.Generator())


# ---------------------------------------------------------------- a range, and no waiting for a device

OFF = ImageAugment(
    crop_scale=(1.0, 1.0), crop_ratio=(1.0, 1.0), flip_chance=0.0, jitter_chance=0.0, gray_chance=0.0, blur_chance=0.0
)


def test_views_refuse_images_that_they_would_clamp():
    images = torch.rand(4, 3, 8, 8, generator=seeded())
    assert torch.allclose(OFF(images, generator=seeded()), images, atol=1e-6)
    normal = (images - 0.5) / 0.25
    for call in (
        lambda: OFF(normal, generator=seeded()),
        lambda: recolour(normal, brightness=torch.ones(4)),
        lambda: blur(normal, sigma=torch.ones(4)),
    ):
        with pytest.raises(
            ValueError, match=r"images must lie in \[0, 1\], got \[-\d.*, \d.*\]; normalise after the views"
        ):
            call()
    images[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"images must lie in \[0, 1\], got \[nan, nan\]"):
        OFF(images, generator=seeded())


def test_a_blur_refuses_widths_above_the_largest():
    images = torch.rand(2, 3, 8, 8, generator=seeded())
    with pytest.raises(ValueError, match="sigma must be at most largest, 1.0 pixels, got 2.0; raise"):
        blur(images, sigma=torch.tensor([0.5, 2.0]), largest=1.0)
    sigma = torch.tensor([0.5, 1.0])
    assert torch.allclose(blur(images, sigma=sigma, largest=9.0), blur(images, sigma=sigma), atol=1e-6)


class Waits(TorchDispatchMode):
    """Names of operations that would hold up a device: values that are read, and data that is copied there."""

    NAMES = {"_local_scalar_dense", "nonzero", "equal", "item", "lift_fresh", "lift_fresh_copy", "masked_select"}

    def __init__(self):
        super().__init__()
        self.found, self.seen = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masks = name.startswith("index") and any(i is not None and i.dtype == torch.bool for i in args[1])
        self.seen += 1
        if name in self.NAMES or masks:
            self.found.append(name)
        return function(*args, **(kwargs or {}))


def test_no_view_waits_for_a_device(monkeypatch):
    images, ids = torch.rand(6, 3, 16, 16), torch.arange(2, 14).view(2, 6)
    vectors, mask, g = {"x1": torch.ones(4, 8)}, ids > 0, seeded()
    view, short, noisy = ImageAugment(rotation=9.0), TextAugment(), VectorAugment()
    wanted = view(images, generator=seeded(3))
    monkeypatch.setattr(_check, "values_of", lambda value: False)  # as on a device
    with Waits() as waits:
        made = view(images, generator=seeded(3))
        short(ids, mask, generator=g)
        noisy(vectors, generator=g)
    assert waits.seen > 50 and waits.found == []
    assert torch.allclose(made, wanted, atol=1e-5)
    with Waits() as waits:  # the guard sees what it looks for
        images[ids.sum(1).repeat(3) > 1e6], torch.tensor([1.0]), images.sum().item()
    assert {"lift_fresh", "_local_scalar_dense"} <= set(waits.found)
