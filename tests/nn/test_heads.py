import pytest
import torch
from torch import nn

from comm_lite.nn import ProjectionHead


def test_shape_and_layers():
    head = ProjectionHead(12, hidden=16, out=6)
    assert head(torch.randn(4, 12)).shape == (4, 6)
    kinds = [type(module) for module in head]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    paper = ProjectionHead(512)
    assert (paper[0].out_features, paper[3].out_features, paper[6].out_features) == (512, 512, 256)


def test_training_equals_the_layers_written_out():
    head, z = ProjectionHead(12, hidden=16, out=6).train(), torch.randn(8, 12)

    def normal(h, norm):
        return (h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt() * norm.weight + norm.bias

    hidden = normal(z @ head[0].weight.T, head[1]).clamp(min=0)
    hidden = normal(hidden @ head[3].weight.T, head[4]).clamp(min=0)
    assert torch.allclose(head(z), hidden @ head[6].weight.T + head[6].bias, atol=1e-5)


def test_evaluation_does_not_look_at_batch_mates():
    head, z = ProjectionHead(12, hidden=16, out=6), torch.randn(8, 12)
    head(z)
    head.eval()
    assert torch.allclose(head(z[2:3])[0], head(z)[2], atol=1e-6)
    assert torch.allclose(head(z.flip(0)), head(z).flip(0), atol=1e-6)


def test_gradient_reaches_every_parameter_and_leaves_the_input_alone():
    head, z = ProjectionHead(12, hidden=16, out=6), torch.randn(8, 12)
    before = z.clone()
    head(z).square().sum().backward()
    assert torch.equal(z, before)
    assert all(p.grad is not None and p.grad.any() for p in head.parameters())


def test_state_travels():
    first, second, z = ProjectionHead(12, hidden=16, out=6), ProjectionHead(12, hidden=16, out=6), torch.randn(8, 12)
    first(z)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.eval()(z), first.eval()(z))


def test_one_row_is_refused_in_training_and_welcome_in_evaluation():
    head = ProjectionHead(12, hidden=16, out=6)
    with pytest.raises(ValueError, match=r"z must hold at least 2 rows in training, got 1; .* call model.eval\(\)"):
        head(torch.randn(1, 12))
    assert head.eval()(torch.randn(1, 12)).shape == (1, 6)
    assert head(torch.randn(0, 12)).shape == (0, 6)


def test_a_part_of_a_head_is_a_plain_sequence_of_its_layers():
    head, z = ProjectionHead(8, hidden=12, out=6).eval(), torch.randn(4, 8)
    trunk = head[:-1]
    assert type(trunk) is nn.Sequential and len(trunk) == 6 and trunk[0] is head[0]
    assert torch.allclose(head[-1](trunk(z)), head(z), atol=1e-6)
    assert type(head[2]) is nn.ReLU and len(head[1:3]) == 2


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: ProjectionHead(0), ValueError, "dim must be at least 1, got 0"),
        (lambda: ProjectionHead(8, hidden=-1), ValueError, "hidden must be at least 1, got -1"),
        (lambda: ProjectionHead(8, out=1.5), TypeError, "out must be an integer, got float"),
        (lambda: ProjectionHead(8)(torch.rand(4, 7)), ValueError, r"z must have width 8, got shape \(4, 7\)"),
        (lambda: ProjectionHead(8)(torch.rand(4, 2, 8)), ValueError, r"z must have shape \(B, D\), got \(4, 2, 8\)"),
        (lambda: ProjectionHead(8)("z"), TypeError, "z must be a torch.Tensor, got str"),
    ],
)
def test_wrong_input_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
