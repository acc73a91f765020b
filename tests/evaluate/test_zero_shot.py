import dataclasses

import pytest
import torch

from comm_lite.evaluate import clip_score, zero_shot, zero_shot_classifier


def bag_of_letters(texts):
    """A text encoder that can be computed in the head: how often each letter stands in a text."""
    return torch.tensor([[float(text.count(chr(97 + i))) for i in range(26)] for text in texts])


def clouds(n=120, k=4, *, noise=0.8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(k, (n,), generator=generator)
    classes = torch.randn(k, 6, generator=generator)
    return classes[labels] + noise * torch.randn(n, 6, generator=generator), classes, labels


def test_a_class_is_the_mean_of_its_normalised_prompts():
    classes, templates = ["dog", "bee", "cat"], ["{}", "a photo of the {}", "my {}!"]
    made = zero_shot_classifier(bag_of_letters, iter(classes), iter(templates))
    for row, name in zip(made, classes, strict=True):
        total = torch.zeros(26)
        for before, after in (("", ""), ("a photo of the ", ""), ("my ", "!")):
            (embedding,) = bag_of_letters([before + name + after])
            total += embedding / embedding.pow(2).sum().sqrt()
        assert torch.allclose(row, total / total.pow(2).sum().sqrt(), atol=1e-6)
    assert made.shape == (3, 26)


def test_a_long_prompt_weighs_no_more_than_a_short_one():
    def loud(texts):
        return bag_of_letters(texts) * torch.tensor([[100.0 if "photo" in text else 1.0] for text in texts])

    arguments = ["dog", "bee"], ["{}", "photo {}"]
    assert torch.allclose(zero_shot_classifier(loud, *arguments), zero_shot_classifier(bag_of_letters, *arguments))


def test_prompts_are_embedded_without_gradient():
    weight = torch.ones(26, requires_grad=True)
    made = zero_shot_classifier(lambda texts: bag_of_letters(texts) * weight, ["dog", "bee"], ["{}"])
    assert not made.requires_grad


def test_classes_that_the_vocabulary_lacks_are_refused():
    def known(texts):  # knows no x
        return bag_of_letters([text.replace("xx", "") for text in texts])

    assert len(zero_shot_classifier(known, ["dog", "bee", "xx"], ["a {}"])) == 3
    with pytest.raises(ValueError, match=r"got one embedding for all prompts of \['xxa', 'a'\]; look whether the voc"):
        zero_shot_classifier(known, ["dog", "xxa", "a"], ["a {}", "{}"])


def test_braces_of_a_name_stay():
    seen = []
    zero_shot_classifier(lambda texts: seen.extend(texts) or bag_of_letters(texts), ["a{}", "b%s"], ["x {}"])
    assert seen == ["x a{}", "x b%s"]


@pytest.mark.parametrize("noise", [0.1, 0.8, 5.0])
def test_the_score_is_that_of_a_loop(noise):
    image, classes, labels = clouds(noise=noise)
    hits = {k: [] for k in range(4)}
    for u, label in zip(image.tolist(), labels.tolist(), strict=True):
        cosines = []
        for w in classes.tolist():
            length = sum(b * b for b in w) ** 0.5
            cosines.append(sum(a * b for a, b in zip(u, w, strict=True)) / length)
        hits[label].append(cosines.index(max(cosines)) == label)
    wanted = sum(sum(found) / len(found) for found in hits.values()) / 4
    score = zero_shot(image, classes, labels)
    assert score.balanced_accuracy == pytest.approx(wanted)
    assert score.low <= score.balanced_accuracy <= score.high
    assert (score.chance, score.classes, score.n_test, score.n_items) == (0.25, 4, 120, 120)


def test_perfect_collapsed_and_random():
    image, classes, labels = clouds(noise=0.0)
    perfect = zero_shot(image, classes, labels)
    assert perfect.balanced_accuracy == perfect.high == 1 > perfect.low > 0.85
    rare = torch.where(torch.arange(120) < 110, 0, torch.arange(120) % 4)  # nearly all in one class
    for z, w in ((torch.ones(120, 6), torch.ones(4, 6)), (torch.ones(120, 6), classes), (image, torch.ones(4, 6))):
        assert zero_shot(z, w, rare).balanced_accuracy == 0.25
    noise = torch.randn(4000, 6, generator=torch.Generator().manual_seed(1))
    score = zero_shot(noise, torch.eye(6)[:4], torch.arange(4000) % 4)
    assert score.low < 0.25 < score.high and score.high - score.low < 0.06


def test_length_and_joint_rotation_do_not_matter():
    image, classes, labels = clouds()
    wanted = zero_shot(image, classes, labels)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2)))[0]
    lengths = 1 + torch.arange(120.0)[:, None]
    assert zero_shot(lengths * image @ turn, 3 * classes @ turn, labels) == wanted
    assert wanted.balanced_accuracy < 0.95
    order = torch.tensor([2, 0, 3, 1])
    renamed = zero_shot(image, classes[order], order.argsort()[labels])
    assert renamed.balanced_accuracy == pytest.approx(wanted.balanced_accuracy)


