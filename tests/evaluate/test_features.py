import pytest
import torch
from torch import nn

from comm_lite.evaluate import embed


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))

    def forward(self, x):
        return self.layers(x["image"])


def batches(count=3, n=4):
    generator = torch.Generator().manual_seed(0)
    return [({"image": torch.randn(n, 3, generator=generator)}, {"shape": torch.arange(n) + i}) for i in range(count)]


def test_features_and_labels_come_in_order():
    z, y = embed(lambda x: x["image"] * 2, batches())
    torch.testing.assert_close(z, torch.cat([x["image"] for x, _ in batches()]) * 2)
    assert y["shape"].tolist() == [0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5]


def test_model_is_evaluated_and_gets_its_modes_back():
    torch.manual_seed(0)
    model = Model().train()
    model.layers[2].eval()  # one part was frozen by its owner
    before = {name: value.clone() for name, value in model.state_dict().items()}
    z, _ = embed(model, batches())
    again, _ = embed(model, batches())
    assert torch.equal(z, again)  # no dropout
    assert not z.requires_grad
    assert [m.training for m in model.modules()] == [True, True, True, True, False]
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())  # batch statistics too
    (z * torch.ones(4, requires_grad=True)).sum().backward()  # features are ordinary tensors


def test_features_do_not_depend_on_batch_mates():
    model = Model().train()
    model(batches()[0][0])
    together, _ = embed(model, batches(1))
    alone, _ = embed(model, [({"image": batches(1)[0][0]["image"][:1]}, {})])
    torch.testing.assert_close(together[:1], alone)


def test_modes_come_back_after_an_error():
    model = Model().train()
    with pytest.raises(KeyError):
        embed(model, [({"text": torch.ones(2, 3)}, {})])
    assert all(m.training for m in model.modules())


def test_function_is_used_in_place_of_the_model():
    model = Model().train()
    seen = []

    def first_layer(x):
        seen.append(model.training)
        return model.layers[0](x["image"]).bfloat16()

    z, _ = embed(model, batches(2), function=first_layer)
    assert z.shape == (8, 4) and z.dtype == torch.float32
    assert seen == [False, False]


def test_errors():
    with pytest.raises(TypeError, match=r"model must be a module or a function of x, got str; pass the model itself"):
        embed("model", batches())
    with pytest.raises(TypeError, match=r"batches must yield pairs \(x, y\) with a dictionary y .* got Tensor; wrap"):
        embed(Model(), [torch.ones(2, 3)])
    with pytest.raises(
        ValueError, match=r"batches must yield at least one pair \(x, y\), got none; a used-up iterator"
    ):
        embed(Model(), [])
    with pytest.raises(ValueError, match=r"features must have shape \(B, D\), got \(4, 3, 1\); bring it to 2 axes"):
        embed(lambda x: x["image"][..., None], batches())
    with pytest.raises(ValueError, match=r"features must be finite, got 36 NaN or infinite of 36 numbers"):
        embed(lambda x: x["image"] / 0, batches())
    with pytest.raises(ValueError, match=r"y\['shape'\] must have one entry for each of the 4 rows, got shape \(3,\)"):
        embed(lambda x: x["image"], [(batches()[0][0], {"shape": torch.arange(3)})])
    with pytest.raises(ValueError, match=r"batches must carry the same tasks throughout, wanted \['shape'\], got \[\]"):
        embed(lambda x: x["image"], [batches()[0], (batches()[0][0], {})])
