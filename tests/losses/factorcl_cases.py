"""FactorCL for the tests: small instances, and its six terms once more in plain loops."""

import math

import torch
from loss_cases import loop_cosine

from comm_lite.losses import FactorCL

NAMES = ("a", "b")
LOWER = ("shared", "unique_first", "unique_second", "unique_given_views")
UPPER = ("shared_given_views", "unique_between")


def objective(dim=4, seed=0, **settings):
    torch.manual_seed(seed)
    return FactorCL(NAMES, dim, **{"out": 3, "hidden": 8, **settings})


def draw(n=6, d=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [{name: torch.randn(n, d, generator=g) for name in NAMES} for _ in range(2)]


def loop_nce(f):
    n, total = len(f), 0.0
    for i in range(n):
        row = sum(torch.exp(f[i][j]) for j in range(n))
        column = sum(torch.exp(f[j][i]) for j in range(n))
        total = total + torch.log(torch.exp(f[i][i]) / row) + torch.log(torch.exp(f[i][i]) / column)
    return math.log(n) + total / (2 * n)


def loop_club(f):
    n = len(f)
    return sum(f[i][i] for i in range(n)) / n - sum(f[i][j] for i in range(n) for j in range(n)) / n**2


def loop_scores(of, term, left, right):
    """Each argument: rows of (representation, head) parts, which the critic sees side by side."""
    critic, scores = of.critics[term], []
    sides = [torch.cat([head(z) for z, head in parts], dim=1) for parts in (left, right)]
    u, v = critic.left(sides[0]), critic.right(sides[1])
    for i in range(len(u)):
        scores.append([loop_cosine(u[i], v[j]) / critic.temperature for j in range(len(v))])
    return scores


def loops(of, x, x_plus):
    """The six terms, each spelt out."""
    a, b = of.heads
    return {
        "shared": loop_nce(loop_scores(of, "shared", [(x["a"], a["shared"])], [(x["b"], b["shared"])])),
        "shared_given_views": loop_club(
            loop_scores(
                of,
                "shared_given_views",
                [(x["a"], a["shared_given_views"]), (x_plus["a"], a["shared_given_views"])],
                [(x["b"], b["shared_given_views"]), (x_plus["b"], b["shared_given_views"])],
            )
        ),
        "unique_first": loop_nce(
            loop_scores(of, "unique_first", [(x["a"], a["unique"])], [(x_plus["a"], a["unique"])])
        ),
        "unique_second": loop_nce(
            loop_scores(of, "unique_second", [(x["b"], b["unique"])], [(x_plus["b"], b["unique"])])
        ),
        "unique_between": loop_club(
            loop_scores(of, "unique_between", [(x["a"], a["unique_between"])], [(x["b"], b["unique_between"])])
        ),
        "unique_given_views": loop_nce(
            loop_scores(
                of,
                "unique_given_views",
                [(x["a"], a["unique_given_views"]), (x_plus["a"], a["unique_given_views"])],
                [(x["b"], b["unique_given_views"]), (x_plus["b"], b["unique_given_views"])],
            )
        ),
    }