def test_a_class_that_no_label_names_is_still_a_choice():
    image = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.2]])
    score = zero_shot(image, torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 1, 1]))
    assert score.balanced_accuracy == pytest.approx((1 + 1 / 2) / 2)
    assert (score.chance, score.classes, score.occurring) == (1 / 2, 3, 2)
    collapsed = zero_shot(torch.ones(3, 2), torch.ones(3, 2), torch.tensor([0, 1, 1]))
    assert collapsed.balanced_accuracy == collapsed.chance


def test_the_interval_counts_items_and_follows_the_seed():
    image, classes, labels = clouds()
    image, labels = image[:40].repeat(10, 1), labels[:40].repeat(10)
    rows, items = (zero_shot(image, classes, labels, items=i) for i in (None, torch.arange(40).repeat(10)))
    assert rows.balanced_accuracy == items.balanced_accuracy
    assert items.high - items.low > 2 * (rows.high - rows.low)
    assert (rows.n_items, items.n_items) == (400, 40)
    assert "400 test rows of 40 items" in str(items) and "(chance 0.250; 400 test rows)" in str(rows)
    each = torch.arange(40).repeat(10)
    assert zero_shot(image, classes, labels, items=each) == items
    assert zero_shot(image, classes, labels, items=each, seed=1) != items
    with pytest.raises(dataclasses.FrozenInstanceError):
        rows.chance = 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_precisions_may_differ(dtype):
    image, classes, labels = clouds(noise=0.1)
    assert zero_shot(image.to(dtype).requires_grad_(), classes, labels).balanced_accuracy == 1


def test_clip_score_is_the_cosine_of_the_angle():
    angles = torch.tensor([0.0, 0.3, 1.2, 1.5, 1.7, 3.1])
    image = torch.tensor([[2.0, 0.0]]).expand(6, 2)
    text = 5 * torch.stack([angles.cos(), angles.sin()], 1)
    wanted = [2.5 * float(c) if c > 0 else 0.0 for c in angles.cos()]
    assert clip_score(image, text).tolist() == pytest.approx(wanted, abs=1e-6)
    assert torch.equal(clip_score(image, text), clip_score(text, image))
    assert clip_score(image, text, weight=1)[:4].tolist() == pytest.approx(angles.cos()[:4].tolist(), abs=1e-6)
    for length in (1e-12, 1e-13, 1e-30, 1e20):
        assert clip_score(image * length, image).tolist() == [2.5] * 6


def test_clip_score_of_a_collapsed_model_praises_every_caption():
    assert clip_score(torch.ones(5, 3), torch.ones(5, 3)).tolist() == pytest.approx([2.5] * 5)


