r"""FactorCL: shared and unique information of two modalities, each held by an embedding of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from comm_lite import _check
from comm_lite.losses.infonce import cosine


class _Critic(nn.Module):
    r"""Scores (N, N) of every row of ``a`` with every row of ``b``: the cosine of two projections over temperature."""

    def __init__(self, dim: int, hidden: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.left, self.right = (
            nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden)) for _ in range(2)
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        like = self.left[0].weight.dtype  # embeddings may come in half or double precision
        return cosine(self.left(a.to(like)), self.right(b.to(like))) / self.temperature


def _nce(scores: Tensor) -> Tensor:
    r"""The lower bound: log N minus InfoNCE, mean of both directions."""
    own = torch.arange(len(scores), device=scores.device)
    return math.log(len(scores)) - (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def _club(scores: Tensor) -> Tensor:
    r"""The upper bound, when the critic is the best one for NCE: scores of pairs less scores of strangers."""
    return (scores.diagonal().mean() - scores.mean()).clamp(min=0)  # information is never negative


def _fixed(critic: nn.Module, a: Tensor, b: Tensor) -> Tensor:
    r"""Scores whose gradient reaches the embeddings and not the critic."""
    return functional_call(critic, {name: weight.detach() for name, weight in critic.named_parameters()}, (a, b))


class FactorCL(nn.Module):
    r"""The FactorCL objective with the critics that its bounds need; see :eq:`eq-factorcl`.

    .. math::
        \begin{aligned}
        \mathrm{shared} &\ge I_{\mathrm{NCE}}(s_1; s_2) - I_{\mathrm{CLUB}}(s_1; s_2 \mid s_1^+, s_2^+) \\
        \mathrm{unique}_m &\ge I_{\mathrm{NCE}}(u_m; u_m^+) - I_{\mathrm{CLUB}}(u_1; u_2)
        + I_{\mathrm{NCE}}(u_1; u_2 \mid u_1^+, u_2^+)
        \end{aligned}

    The loss is minus the sum of the three right-hand sides, plus what trains the critics. :math:`I_{\mathrm{NCE}}` is
    :math:`\log N` minus InfoNCE; :math:`I_{\mathrm{CLUB}}` is the mean score of pairs less the mean score of all
    combinations, under the critic that is best for NCE. A condition is met by letting the critic see an embedding
    together with that of its own other view. Shared here means R - S and unique U + S, in the terms of partial
    information: synergy counts against the one and for the other.

    The critic of an upper bound is fitted to the embeddings as they are (``critics``), and the embeddings are moved
    under the critic as it is: neither can lower the bound by spoiling the other. A score is at most 1 / temperature,
    so no term can run away. Guessing costs 0 apart from the critics' own :math:`2 \log N`.

    For the views of the second modality the paper wants an augmentation that keeps what the first does not tell,
    :math:`I(X_2; X_2^+ \mid X_1) = I(X_2; Y \mid X_1)`: strong crops where the shape is shared and the texture is not.

    Args:
        dim: Width D of every embedding.
        hidden: Width of the critics.
        temperature: Of the critics, above zero.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import torch
        >>> objective = FactorCL(4)
        >>> z = {"image": torch.randn(8, 4), "text": torch.randn(8, 4)}
        >>> len(objective.terms(z, z, z, z)), objective(z, z, z, z).ndim
        (7, 0)

    Source:
        Liang et al., "Factorized Contrastive Learning: Going Beyond Multi-view Redundancy", 2023, section 3.
        Differs from the authors' code, where the critic of one conditional term sees an embedding twice instead of
        with its other view; in the critics, which are cosines of projections instead of perceptrons of a
        concatenation, so that all N x N scores are one product; and in an upper bound below zero, which counts as zero.
        As in the authors' code, negatives of a conditional term come from the whole batch, so that it estimates
        :math:`I(X_1, X_1^+; X_2, X_2^+)`, which is at least :math:`I(X_1; X_2 \mid X_1^+, X_2^+)`.
    """

    def __init__(self, dim: int, *, hidden: int = 128, temperature: float = 0.1) -> None:
        super().__init__()
        _check.whole("dim", dim)
        _check.whole("hidden", hidden)
        _check.positive("temperature", temperature)
        self.dim = dim
        self.shared = _Critic(dim, hidden, temperature)
        self.shared_given_views = _Critic(2 * dim, hidden, temperature)
        self.unique_first = _Critic(dim, hidden, temperature)
        self.unique_second = _Critic(dim, hidden, temperature)
        self.unique_between = _Critic(dim, hidden, temperature)
        self.unique_given_views = _Critic(2 * dim, hidden, temperature)

    def terms(
        self,
        shared: Mapping[str, Tensor],
        unique: Mapping[str, Tensor],
        shared_views: Mapping[str, Tensor],
        unique_views: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        r"""Return the six bounds and the loss of the critics, in nats; `forward` adds them with their signs.

        Args:
            shared: By name, the shared embedding of the first view of two modalities, each ``(N, D)``, ``N >= 2``.
            unique: The same for the unique embedding.
            shared_views: The shared embedding of the second view, by the same names.
            unique_views: The unique embedding of the second view.

        Returns:
            Lower bounds ``shared``, ``unique_first``, ``unique_second`` and ``unique_given_views``, upper bounds
            ``shared_given_views`` and ``unique_between``, and ``critics``, the InfoNCE of the critics of the upper
            bounds; scalars.

        Raises:
            TypeError: If an argument is not a dictionary of floating-point tensors.
            ValueError: If there are not two modalities, names or shapes differ, the batch holds one sample, a number
                is not finite, or a row is all zero.
        """
        given = {"shared": shared, "unique": unique, "shared_views": shared_views, "unique_views": unique_views}
        for name, of in given.items():
            _check.by_modality(name, of, least=2)
            _check.same_keys(name, of, "shared", shared)
            if len(of) > 2:
                raise ValueError(f"{name} must hold two modalities, got {sorted(of)}; FactorCL is defined for pairs")
        _check.embeddings(**{f"{name}[{key!r}]": z for name, of in given.items() for key, z in of.items()})
        one, two = shared
        if shared[one].shape[1] != self.dim:
            raise ValueError(
                f"embeddings must have width {self.dim}, got {shared[one].shape[1]}; build FactorCL with their width"
            )
        s1, s2, u1, u2 = shared[one], shared[two], unique[one], unique[two]
        both_s = [torch.cat([shared[name], shared_views[name]], dim=1) for name in (one, two)]
        both_u = [torch.cat([unique[name], unique_views[name]], dim=1) for name in (one, two)]
        fit = [self.shared_given_views(*(z.detach() for z in both_s)), self.unique_between(u1.detach(), u2.detach())]
        return {
            "shared": _nce(self.shared(s1, s2)),
            "shared_given_views": _club(_fixed(self.shared_given_views, *both_s)),
            "unique_first": _nce(self.unique_first(u1, unique_views[one])),
            "unique_second": _nce(self.unique_second(u2, unique_views[two])),
            "unique_between": _club(_fixed(self.unique_between, u1, u2)),
            "unique_given_views": _nce(self.unique_given_views(*both_u)),
            "critics": sum(math.log(len(scores)) - _nce(scores) for scores in fit),
        }

    def forward(
        self,
        shared: Mapping[str, Tensor],
        unique: Mapping[str, Tensor],
        shared_views: Mapping[str, Tensor],
        unique_views: Mapping[str, Tensor],
    ) -> Tensor:
        r"""Return the loss in nats, a scalar; arguments and errors as those of `terms`."""
        t = self.terms(shared, unique, shared_views, unique_views)
        kept_shared = t["shared"] - t["shared_given_views"]
        kept_unique = t["unique_first"] + t["unique_second"] + 2 * (t["unique_given_views"] - t["unique_between"])
        return t["critics"] - kept_shared - kept_unique  # (eq-factorcl)
