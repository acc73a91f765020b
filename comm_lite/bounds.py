r"""Mutual information from a matrix of critic scores: bounds, estimators, and a Gaussian whose answer is known.

``scores[i, j]`` says how well :math:`x_i` and :math:`y_j` go together, for ``N`` pairs that were drawn together: the
diagonal holds samples of :math:`p(x, y)`, everything else of :math:`p(x) p(y)`. The best critic is the log-ratio
:math:`\log p(x, y) / (p(x) p(y))`. Estimators return nats, in float32 or better, and are differentiable.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from comm_lite import _check


def _scores(name: str, scores: Tensor) -> Tensor:
    _check.shape(name, scores, "N N")
    if not scores.is_floating_point():
        raise TypeError(f"{name} must hold floating-point scores, got {scores.dtype}; call .float() first")
    if scores.shape[0] != scores.shape[1] or len(scores) < 2:
        text = f"{name} must score at least 2 pairs, each x with each y, got shape {tuple(scores.shape)}"
        raise ValueError(f"{text}; pass a square matrix whose diagonal holds the pairs")
    if _check.values_of(scores):
        _check.finite(name, scores)
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _split(name: str, scores: Tensor) -> tuple[Tensor, Tensor]:
    scores = _scores(name, scores)
    n = len(scores)
    apart = scores.flatten()[1:].view(n - 1, n + 1)[:, :-1]  # each row ends on the diagonal: no mask to count
    return scores.diagonal(), apart.flatten()  # (N,), (N (N - 1),)


def info_nce_bound(scores: Tensor) -> Tensor:
    r"""InfoNCE, a lower bound on mutual information that never exceeds log N; see :eq:`eq-info-nce-bound`.

    .. math::
        I_{\mathrm{NCE}} = \log N
        + \frac{1}{N} \sum_{i=1}^{N} \log \frac{e^{f(x_i, y_i)}}{\sum_{j=1}^{N} e^{f(x_i, y_j)}}

    Args:
        scores: critic scores :math:`f(x_i, y_j)`, shape ``(N, N)``, ``N >= 2``.

    Returns:
        Scalar, in nats. Lower bound in the mean over batches, for any critic. 0 is chance, log N a perfect match.

    Raises:
        TypeError: if ``scores`` is not a floating-point tensor.
        ValueError: if it is not a finite square matrix of at least two rows.

    Example:
        >>> round(info_nce_bound(torch.eye(8) * 100).exp().item(), 3)  # a perfect match among 8
        8.0

    Source: van den Oord, Li and Vinyals (2018), appendix A.1.
    """
    scores = _scores("scores", scores)
    own = scores.diagonal() - scores.logsumexp(dim=1)
    return math.log(len(scores)) + own.mean()  # (eq-info-nce-bound)


def nwj(scores: Tensor) -> Tensor:
    r"""NWJ, a lower bound without bias whose variance grows like exp(2 I); see :eq:`eq-nwj`.

    Compare :func:`info_nce_bound`, whose arguments it takes and whose errors it raises.

    .. math::
        I_{\mathrm{NWJ}} = 1 + \mathbb{E}_{p(x, y)}[f] - \mathbb{E}_{p(x) p(y)}[e^f]

    Returns:
        Scalar, in nats. Lower bound in the mean, for any critic, and equal to the information for the log-ratio; no
        ceiling. The critic 0 gives 0. One large score off the diagonal makes it very negative, down to minus infinity.

    Example:
        >>> nwj(torch.zeros(4, 4)).item()
        0.0

    Source: Nguyen, Wainwright and Jordan (2010), with their critic less 1, so that the best one is the log-ratio too.
    """
    together, apart = _split("scores", scores)
    log_mean = apart.logsumexp(dim=0) - math.log(len(apart))
    return 1 + together.mean() - log_mean.exp()  # (eq-nwj)


def donsker_varadhan(scores: Tensor) -> Tensor:
    r"""Donsker and Varadhan's bound, which MINE trains; see :eq:`eq-dv`.

    Compare :func:`info_nce_bound`, whose arguments it takes and whose errors it raises.

    .. math::
        I_{\mathrm{DV}} = \mathbb{E}_{p(x, y)}[f] - \log \mathbb{E}_{p(x) p(y)}[e^f]

    Returns:
        Scalar, in nats. With exact expectations a lower bound; on a batch neither bound, and too high in the mean for
        a good critic, since the logarithm of a mean is on average too low. A constant added to it changes nothing.

    Example:
        >>> donsker_varadhan(torch.full((4, 4), 3.0)).item()
        0.0

    Source: Belghazi et al. (2018), MINE, whose gradient has a moving average; this one is that of the value.
    """
    together, apart = _split("scores", scores)
    log_mean = apart.logsumexp(dim=0) - math.log(len(apart))
    return together.mean() - log_mean  # (eq-dv)


def smile(scores: Tensor, *, clip: float = 5.0) -> Tensor:
    r"""SMILE: Donsker and Varadhan with the scores of unpaired samples clipped; see :eq:`eq-smile`.

    .. math::
        I_{\mathrm{SMILE}} = \mathbb{E}_{p(x, y)}[f] - \log \mathbb{E}_{p(x) p(y)}[\min(\max(e^f, e^{-t}), e^t)]

    Args:
        scores: critic scores, shape ``(N, N)``, ``N >= 2``; the means run over the diagonal and over the rest.
        clip: :math:`t`, above 0, from 1e-18 to 1e18, in nats. Large is Donsker and Varadhan (variance), small is bias.

    Returns:
        Scalar, in nats; no bound. A critic that is constant within the clip gives 0; a constant beyond it is counted
        in full, so maximising this over the critic diverges: train another way, then read.

    Raises:
        TypeError: if ``scores`` is not a floating-point tensor or ``clip`` is not a number.
        ValueError: if it is not a finite square matrix of at least two rows, or ``clip`` is out of range.

    Example:
        >>> smile(torch.full((4, 4), 7.0), clip=5.0).item()
        2.0

    Source: Song and Ermon (2020).
    """
    _check.temperature("clip", clip)
    together, apart = _split("scores", scores)
    log_mean = apart.clamp(-clip, clip).logsumexp(dim=0) - math.log(len(apart))
    return together.mean() - log_mean  # (eq-smile)


def club(log_likelihood: Tensor) -> Tensor:
    r"""CLUB, an upper bound from a model of y given x; see :eq:`eq-club`.

    .. math::
        I_{\mathrm{CLUB}} = \mathbb{E}_{p(x, y)}[\log q(y \mid x)] - \mathbb{E}_{p(x) p(y)}[\log q(y \mid x)]

    Args:
        log_likelihood: :math:`\log q(y_j \mid x_i)` in nats at ``[i, j]``, shape ``(N, N)``, or the log-ratio.

    Returns:
        Scalar, in nats. Upper bound in the mean if :math:`q` is the true conditional: the Jeffreys divergence of
        :math:`p(x, y)` and :math:`p(x) p(y)`, often several times the information. A poor :math:`q` gives any value.

    Raises:
        TypeError: if ``log_likelihood`` is not a floating-point tensor.
        ValueError: if it is not a finite square matrix of at least two rows.

    Example:
        >>> club(torch.eye(4) * 3).item()
        3.0

    Source: Cheng et al. (2020), whose second mean takes the pairs in: theirs is (N - 1) / N of this one.
    """
    together, apart = _split("log_likelihood", log_likelihood)
    return together.mean() - apart.mean()  # (eq-club)


def nce_club(scores: Tensor) -> Tensor:
    r"""NCE-CLUB: the form of `club` on a critic that was trained with InfoNCE.

    Its critic is that of :func:`info_nce_bound`, whose arguments it takes and whose errors it raises.

    Returns:
        Scalar, in nats. Upper bound in the mean for the best critic only; a constant a row cancels.

    Example:
        >>> nce_club(torch.eye(4) * 3).item()
        3.0

    Source: Liang et al. (2023), FactorCL.
    """
    return club(_scores("scores", scores))


@dataclass(frozen=True)
class GaussianPair:
    r"""Pairs of Gaussian vectors with known mutual information; made by `gaussian_pair`."""

    x: Tensor
    r"""Samples, shape ``(N, D)``, standard normal, float64."""
    y: Tensor
    r"""The same for y; each number correlates with its fellow in ``x`` alone."""
    information: float
    r"""True mutual information of x and y, nats."""

    @property
    def correlation(self) -> float:
        r""":math:`\rho` of each dimension: the information is :math:`-\frac{D}{2} \log(1 - \rho^2)`."""
        return math.sqrt(-math.expm1(-2 * self.information / self.x.shape[1]))

    @property
    def jeffreys(self) -> float:
        r"""What CLUB tends to with the best critic, :math:`D \rho^2 / (1 - \rho^2)`, nats."""
        return self.x.shape[1] * math.expm1(2 * self.information / self.x.shape[1])

    def log_ratio(self) -> Tensor:
        r"""Return the scores of the best critic, :math:`\log p(y_j \mid x_i) / p(y_j)`, shape ``(N, N)``, float64."""
        rho, left = self.correlation, math.exp(-2 * self.information / self.x.shape[1])  # left: 1 - rho^2
        squares = self.x.square().sum(1)[:, None] + self.y.square().sum(1)
        return self.information + (rho * self.x @ self.y.T - rho**2 / 2 * squares) / left


def gaussian_pair(dim: int, information: float, n: int, *, generator: torch.Generator) -> GaussianPair:
    r"""Draw pairs of Gaussian vectors whose mutual information is given.

    Args:
        dim: :math:`D`, numbers in a vector; each pair of fellows carries ``information / dim``.
        information: nats, from 0 (independent) to ``10 * dim`` (beyond, rounding would decide).
        n: pairs, at least 1.
        generator: draws the samples, on its own device.

    Returns:
        The samples, with the best critic.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if one is out of range.

    Example:
        >>> pair = gaussian_pair(20, 2.0, 512, generator=torch.Generator().manual_seed(0))
        >>> round(pair.correlation, 3), round(pair.jeffreys, 2)
        (0.426, 4.43)
    """
    _check.whole("dim", dim)
    _check.whole("n", n)
    _check.between("information", information, 0.0, 10.0 * dim)
    x, noise = torch.randn(2, n, dim, generator=generator, dtype=torch.float64, device=generator.device)
    rho = math.sqrt(-math.expm1(-2 * information / dim))
    return GaussianPair(x, rho * x + math.exp(-information / dim) * noise, float(information))


def _tower(*widths: int) -> nn.Sequential:
    layers = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


class SeparableCritic(nn.Module):
    r"""A learnt critic :math:`f(x, y) = g(x) \cdot h(y)`: two towers, so N pairs cost 2N passes and not N squared.

    Args:
        dim_x: numbers in ``x``.
        dim_y: numbers in ``y``.
        hidden: width of the two hidden layers of each tower.
        out: numbers that a tower returns.

    Example:
        >>> SeparableCritic(20, 20)(torch.rand(8, 20), torch.rand(8, 20)).shape
        torch.Size([8, 8])
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: int = 128, out: int = 32):
        super().__init__()
        for name, value in (("dim_x", dim_x), ("dim_y", dim_y), ("hidden", hidden), ("out", out)):
            _check.whole(name, value)
        self.of_x, self.of_y = (_tower(dim, hidden, hidden, out) for dim in (dim_x, dim_y))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        r"""Score each of ``x`` (N, dim_x) with each of ``y`` (N, dim_y); shape ``(N, N)``."""
        _check.shape("x", x, "N D")
        _check.shape("y", y, "N D")
        like = self.of_x[0].weight.dtype  # samples may come in half or double precision
        return self.of_x(x.to(like)) @ self.of_y(y.to(like)).T
