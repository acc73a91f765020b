"""SupCon beside plain loops, beside NT-Xent, and against wrong input."""

import math

import pytest
import torch
from loss_cases import loop_cosine

from comm_lite.losses import nt_xent, supcon_loss


def loops(z, labels, temperature):
    total, anchors = 0.0, 0
    for i in range(len(z)):
        below = sum(torch.exp(loop_cosine(z[i], z[j]) / temperature) for j in range(len(z)) if j != i)
        positives = [p for p in range(len(z)) if p != i and labels[p] == labels[i]]
        if positives:
            anchors += 1
            for p in positives:
                total = total - torch.log(torch.exp(loop_cosine(z[i], z[p]) / temperature) / below) / len(positives)
    return total / anchors


def embeddings(n=9, d=5, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 2, 1])  # 3 stands alone


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_it_is_the_loops_in_value_and_gradient(temperature):
    ours, theirs = (embeddings().requires_grad_() for _ in range(2))
    a, b = supcon_loss(ours, LABELS, temperature=temperature), loops(theirs, LABELS, temperature)
    torch.testing.assert_close(a, b)
    a.backward(), b.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_with_the_number_of_the_sample_as_label_it_is_nt_xent():
    z = embeddings(8)
    torch.testing.assert_close(supcon_loss(z, torch.arange(4).repeat(2)), nt_xent(z[:4], z[4:]))


def test_the_order_of_the_rows_and_the_names_of_the_labels_do_not_matter():
    z, order = embeddings(), torch.randperm(9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(supcon_loss(z, LABELS), supcon_loss(z[order], 7 - LABELS[order]))


def test_guessing_costs_the_log_of_the_candidates_and_extremes_stay_finite():
    alike = torch.ones(6, 3)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert supcon_loss(alike, labels).item() == pytest.approx(math.log(5))
    assert torch.isfinite(supcon_loss(embeddings(dtype=torch.float32), LABELS, temperature=1e-3))
    half = supcon_loss(embeddings(dtype=torch.bfloat16), LABELS)
    assert half.dtype == torch.float32 and abs(half - supcon_loss(embeddings(dtype=torch.float32), LABELS)) < 0.05


def test_twenty_steps_bring_equal_labels_together():
    z = embeddings(dtype=torch.float32).requires_grad_()
    optimizer, losses = torch.optim.Adam([z], lr=0.1), []
    for _ in range(20):
        losses.append(supcon_loss(z, LABELS))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("z", "labels", "error", "text"),
    [
        (torch.eye(3), torch.arange(3), ValueError, "labels must hold one that comes twice, got 3 different ones; use"),
        (torch.eye(3), torch.zeros(2, dtype=torch.long), ValueError, "one entry for each of the 3 rows"),
        (torch.eye(3), torch.zeros(3), TypeError, "labels must hold integers, got torch.float32"),
        (torch.eye(3)[:1], torch.zeros(1, dtype=torch.long), ValueError, "at least 2 rows, got 1"),
        (torch.eye(3) * math.nan, torch.zeros(3, dtype=torch.long), ValueError, "z must be finite, got 9 NaN"),
    ],
)
def test_wrong_input_is_refused(z, labels, error, text):
    with pytest.raises(error, match=text):
        supcon_loss(z, labels)
