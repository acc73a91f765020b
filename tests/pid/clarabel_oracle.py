"""The problem of `broja` handed to Clarabel, a general conic solver: an oracle that shares nothing with ours."""

import clarabel
import numpy as np
from scipy import sparse


def least_information(p):
    """min I_q(X1, X2; Y) in nats over the joints with the marginals of p."""
    p1, p2 = p.sum(1), p.sum(0)
    cells = [c for c in np.ndindex(p.shape) if p1[c[0], c[2]] > 0 and p2[c[1], c[2]] > 0]
    pairs = sorted({c[:2] for c in cells})
    n, m = len(cells), len(pairs)  # variables: u (n), q (n), t (m); maximise sum u with q exp(u / q) <= t
    place = {pair: 2 * n + i for i, pair in enumerate(pairs)}
    rows1 = {key: i for i, key in enumerate(map(tuple, np.argwhere(p1 > 0)))}
    rows2 = {key: i + len(rows1) for i, key in enumerate(map(tuple, np.argwhere(p2 > 0)))}
    equal = len(rows1) + len(rows2)
    entries = []
    for i, (x1, x2, y) in enumerate(cells):
        entries += [(rows1[x1, y], n + i, 1.0), (rows2[x2, y], n + i, 1.0)]
        entries += [(equal + place[x1, x2] - 2 * n, n + i, 1.0)]
        cone = equal + m + 3 * i
        entries += [(cone, i, -1.0), (cone + 1, n + i, -1.0), (cone + 2, place[x1, x2], -1.0)]
    entries += [(equal + i, 2 * n + i, -1.0) for i in range(m)]  # sum of q over y minus t is 0
    i, j, value = zip(*entries, strict=True)
    size = 2 * n + m
    a = sparse.csc_matrix((value, (i, j)), shape=(equal + m + 3 * n, size))
    b = np.zeros(a.shape[0])
    b[:equal] = np.concatenate([p1[p1 > 0], p2[p2 > 0]])
    cost = np.concatenate([-np.ones(n), np.zeros(n + m)])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    cones = [clarabel.ZeroConeT(equal + m), *(clarabel.ExponentialConeT() for _ in range(n))]
    solution = clarabel.DefaultSolver(sparse.csc_matrix((size, size)), cost, a, b, cones, settings).solve()
    assert str(solution.status) in ("Solved", "AlmostSolved"), solution.status
    label = p.sum((0, 1))
    label = label[label > 0]
    return solution.obj_val - float(label @ np.log(label)), abs(solution.obj_val - solution.obj_val_dual)
