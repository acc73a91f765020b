from dataclasses import FrozenInstanceError, replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from comm_lite.evaluate import Score, linear_probe


def clusters(n, classes=4, width=8, *, signal=1.0, seed=0, y=None):
    """Classes at fixed random centres, at distance ``signal`` in units of the noise."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    y = torch.randint(classes, (n,), generator=generator) if y is None else y
    return signal * centres[y] + torch.randn(n, width, generator=generator), y


def rare(n, *, signal, seed):
    y = (torch.rand(n, generator=torch.Generator().manual_seed(seed + 50)) < 0.1).long()
    return clusters(n, 2, signal=signal, seed=seed, y=y)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("C", [1e-3, 1.0])
def test_one_value_of_c_is_scikit_learn_written_out(C, class_weight):
    (a, ya), (b, yb) = rare(600, signal=0.5, seed=0), rare(400, signal=0.5, seed=1)
    a, b = a * 100 + 7, b * 100 + 7
    scaler = StandardScaler().fit(a.numpy())
    fitted = LogisticRegression(C=C, class_weight=class_weight, tol=1e-6, max_iter=5000)
    fitted.fit(scaler.transform(a.numpy()), ya.numpy())
    expected = balanced_accuracy_score(yb.numpy(), fitted.predict(scaler.transform(b.numpy())))
    score = linear_probe(a, ya, b, yb, Cs=[C], class_weight=class_weight)
    assert score.balanced_accuracy == pytest.approx(expected, abs=0.006)  # one positive of 40 is 0.0125
    assert score.C == C and score.converged


def test_features_as_they_are_count_by_their_size():
    (a, ya), (b, yb) = clusters(600, 2, seed=0), clusters(400, 2, seed=1)
    scale = torch.full((8,), 1e-3)
    fitted = LogisticRegression(C=1.0, max_iter=5000).fit((a * scale).numpy(), ya.numpy())
    expected = balanced_accuracy_score(yb.numpy(), fitted.predict((b * scale).numpy()))
    raw, scaled = (linear_probe(a * scale, ya, b * scale, yb, Cs=[1.0], standardise=s) for s in (False, True))
    assert raw.balanced_accuracy == pytest.approx(expected, abs=0.006)
    assert scaled.balanced_accuracy == linear_probe(a, ya, b, yb, Cs=[1.0]).balanced_accuracy != raw.balanced_accuracy
    half = linear_probe(a.bfloat16(), ya, b.bfloat16(), yb, Cs=[1.0], standardise=False)
    assert half.balanced_accuracy == pytest.approx(scaled.balanced_accuracy, abs=0.02)
    # What is small beside a feature of great spread is found only where every feature counts alike.
    hidden = torch.cat([1e-3 * a, 30 * torch.randn(600, 1, generator=torch.Generator().manual_seed(3))], dim=1)
    found = [linear_probe(hidden, ya, hidden, ya, Cs=[1e-2], standardise=s).balanced_accuracy for s in (False, True)]
    assert found[0] < 0.65 < 0.75 < found[1]


def test_a_fit_leaves_the_threads_as_they_were():
    from threadpoolctl import threadpool_info

    a, ya = clusters(60)
    before = [pool["num_threads"] for pool in threadpool_info()]
    linear_probe(a, ya, a, ya, Cs=[1.0])
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_perfect_chance_and_labels_of_any_kind():
    a, ya = clusters(400, signal=20)
    b, yb = clusters(200, signal=20, seed=1)
    perfect = linear_probe(a, ya * 10 - 7, b, yb * 10 - 7)
    assert perfect.balanced_accuracy == perfect.high == 1.0 > perfect.low > 0.93
    assert (
        perfect.chance == 0.25
        and perfect.classes == perfect.occurring == 4
        and perfect.n_test == perfect.n_items == 200
    )
    g = torch.Generator().manual_seed(0)
    noise = linear_probe(torch.randn(400, 8, generator=g), ya, torch.randn(200, 8, generator=g), yb)
    assert noise.low < 0.25 < noise.high


def test_collapsed_features_are_at_chance():
    ya, yb = torch.arange(100) % 5, torch.arange(50) % 5
    constant = torch.full((100, 3), 0.1)
    score = linear_probe(constant, ya, constant[:50], yb)
    assert score.balanced_accuracy == pytest.approx(0.2)
    # Rounding noise around a constant is no signal either, however the labels sit on it.
    for dtype, hair in ((torch.float32, 6e-9), (torch.float64, 1.2e-17)):
        noisy = constant.to(dtype) + (hair * ya[:, None]).to(dtype)
        assert len(noisy.unique()) > 1
        assert linear_probe(noisy, ya, noisy[:50], yb).balanced_accuracy == pytest.approx(0.2)


def test_float64_is_judged_by_its_own_resolution():
    (a, ya), (b, yb) = clusters(300, signal=9), clusters(200, signal=9, seed=1)
    small, other = (1e4 + 5e-5 * z.double() for z in (a, b))
    assert StandardScaler().fit(small.numpy()).scale_.max() < 0.1  # scikit-learn divides by it too
    found, plain = linear_probe(small, ya, other, yb), linear_probe(a, ya, b, yb)
    assert (
        found.balanced_accuracy == pytest.approx(plain.balanced_accuracy, abs=0.01) and plain.balanced_accuracy > 0.99
    )


def test_chance_is_that_of_the_classes_that_occur():
    constant, y = torch.ones(90, 2), torch.arange(90) % 3
    score = linear_probe(constant, y, constant[:30], torch.arange(30) % 10 // 9)
    assert (score.classes, score.occurring) == (3, 2) and score.majority == pytest.approx(0.9)
    assert score.balanced_accuracy <= score.chance == 0.5
    assert "30 test rows in 2 of 3 classes, C" in str(score)


def test_always_negative_is_chance_not_ninety_per_cent():
    (a, ya), (b, yb) = rare(1000, signal=0.0, seed=0), rare(1000, signal=0.0, seed=1)
    assert (yb == 0).float().mean() > 0.85
    assert linear_probe(a, ya, b, yb).balanced_accuracy == pytest.approx(0.5, abs=0.02)


def test_class_weight_moves_the_threshold_for_rare_classes():
    (a, ya), (b, yb) = rare(2000, signal=0.4, seed=0), rare(2000, signal=0.4, seed=1)
    plain, balanced = (linear_probe(a, ya, b, yb, class_weight=w).balanced_accuracy for w in (None, "balanced"))
    assert balanced > plain + 0.1


def test_scale_and_shift_of_a_feature_do_not_matter():
    (a, ya), (b, yb) = clusters(300), clusters(200, seed=1)
    scale, shift = torch.logspace(-3, 3, 8), torch.linspace(-5, 5, 8)
    plain, moved = linear_probe(a, ya, b, yb), linear_probe(a * scale + shift, ya, b * scale + shift, yb)
    assert moved.balanced_accuracy == pytest.approx(plain.balanced_accuracy, abs=0.01)
    assert moved.C == plain.C


def test_order_of_the_test_rows_does_not_matter():
    (a, ya), (b, yb) = clusters(300), clusters(200, seed=1)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(5))
    assert linear_probe(a, ya, b, yb).balanced_accuracy == pytest.approx(
        linear_probe(a, ya, b[order], yb[order]).balanced_accuracy, abs=1e-12
    )


def test_c_is_chosen_without_a_look_at_the_test_part():
    (a, ya), (b, yb) = clusters(300, width=64, signal=0.3), clusters(200, width=64, signal=0.3, seed=1)
    chosen = linear_probe(a, ya, b, yb)
    assert linear_probe(a, ya, b, (yb + 1) % 4).C == chosen.C
    assert linear_probe(a, ya, torch.zeros_like(b), yb).C == chosen.C
    assert chosen.C in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    assert linear_probe(a, ya, b, yb, Cs=[chosen.C]).balanced_accuracy == chosen.balanced_accuracy


def test_items_that_repeat_would_flatter_a_large_c():
    # Each item five times with nearly the same features: rows drawn by themselves are known from their twins, and the
    # weakest penalty looks best. Held-out items are not known, so memory does not pay.
    chosen = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        items = torch.arange(200).repeat(5)
        y = (torch.arange(200) % 2)[torch.randperm(200, generator=generator)][items]
        z = torch.randn(200, 100, generator=generator)[items] + 0.01 * torch.randn(1000, 100, generator=generator)
        z[:, 0] += y
        by_row, by_item = (linear_probe(z, y, z, y, train_items=i, replicates=100).C for i in (None, items))
        chosen.append((by_row, by_item))
    decades = torch.tensor(chosen, dtype=torch.float64).log10().mean(dim=0)
    assert decades[0] > decades[1] + 1


def test_seeds():
    (a, ya), (b, yb) = clusters(300), clusters(200, seed=1)
    first, again, other = (linear_probe(a, ya, b, yb, seed=s) for s in (0, 0, 1))
    assert first == again
    pairs = [linear_probe(a, ya, b, yb, items=torch.arange(200) // 4, seed=s).low for s in (0, 0, 1)]
    assert pairs[0] == pairs[1] != pairs[2]
    assert other.balanced_accuracy == pytest.approx(first.balanced_accuracy, abs=0.05)
    assert first.low < first.balanced_accuracy < first.high


def test_a_fit_that_did_not_converge_says_so():
    (a, ya), (b, yb) = clusters(300), clusters(200, seed=1)
    score = linear_probe(a, ya, b, yb, max_iter=1)
    assert not score.converged
    assert str(score).endswith("NOT CONVERGED: raise max_iter")


def test_bfloat16_features_and_gradients():
    (a, ya), (b, yb) = clusters(300, signal=3), clusters(200, signal=3, seed=1)
    score = linear_probe(a.bfloat16().requires_grad_(), ya, b.bfloat16(), yb.int())
    assert score.balanced_accuracy > 0.9


def test_score_is_frozen_and_prints_fractions():
    counts = {"classes": 2, "occurring": 2, "majority": 0.9, "n_test": 4096, "n_items": 200}
    score = Score(0.719, 0.5, 0.69, 0.75, C=0.01, **counts, converged=True)
    expected = "balanced accuracy 0.719 [0.690, 0.750] (chance 0.500; 4096 test rows of 200 items, C = 0.01)"
    assert str(score) == expected
    assert "4096 test rows, C" in str(replace(score, n_items=4096))
    with pytest.raises(FrozenInstanceError):
        score.low = 0.0


def test_ten_thousand_rows_converge():
    a, ya = clusters(10_000, 10, 256, signal=0.2)
    b, yb = clusters(4_000, 10, 256, signal=0.2, seed=1)
    pairs = torch.randint(200, (4000, 2), generator=torch.Generator().manual_seed(0))
    score = linear_probe(a, ya, b, yb, items=pairs)
    assert score.converged and score.n_items == 200
    assert score.low < score.balanced_accuracy < score.high


Z, Y = clusters(40)
GOOD = {"train_z": Z, "train_y": Y, "test_z": Z, "test_y": Y}
ERRORS = [
    ({"train_z": Z.tolist()}, TypeError, r"train_z must be a torch.Tensor, got list; wrap it"),
    ({"train_z": Z[0]}, ValueError, r"train_z must have shape \(N, D\), got \(8,\); bring it to 2 axes"),
    ({"test_z": Z.long()}, TypeError, r"test_z must hold floating-point features, got torch.int64; call .float"),
    ({"test_z": Z[:0], "test_y": Y[:0]}, ValueError, r"test_z must hold at least one row, got none; check the split"),
    ({"train_z": Z / 0}, ValueError, r"train_z must be finite, got 320 NaN or infinite of 320 numbers"),
    ({"test_z": Z[:, :5]}, ValueError, r"test_z must have the width of train_z, wanted 8, got 5; take both from the"),
    ({"train_y": Y[:-1]}, ValueError, r"train_y must have one entry for each of the 40 rows, got shape \(39,\)"),
    ({"test_y": Y[:, None]}, ValueError, r"test_y must have shape \(N\), got \(40, 1\); bring it to 1 axes"),
    ({"test_y": Y.float()}, TypeError, r"test_y must hold integers, got torch.float32; call .long\(\) first"),
    ({"train_y": Y > 1}, TypeError, r"train_y must hold integers, got torch.bool; call .long\(\) first"),
    ({"train_y": Y * 0}, ValueError, r"train_y must hold at least two classes, got only \[0\]; nothing to tell apart"),
    (
        {"test_y": Y * 0},
        ValueError,
        r"test_y must hold at least two classes, got only \[0\]; else a constant is",
    ),
    ({"test_y": Y + 2}, ValueError, r"test_y must hold only classes seen in training, got unknown \[4, 5\]; check"),
    (
        {"train_y": torch.arange(40) // 39, "test_y": torch.arange(40) % 2},
        ValueError,
        r"labels must hold at least two rows of each class, got one of \[1\]; one part is held out to choose C",
    ),
    ({"items": torch.arange(39)}, ValueError, r"items must have one entry for each of the 40 rows, got shape \(39,\)"),
    ({"train_items": torch.rand(40)}, TypeError, r"train_items must hold integers, got torch.float32"),
    ({"train_items": Y}, ValueError, r"items must leave every class on both sides of the split, got no held-out row"),
    ({"class_weight": "even"}, ValueError, r"class_weight must be one of \[None, 'balanced'\], got 'even'; choose"),
    ({"Cs": [1.0, 0.1]}, ValueError, r"Cs must hold ascending values, got \[1.0, 0.1\]; sort them, since each fit"),
    ({"Cs": []}, ValueError, r"Cs must hold ascending values, got \[\]"),
    ({"Cs": [0.0, 1.0]}, ValueError, r"Cs must be a finite number above zero, got 0.0"),
    ({"replicates": 99}, ValueError, r"replicates must be at least 100, got 99; pass a larger one"),
    ({"max_iter": 0}, ValueError, r"max_iter must be at least 1, got 0; pass a larger one"),
    ({"seed": -1}, ValueError, r"seed must be at least 0, got -1; pass a larger one"),
    ({"seed": 0.5}, TypeError, r"seed must be an integer, got float; pass one of at least 0"),
]


@pytest.mark.parametrize(("wrong", "error", "text"), ERRORS)
def test_errors(wrong, error, text):
    with pytest.raises(error, match=text):
        linear_probe(**{**GOOD, **wrong})
