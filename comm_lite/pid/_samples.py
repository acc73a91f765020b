r"""What the estimators from samples share: checks, clusters, and the null of shuffled labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from comm_lite import _check
from comm_lite.pid.atoms import PID, Estimate

LEAST = 2.0**-53  # 1 - p in float64 goes from here to 0 in one step


def labelled(x1: Tensor, x2: Tensor, y: Tensor) -> tuple[Tensor, int]:
    r"""Labels as 0 ... K - 1, and K."""
    _check.shape("y", y, "N")
    _check.integers("y", y)
    _check.rows("x1", x1, len(y))
    _check.rows("x2", x2, len(y))
    classes, labels = y.cpu().unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must hold at least two classes, got {classes.tolist()}; there is nothing to tell about")
    return labels, len(classes)


def flat(name: str, x: Tensor) -> Tensor:
    r"""A source as rows of float64, checked."""
    if not x.is_floating_point():
        raise TypeError(f"{name} must hold floats, got {x.dtype}; call .float(), or one_hot for symbols")
    _check.finite(name, x)
    return x.detach().cpu().double().reshape(len(x), -1)


def seed(generator: torch.Generator) -> int:
    return int(torch.randint(2**31 - 1, (), generator=generator))


def k_means(x: np.ndarray, clusters: int, generator: torch.Generator) -> Tensor:
    from sklearn.cluster import KMeans

    model = KMeans(min(clusters, len(np.unique(x, axis=0))), n_init=1, random_state=seed(generator))
    return torch.from_numpy(model.fit_predict(x)).long()


def with_null(
    solve: Callable[[Tensor], PID], y: Tensor, permutations: int, generator: torch.Generator | None, *, cells: int
) -> Estimate:
    r"""Estimate from the labels, and from shuffled ones."""
    needs_generator(permutations, generator)
    labels = [y] + [y[torch.randperm(len(y), generator=generator)] for _ in range(permutations)]
    pid, *shuffled = map(solve, labels)
    value = pid.atoms | {"total": pid.total}
    null, p_value = {}, {}
    rank = min(math.ceil(0.95 * (permutations + 1)), permutations)
    for name in value if shuffled else ():
        draws = sorted((p.atoms | {"total": p.total})[name] for p in shuffled)
        null[name] = sum(draws) / permutations, draws[rank - 1]
        reached = sum(draw >= value[name] - 1e-7 for draw in draws)  # 1e-7: equal up to the solver's error
        p_value[name] = (1 + reached) / (1 + permutations)
    return Estimate(pid, null, p_value, len(y), cells, permutations)


def needs_generator(draws: int, generator: torch.Generator | None, name: str = "permutations") -> None:
    r"""Raise unless a number of draws is at least 0, and comes with a generator if above."""
    _check.whole(name, draws, least=0)
    if draws and not isinstance(generator, torch.Generator):
        came = type(generator).__name__
        raise TypeError(f"generator must be a torch.Generator, got {came}; pass torch.Generator().manual_seed(0)")


def cross_fit(
    x1: Tensor, x2: Tensor, y: Tensor, folds: int, probe: Any, joint: Any, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Posteriors of each source and of both, each row from probes that were trained on the other folds; tempered."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    counts = y.bincount().tolist()
    if min(counts) < folds:
        raise ValueError(f"y must hold each class at least {folds} times, got counts {counts}; lower folds")
    if probe is None:
        whiten = PCA(1 - 1e-9, svd_solver="full", whiten=True)  # a quiet direction counts as much as a loud one
        products = make_pipeline(whiten, PolynomialFeatures(2, include_bias=False), StandardScaler())
        probe = make_pipeline(products, LogisticRegression(max_iter=2000))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed(generator))

    def predict(x: Tensor, model: Any) -> Tensor:
        p = cross_val_predict(model, x.numpy(), y.numpy(), cv=split, method="predict_proba")
        return _tempered(torch.from_numpy(p), y)

    return predict(x1, probe), predict(x2, probe), predict(torch.cat([x1, x2], 1), joint or probe)


def _tempered(p: Tensor, y: Tensor) -> Tensor:
    r"""Posteriors as sure of themselves as they are right: log odds to the class shares times the best one number."""
    share = (y.bincount().double() / len(y)).log()
    odds = p.double().clamp_min(LEAST).log() - share
    low, high = 0.0, 16.0
    for _ in range(40):  # the likelihood is concave in the number, so halve the bracket of its maximum
        middle = (low + high) / 2
        slope = odds.gather(1, y[:, None])[:, 0] - ((middle * odds + share).softmax(1) * odds).sum(1)
        low, high = (middle, high) if slope.mean() > 0 else (low, middle)
    return (low * odds + share).softmax(1)
