import pytest
import torch
from torch import nn

from comm_lite.train import Muon, TrainConfig, fit, orthogonalise


def test_singular_vectors_stay_and_singular_values_come_close_to_one():
    for shape in ((6, 6), (4, 9), (9, 4)):
        left, values, right = torch.linalg.svd(torch.randn(*shape, dtype=torch.float64), full_matrices=False)
        values = torch.linspace(0.05, 3.0, len(values), dtype=torch.float64)
        result = orthogonalise(left @ torch.diag(values) @ right).double()
        core = left.T @ result @ right.T  # diagonal where the singular vectors are still the same
        assert torch.allclose(core, torch.diag(core.diagonal()), atol=1e-5)
        assert 0.68 <= core.diagonal().min() and core.diagonal().max() <= 1.14
        assert torch.allclose(left @ core @ right, result, atol=1e-5)


def test_scale_does_not_matter_and_zero_stays_zero():
    matrix = torch.randn(5, 7)
    assert torch.allclose(orthogonalise(matrix), orthogonalise(1e4 * matrix), atol=1e-5)
    assert orthogonalise(torch.zeros(3, 4)).abs().max() == 0


def test_on_matrices_it_is_torchs_own_muon():
    ours, theirs = (nn.Parameter(torch.randn(12, 5, generator=torch.Generator().manual_seed(0))) for _ in range(2))
    mine = Muon([ours], lr=0.02, momentum=0.9, weight_decay=0.1)
    reference = torch.optim.Muon([theirs], lr=0.02, momentum=0.9, weight_decay=0.1)
    target = torch.randn(12, 5, generator=torch.Generator().manual_seed(1))
    start = ours.detach().clone()
    for _ in range(5):
        for weight, optimizer in ((ours, mine), (theirs, reference)):
            weight.grad = weight.detach() - target
            optimizer.step()
    moved = (ours - start).norm()
    assert moved > 0.1
    assert (ours - theirs).norm() < 0.02 * moved  # theirs multiplies in bfloat16


def test_a_kernel_is_a_matrix_of_outputs_and_the_rest():
    kernel = nn.Parameter(torch.randn(6, 2, 3, 3))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    for weight in (kernel, matrix):
        weight.grad = torch.arange(108.0).sin().view(weight.shape)
        Muon([weight], lr=0.5).step()
    assert torch.equal(kernel.flatten(1), matrix)


def test_a_channels_last_kernel_moves_as_a_contiguous_one():
    kernel = torch.randn(6, 4, 3, 3)
    moved = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(kernel.clone(memory_format=layout))
        weight.grad = torch.arange(216.0).sin().view(6, 4, 3, 3).contiguous(memory_format=layout)
        Muon([weight], lr=0.5).step()
        moved.append(weight.detach())
    assert torch.allclose(*moved, atol=1e-6)


def test_the_closure_is_called_with_gradients_and_its_loss_returned():
    weight = nn.Parameter(torch.eye(3))
    optimizer = Muon([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3.0
    assert weight.square().sum() < 3.0


def test_fit_gives_it_the_kernels_and_adamw_the_rest():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Flatten(), nn.Linear(8, 1, bias=False))
    before = [p.detach().clone() for p in model.parameters()]
    data = [torch.randn(16, 1, 4, 4)]

    def step(model, x):
        return model(x).square().mean()

    fit(model, step, data, TrainConfig(epochs=1, lr=1e-9, kernel_lr=0.5, weight_decay=0.0, warmup=0.0, progress=False))
    kernel, matrix = ((p.detach() - b).norm() for p, b in zip(model.parameters(), before, strict=True))
    assert kernel > 0.3 and matrix < 1e-6


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: orthogonalise(torch.zeros(3)), ValueError, r"matrix must have shape \(m, n\)"),
        (lambda: orthogonalise(torch.zeros(3, 3, dtype=torch.long)), TypeError, "matrix must hold floats"),
        (lambda: orthogonalise(torch.eye(3), steps=0), ValueError, "steps must be at least 1"),
        (lambda: Muon([nn.Parameter(torch.zeros(3))]), ValueError, r"two axes, got shape \(3,\) at position 0"),
        (lambda: Muon([nn.Parameter(torch.eye(3))], lr=0.0), ValueError, "lr must be a finite number above zero"),
        (lambda: Muon([nn.Parameter(torch.eye(3))], momentum=2.0), ValueError, "momentum must lie in"),
        (lambda: Muon([nn.Parameter(torch.eye(3))], weight_decay=-1.0), ValueError, "weight_decay must lie in"),
        (lambda: TrainConfig(kernel_lr=0.0), ValueError, "kernel_lr must be a finite number above zero"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