def test_clip_score_has_its_gradient_and_none_below_zero():
    generator = torch.Generator().manual_seed(0)
    image, text = torch.randn(2, 8, 4, generator=generator, dtype=torch.float64).requires_grad_().unbind()
    assert torch.autograd.gradcheck(clip_score, (image.detach().requires_grad_(), text.detach().requires_grad_()))
    image = image.detach().requires_grad_()
    scores = clip_score(image, text.detach())
    scores.sum().backward()
    assert 0 < (scores > 0).sum() < 8
    assert torch.equal(image.grad.abs().sum(1) > 0, scores > 0)


def test_clip_score_in_half_precision_keeps_float32():
    generator = torch.Generator().manual_seed(0)
    image, text = torch.randn(2, 50, 8, generator=generator).bfloat16().unbind()
    made = clip_score(image, text)
    assert made.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(clip_score(image, text), made, atol=1e-6)
    assert torch.allclose(made, clip_score(image.float(), text.float()), atol=1e-6)


Z = torch.eye(4)
Y = torch.arange(4)


def embed(texts):
    return torch.ones(len(texts), 3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: zero_shot_classifier(embed, "dog", ["{}"]), TypeError, "classes must be a list of texts, got 'dog'"),
        (lambda: zero_shot_classifier(embed, ["a", "b"], "{}"), TypeError, "templates must be a list of texts, got"),
        (lambda: zero_shot_classifier(embed, ["a", "b"], []), ValueError, "templates must hold at least one text"),
        (lambda: zero_shot_classifier(embed, ["a"], ["{}"]), ValueError, r"two or more different names, got \['a'\];"),
        (lambda: zero_shot_classifier(embed, ["a", "a"], ["{}"]), ValueError, "two or more different names, got"),
        (lambda: zero_shot_classifier(embed, ["a", "b"], ["{} {}"]), ValueError, "templates must have one {} for"),
        (lambda: zero_shot_classifier(lambda t: embed(t) * 0, ["a", "b"], ["{}"]), ValueError, "prompts must have a"),
        (lambda: zero_shot_classifier(lambda t: embed("x"), ["a", "b"], ["{}", "x{}"]), ValueError, "of the 2 rows"),
        (lambda: zero_shot(Z, Z[:1], Y), ValueError, "classes must hold at least two rows, got 1; there"),
        (lambda: zero_shot(Z, Z[:, :3] + 1, Y), ValueError, "classes must have the width of image, wanted 4, got 3;"),
        (lambda: zero_shot(Z, Z * float("inf"), Y), ValueError, "classes must be finite"),
        (lambda: zero_shot(Z * 0, Z, Y), ValueError, "image must have a direction in every row"),
        (lambda: zero_shot(Z, Z, Y - 1), ValueError, r"labels must lie in 0..3, got -1..2; number them as classes"),
        (
            lambda: zero_shot(Z, Z, Y * 0 + 2),
            ValueError,
            r"labels must hold at least two classes, got only 2; else",
        ),
        (lambda: zero_shot(Z, Z[:3], Y), ValueError, r"labels must lie in 0..2, got 0..3; number them as classes"),
        (lambda: zero_shot(Z, Z, Y[:3]), ValueError, "labels must have one entry for each of the 4 rows"),
        (lambda: zero_shot(Z, Z, Y.float()), TypeError, "labels must hold integers, got torch.float32"),
        (lambda: zero_shot(Z, Z, Y, items=Y * 0), ValueError, "items must hold at least two distinct items, got 1"),
        (lambda: zero_shot(Z, Z, Y, replicates=10), ValueError, "replicates must be at least 100, got 10"),
        (lambda: zero_shot(Z, Z, Y, seed=-1), ValueError, "seed must be at least 0, got -1"),
        (lambda: clip_score(Z, Z[:2]), ValueError, r"text must have the shape of image, wanted \(4, 4\), got \(2, 4\)"),
        (lambda: clip_score(Z, Z * 0), ValueError, "text must have a direction in every row, got 4 rows of zeros"),
        (lambda: clip_score(Z, Z, weight=-1), ValueError, "weight must be a finite number above zero, got -1"),
        (lambda: clip_score(Z, Z, weight="2"), TypeError, "weight must be a number above zero, got str"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
