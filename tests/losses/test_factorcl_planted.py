"""FactorCL trained on vectors whose parts are known: what is shared rises over the untrained floor, and stays."""

import torch
from factorcl_cases import NAMES, objective
from torch import nn

KINDS, WIDTH = 10, 16


def shapes_and_textures(shape, texture, tables, g):
    """Two vectors that show one shape and a texture each; the sign of a vector and its noise are new in every view."""
    views = {}
    for k, name in enumerate(NAMES):
        x = tables[0, k][shape] + tables[1, k][texture[k]]
        sign = 1 - 2.0 * torch.randint(2, (len(x), 1), generator=g)
        views[name] = sign * x + 0.5 * torch.randn(x.shape, generator=g)
    return views


def read_linearly(z, label, train=500):
    """Accuracy in per cent of least squares on the held-out rows."""
    z = torch.cat([(z - z[:train].mean(0)) / z[:train].std(0), torch.ones(len(z), 1)], dim=1).double()
    told = nn.functional.one_hot(label, KINDS).double()
    weights = torch.linalg.solve(z[:train].T @ z[:train] + torch.eye(z.shape[1]), z[:train].T @ told[:train])
    return 100 * ((z[train:] @ weights).argmax(1) == label[train:]).float().mean().item()


def test_trained_on_planted_parts_it_keeps_what_is_shared_and_what_is_unique():
    g = torch.Generator().manual_seed(0)
    tables = 3 * nn.functional.normalize(torch.randn(2, 2, KINDS, WIDTH, generator=g), dim=3)
    of = objective(16, out=8, hidden=32)
    encoders = {name: nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, 16)) for name in NAMES}
    trained = [p for m in (of, *encoders.values()) for p in m.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=6e-3)
    shape, *texture = torch.randint(KINDS, (3, 1500), generator=g)
    asked = shapes_and_textures(shape, texture, tables, g)

    def read():
        with torch.no_grad():
            z = of.represent({name: encoders[name](asked[name]) for name in NAMES})
        return [read_linearly(z, label) for label in (shape, *texture)]

    scores = {0: read()}
    for step in range(1, 241):
        labels = torch.randint(KINDS, (3, 64), generator=g)
        views = [shapes_and_textures(labels[0], labels[1:], tables, g) for _ in range(2)]
        views = [{name: encoders[name](x) for name, x in view.items()} for view in views]
        of.fit_critics(*views)
        optimizer.zero_grad()
        of(*views).backward()
        optimizer.step()
        assert all(abs(value) < 25 for value in of.last.values())
        if step in (60, 240):
            scores[step] = read()
    (floor, *unread), (early, *_), (late, *textures) = scores.values()
    assert early > floor + 20 and late > floor + 35  # it rises, and after four times as many steps it stands
    assert late > early - 2
    assert sum(textures) > sum(unread) + 4  # what is unique comes later
