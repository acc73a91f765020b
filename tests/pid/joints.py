"""Joint distributions that are hard for a solver: dense, sparse, counted, deterministic, noisy, with rare symbols."""

import numpy as np

SHAPES = [(2, 2, 2), (3, 3, 2), (4, 4, 3), (5, 5, 5), (3, 6, 2), (6, 3, 4), (8, 8, 2), (2, 5, 3)]
KINDS = ("dense", "sparse", "nearly empty", "counts", "function", "noisy function", "rare x1", "rare x2 and y")


def hard_joint(kind, shape, rng):
    n1, n2, k = shape
    size = n1 * n2 * k
    if kind in ("dense", "sparse", "nearly empty"):
        p = rng.dirichlet(np.full(size, {"dense": 1.0, "sparse": 0.2, "nearly empty": 0.03}[kind])).reshape(shape)
    elif kind == "counts":
        p = np.bincount(rng.choice(size, rng.integers(5, 60)), minlength=size).astype(float).reshape(shape)
    elif kind in ("function", "noisy function"):
        weight = rng.dirichlet(np.ones(n1 * n2)).reshape(n1, n2) if kind == "function" else np.ones((n1, n2))
        p = np.zeros(shape)
        np.put_along_axis(p, rng.integers(k, size=(n1, n2, 1)), weight[..., None], axis=2)
        if kind == "noisy function":
            p = p / p.sum() + rng.choice([1e-6, 1e-12]) * rng.random(shape)
    else:
        p = rng.dirichlet(np.ones(size)).reshape(shape)
        if kind == "rare x1":
            p[rng.integers(n1)] *= 10.0 ** -rng.integers(6, 13)
        else:
            p[:, rng.integers(n2)] *= 10.0 ** -rng.integers(6, 13)
            p[:, :, rng.integers(k)] *= 10.0 ** -rng.integers(0, 13)
    return p / p.sum()


def hard_joints(number, seed):
    rng = np.random.default_rng(seed)
    for i in range(number):
        kind = KINDS[i % len(KINDS)]
        yield kind, hard_joint(kind, SHAPES[rng.integers(len(SHAPES))], rng)


def binned_gaussian(bins, seed):
    """Two correlated normal sources and a noisy sum, on a grid; cells below 1e-10 are empty."""
    rng = np.random.default_rng(seed)
    rho, weights = rng.uniform(-0.9, 0.9), rng.uniform(-1, 1, 2)
    noise = 10 ** rng.uniform(-1.5, 0.3)
    sources = np.array([[1, rho], [rho, 1]])
    brought = sources @ weights
    total = np.block([[sources, brought[:, None]], [brought[None], weights @ brought + noise**2]])
    grid = np.linspace(-3.5, 3.5, bins)
    points = np.stack(np.meshgrid(grid, grid, grid * np.sqrt(total[2, 2]), indexing="ij"), -1)
    p = np.exp(-0.5 * np.einsum("...i,ij,...j", points, np.linalg.inv(total), points))
    p /= p.sum()
    p[p < 1e-10] = 0
    return p / p.sum()
