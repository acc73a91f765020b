r"""FactorCL: what two modalities share and what each has to itself, six bounds with heads and a critic each.

Shapes: ``N`` pairs in the batch, ``D`` width of a representation, ``P`` width of a head.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.losses.infonce import cosine_core

Views = Mapping[str, Tensor]

HEADS = ("shared", "shared_given_views", "unique", "unique_between", "unique_given_views")  # of each modality
ALONE = ("unique_first", "unique_second")  # compare two views of one modality, through its head "unique"
UPPER = ("shared_given_views", "unique_between")  # bounded from above; their critics have a step of their own


class _Critic(nn.Module):
    r"""Scores (N, N) of every row of ``a`` with every row of ``b``: the cosine of two projections over temperature."""

    def __init__(self, dim: int, hidden: int, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.left, self.right = (
            nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden)) for _ in range(2)
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return cosine_core(self.left(a), self.right(b)) / self.temperature


def _nce(scores: Tensor) -> Tensor:
    r"""The lower bound: log N minus InfoNCE, mean of both directions."""
    own = torch.arange(len(scores), device=scores.device)
    return math.log(len(scores)) - (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def _club(scores: Tensor) -> Tensor:
    r"""The upper bound, when the critic is the best one for NCE: scores of pairs less scores of strangers."""
    return scores.diagonal().mean() - scores.mean()


class FactorCL(nn.Module):
    r"""The FactorCL objective with its heads and critics; see :eq:`eq-factorcl`.

    .. math::
        \begin{aligned}
        \mathcal{L}_{\mathrm{FactorCL}} = &- I_{\mathrm{NCE}}(x_1; x_2) - I_{\mathrm{NCE}}(x_1; x_1^+)
        - I_{\mathrm{NCE}}(x_2; x_2^+) - I_{\mathrm{NCE}}(x_1; x_2 \mid x_1^+, x_2^+) \\
        &+ I_{\mathrm{CLUB}}(x_1; x_2) + I_{\mathrm{CLUB}}(x_1; x_2 \mid x_1^+, x_2^+)
        \end{aligned}

    Here :math:`x_m` is ``first[m]`` and :math:`x_m^+` is ``second[m]``. Each term looks at them through linear heads of
    its own and scores them with a critic of its own, so that what one term wants gone can stay with another.
    :math:`I_{\mathrm{NCE}}` is :math:`\log N` minus InfoNCE; :math:`I_{\mathrm{CLUB}}` is the mean score of pairs less
    the mean score of all combinations, under the critic that is best for NCE. A condition is met by letting the critic
    see a row together with its other view. A score is at most 1 / temperature, so no term can run away. Guessing
    costs 0.

    The critics of the two upper bounds are no part of what the loss trains: `fit_critics` fits them to the heads as
    they are, and the loss moves heads and encoders under the critics as they are. Call it with every batch, before the
    loss. What is read afterwards is the output of all heads, from `represent`.

    Args:
        modalities: The names of the two modalities, first and second; the order of a dictionary plays no part.
        dim: Width D of a representation.
        out: Width P of a head.
        hidden: Width of the critics.
        temperature: Of the critics, above zero.
        critic_lr: Learning rate of `fit_critics`, above zero.
        critic_steps: Steps that `fit_critics` takes on a batch.

    Raises:
        TypeError: If the names are not texts or a number is none.
        ValueError: If there are not two names, or a number is out of range.

    Example:
        >>> objective = FactorCL(("image", "text"), 4, out=3)
        >>> first, second = ({"image": torch.randn(8, 4), "text": torch.randn(8, 4)} for _ in range(2))
        >>> objective.fit_critics(first, second)
        >>> objective(first, second).ndim, len(objective.terms(first, second)), objective.represent(first).shape
        (0, 6, torch.Size([8, 30]))

    Source:
        Liang et al., "Factorized Contrastive Learning: Going Beyond Multi-view Redundancy", 2023, section 3 and the
        loss as it was run, appendix D, where each term counts once (minus the sum of all shared and unique parts would
        count two of them twice).
        Differs from the authors' code, where the critic of one conditional term sees a row twice instead of with its
        other view; and in the critics, which are cosines of projections instead of perceptrons of a concatenation, so
        that all N x N scores are one product. As in the authors' code, negatives of a conditional term come from the
        whole batch, so that it estimates :math:`I(x_1, x_1^+; x_2, x_2^+)`.
    """

    def __init__(
        self,
        modalities: Iterable[str],
        dim: int,
        *,
        out: int = 128,
        hidden: int = 128,
        temperature: float = 0.1,
        critic_lr: float = 1e-3,
        critic_steps: int = 1,
    ) -> None:
        super().__init__()
        self.modalities = tuple(_check.texts("modalities", modalities))
        if len(set(self.modalities)) != 2 or len(self.modalities) != 2:
            raise ValueError(f"modalities must name two, got {list(self.modalities)}; FactorCL is defined for pairs")
        for name, value in (("dim", dim), ("out", out), ("hidden", hidden), ("critic_steps", critic_steps)):
            _check.whole(name, value)
        _check.temperature("temperature", temperature)
        _check.positive("critic_lr", critic_lr)
        self.dim, self.critic_steps = dim, critic_steps
        self.heads = nn.ModuleList(nn.ModuleDict({term: nn.Linear(dim, out) for term in HEADS}) for _ in range(2))
        widths = {term: 2 * out if term.endswith("given_views") else out for term in HEADS if term != "unique"}
        widths |= dict.fromkeys(ALONE, out)
        self.critics = nn.ModuleDict({term: _Critic(width, hidden, temperature) for term, width in widths.items()})
        fitted = [weight.requires_grad_(False) for term in UPPER for weight in self.critics[term].parameters()]
        self._optimizer = torch.optim.Adam(fitted, lr=critic_lr)

    def represent(self, z: Views) -> Tensor:
        r"""Return the output of all heads side by side, shape ``(N, 10 P)``, of representations ``z`` by name."""
        return torch.cat([head(part) for part, heads in self._sides(z) for head in heads.values()], dim=1)

    def fit_critics(self, first: Views, second: Views) -> None:
        r"""Fit the critics of the upper bounds to the heads as they are; arguments and errors as those of `terms`."""
        self._refuse(first, second)
        with torch.autocast(first[self.modalities[0]].device.type, enabled=False), torch.enable_grad():
            seen = {term: [side.detach() for side in self._seen(term, first, second)] for term in UPPER}
            weights = self._optimizer.param_groups[0]["params"]
            for _ in range(self.critic_steps):
                free = [weight.requires_grad_() for weight in weights]
                loss = -sum(_nce(self.critics[term](*sides)) for term, sides in seen.items())
                for weight, slope in zip(weights, torch.autograd.grad(loss, free), strict=True):
                    weight.requires_grad_(False).grad = slope
                self._optimizer.step()
                self._optimizer.zero_grad()

    def terms(self, first: Views, second: Views) -> dict[str, Tensor]:
        r"""Return the six bounds in nats; `forward` adds them with their signs.

        Args:
            first: By name, the representations of one view of both modalities, each ``(N, D)``, ``N >= 2``.
            second: The same of another view of the same samples.

        Returns:
            Lower bounds ``shared``, ``unique_first``, ``unique_second`` and ``unique_given_views``, and upper bounds
            ``shared_given_views`` and ``unique_between``; scalars.

        Raises:
            TypeError: If an argument is not a dictionary of floating-point tensors.
            ValueError: If names, shapes or the width are others than wanted, or the batch holds one sample; and, on
                the CPU, if a number is not finite or a row is all zero.
        """
        self._refuse(first, second)
        found = {}
        for term, critic in self.critics.items():
            scores = critic(*self._seen(term, first, second))
            found[term] = _club(scores) if term in UPPER else _nce(scores)
        return found

    def forward(self, first: Views, second: Views) -> Tensor:
        r"""Return the loss in nats, a scalar, and keep its terms in ``last``; arguments and errors as in `terms`."""
        t = self.terms(first, second)
        self.last = {term: value.detach() for term, value in t.items()}
        kept = t["shared"] + t["unique_first"] + t["unique_second"] + t["unique_given_views"]
        return t["unique_between"] + t["shared_given_views"] - kept  # (eq-factorcl)

    def _sides(self, z: Views) -> list[tuple[Tensor, nn.ModuleDict]]:
        like = self.heads[0]["shared"].weight.dtype  # representations may come in half or double precision
        return [(z[name].to(like), heads) for name, heads in zip(self.modalities, self.heads, strict=True)]

    def _seen(self, term: str, first: Views, second: Views) -> list[Tensor]:
        r"""The two embeddings (N, P or 2P) that the critic of a term compares."""
        ones, others = self._sides(first), self._sides(second)
        if term in ALONE:
            (one, heads), (other, _) = ones[ALONE.index(term)], others[ALONE.index(term)]
            return [heads["unique"](one), heads["unique"](other)]
        if term.endswith("given_views"):
            pairs = zip(ones, others, strict=True)
            return [torch.cat([heads[term](one), heads[term](other)], dim=1) for (one, heads), (other, _) in pairs]
        return [heads[term](one) for one, heads in ones]

    def _refuse(self, first: Views, second: Views) -> None:
        views = {"first": first, "second": second}
        for name, of in views.items():
            _check.by_modality(name, of)
            _check.same_keys(name, of, "FactorCL", dict.fromkeys(self.modalities))
        _check.embeddings(**{f"{name}[{key!r}]": of[key] for name, of in views.items() for key in self.modalities})
        width = first[self.modalities[0]].shape[1]
        if width != self.dim:
            raise ValueError(f"representations must have width {self.dim}, got {width}; build FactorCL with theirs")
