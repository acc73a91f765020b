r"""Usable information: how many bits about a label a family of readers finds in frozen features.

Shapes: ``N`` rows, ``D`` width of a feature, ``K`` classes, ``k`` parts of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from comm_lite import _check
from comm_lite.data.batches import stream
from comm_lite.evaluate.features import directions
from comm_lite.evaluate.intervals import balanced_accuracy, balanced_interval
from comm_lite.evaluate.items import hold_out, item_weights, number_items
from comm_lite.evaluate.logistic import logistic_path, standardised
from comm_lite.evaluate.networks import read_by_network
from comm_lite.evaluate.parts import check_features, number_classes

READERS = ("linear", "bilinear", "mlp", "cosine")
r"""The families: logistic regression; with products of the two parts; one hidden layer; the cosine of the two parts."""

Parts = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Usable:
    r"""What a family of readers found; bits for the information, fractions for the accuracy.

    Example:
        >>> found = Usable("mlp", 0.31, 0.27, 0.35, 0.01, 1.0, 0.81, 0.78, 0.84, chance=0.5, n_test=900, n_items=900)
        >>> print(found)
        mlp: 0.310 bits [0.270, 0.350] of 1.000 (null 0.010), balanced accuracy 0.810 [0.780, 0.840] (chance 0.500)
        >>> found.inside_null
        False
    """

    reader: str
    r"""One of `READERS`."""
    bits: float
    r"""Usable information, in bits: 0 or a little less is nothing, ``entropy`` is everything."""
    low: float
    r"""Lower end of its 95 % bootstrap interval over items, in bits."""
    high: float
    r"""Upper end, in bits."""
    null: float
    r"""What 95 % of readings stay below if the label does not depend on the features, in bits."""
    entropy: float
    r"""Cross-entropy of the test labels for who knows only the frequencies of the training labels, in bits."""
    balanced_accuracy: float
    r"""Mean over the classes of the test of the fraction recognised by the reader that weighs classes alike."""
    accuracy_low: float
    r"""Lower end of its 95 % interval over items."""
    accuracy_high: float
    r"""Upper end."""
    chance: float
    r"""One over the number of classes that occur in the test."""
    n_test: int
    r"""Number of test rows."""
    n_items: int
    r"""Number of distinct test items."""

    @property
    def inside_null(self) -> bool:
        r"""Whether nothing was found.

        A label is *lost* where that is so for a strong reader (``mlp``), *hidden* where it is so for ``linear`` but not
        for a strong reader, and *explicit* where ``linear`` finds it.
        """
        return self.bits <= max(self.null, 0.0) + 1e-9  # below zero nothing is usable, and 1e-9 is rounding

    def __str__(self) -> str:
        bits = f"{self.reader}: {self.bits:.3f} bits [{self.low:.3f}, {self.high:.3f}] of {self.entropy:.3f}"
        accuracy = f"{self.balanced_accuracy:.3f} [{self.accuracy_low:.3f}, {self.accuracy_high:.3f}]"
        return f"{bits} (null {self.null:.3f}), balanced accuracy {accuracy} (chance {self.chance:.3f})"


def usable_information(
    z: Parts,
    y: Tensor,
    test_z: Parts | None = None,
    test_y: Tensor | None = None,
    *,
    reader: str = "linear",
    items: Tensor | None = None,
    train_items: Tensor | None = None,
    permutations: int = 199,
    replicates: int = 1000,
    seed: int = 0,
) -> Usable:
    r"""Bits about a label that a family of readers finds on held-out rows; see :eq:`eq-usable-information`.

    .. math::
        I_{\mathcal V}(Z \to Y) = H_{\mathcal V}(Y) - H_{\mathcal V}(Y \mid Z)
        = \min_{q} \mathbb{E}\left[ -\log_2 q(y) \right]
        - \min_{f \in \mathcal V} \mathbb{E}\left[ -\log_2 f(y \mid z) \right]

    Readers are fitted on three quarters of the training rows and chosen, stopped and calibrated on the last quarter;
    the test rows are looked at once. They are fitted with every class weighing alike, so that rare ones count, and read
    for the accuracy; for the bits the frequencies of the classes are put back. No family finds more than the mutual
    information I(Z; Y); ``mlp`` is the strong reader, which comes closest.

    The null permutes the test labels under the fitted reader. That is valid, since a reader that was never shown the
    test rows treats them alike if labels do not depend on features, and costs no further fit. Its level is the order
    statistic :math:`\lceil 0.95 (m + 1) \rceil` of :math:`m` permutations. Where rows share items, the permuted values
    are spread by the square root of the design effect, since permuting rows takes them for independent.

    Args:
        z: Features of the training rows, shape ``(N, D)``, or two parts, such as the embeddings of both sides, as a
            tuple; ``bilinear`` and ``cosine`` need two parts, the others take them side by side.
        y: Class of each row, integers, shape ``(N,)``.
        test_z: Features of the test rows, like ``z``. None holds a quarter of the rows of ``z`` out as the test (a
            third of the items, where rows have several).
        test_y: Their classes, all of them seen in training.
        reader: One of `READERS`.
        items: What each test row is made of, integers ``(N_test,)`` or ``(N_test, k)``, see `linear_probe`; without a
            test part, what each row of ``z`` is made of.
        train_items: The same for the training rows; no item is on both sides while a reader is chosen.
        permutations: Number :math:`m`, at least 19.
        replicates: Number of bootstrap replicates over items, at least 100.
        seed: Of everything drawn: the split, the networks, the permutations, the bootstrap.

    Returns:
        Information in bits with interval and null level, balanced accuracy with interval and chance.

    Raises:
        TypeError: If features are not floating-point tensors or a tuple of two, or labels or items not integers.
        ValueError: If shapes do not fit, a number is not finite, a reader lacks its two parts, one of ``test_z`` and
            ``test_y`` is missing, there are fewer than two classes, or a setting is out of range.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> one, two = torch.randint(2, (2, 800, 1), generator=g).float()
        >>> differ = (one != two).long().squeeze(1)  # no single part tells it, and no sum of both
        >>> [usable_information((one, two), differ, reader=r).inside_null for r in ("linear", "mlp")]
        [True, False]

    Source:
        Xu, Zhao, Song, Stewart and Ermon, "A theory of usable information under computational constraints", ICLR 2020.
        Differs in the calibration: logits times a factor chosen on held-out rows, then mixed with the frequencies by
        one part in as many as these rows, so that no single row costs more than they allow.
    """
    _check.one_of("reader", reader, READERS)
    _check.whole("permutations", permutations, least=19)
    _check.whole("replicates", replicates, least=100)
    _check.whole("seed", seed, least=0)
    z, split = _joined("z", z, reader)
    if (test_z is None) != (test_y is None):
        raise ValueError("test_z and test_y must come together, got one of them; pass both or neither")
    if test_z is None:
        _check.rows("y", y, len(z))
        numbered = None if items is None else number_items("items", items, rows=len(z))
        held, kept = hold_out(y.cpu(), numbered, generator=stream(seed, 0))
        z, y, test_z, test_y = z[kept], y[kept], z[held], y[held]
        items, train_items = (None, None) if items is None else (numbered[held], numbered[kept])
    else:
        test_z, _ = _joined("test_z", test_z, reader)
    check_features(z, test_z)
    classes, labels, truth = number_classes(y, test_y, rows=(len(z), len(test_z)))
    items = number_items("items", items, rows=len(test_z))
    if train_items is not None:
        train_items = number_items("train_items", train_items, rows=len(z))
    held, kept = hold_out(labels, train_items, generator=stream(seed, 1))
    own, prior = labels[kept], (labels[kept].bincount(minlength=len(classes)) / kept.sum()).double().log()
    features = standardised(z[kept], z[held], test_z)
    in_held, in_test = _read(features, own, labels[held], prior, reader, split, seed)
    nats = _calibrated(in_held, labels[held], in_test, prior)
    gain = (nats.gather(1, truth[:, None]).squeeze(1) - prior[truth]) / log(2)  # (eq-usable-information)

    low, high, effect = _resampled(gain, items, replicates, stream(seed, 3))
    draw, shuffled = stream(seed, 4), []
    for _ in range(permutations):
        order = truth[torch.randperm(len(truth), generator=draw)]
        shuffled.append(float((nats.gather(1, order[:, None]).squeeze(1) - prior[order]).mean()) / log(2))
    level, middle = sorted(shuffled)[ceil(0.95 * (permutations + 1)) - 1], sum(shuffled) / permutations
    correct = in_test.argmax(dim=1) == truth
    ends = balanced_interval(correct, truth, items, replicates=replicates, generator=stream(seed, 5))
    return Usable(
        reader=reader,
        bits=float(gain.mean()),
        low=low,
        high=high,
        null=middle + sqrt(effect) * (level - middle),
        entropy=float(-prior[truth].mean()) / log(2),
        balanced_accuracy=balanced_accuracy(correct, truth),
        accuracy_low=ends[0],
        accuracy_high=ends[1],
        chance=1 / len(truth.unique()),
        n_test=len(truth),
        n_items=len(items.unique()),
    )


def _resampled(gain: Tensor, items: Tensor, replicates: int, generator: torch.Generator) -> tuple[float, float, float]:
    r"""Interval of the mean gain over items, and the design effect: by how much shared items raise its variance."""
    means, by_items = [], 0.0
    for weights in item_weights(items, replicates=replicates, generator=generator):
        weights = weights.double()
        means.append(weights @ gain / weights.sum(dim=1))
        by_items += float((weights @ (gain - gain.mean())).square().sum()) / replicates
    means, by_rows = torch.cat(means), float((gain - gain.mean()).square().sum())
    low, high = means[~means.isnan()].quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    shared = len(items.unique()) < items.numel() and by_rows > 0
    return low, high, max(1.0, by_items / by_rows) if shared else 1.0


def _joined(name: str, z: Parts, reader: str) -> tuple[Tensor, int | None]:
    r"""Both parts side by side and the width of the first, or their cosine; one tensor as it is."""
    if isinstance(z, Tensor):
        if reader in ("bilinear", "cosine"):
            raise ValueError(f"{name} must be a tuple of two parts for {reader!r}, got one tensor; pass (z1, z2)")
        return z, None
    if not (isinstance(z, tuple) and len(z) == 2):
        raise TypeError(f"{name} must be a tensor or a tuple of two, got {type(z).__name__}; pass z or (z1, z2)")
    for k, part in enumerate(z):
        _check.shape(f"{name}[{k}]", part, "N D")
    _check.rows(f"{name}[1]", z[1], len(z[0]))
    if reader == "cosine":
        _check.embeddings(least=1, **{f"{name}[{k}]": part for k, part in enumerate(z)})
        return (directions(z[0].double()) * directions(z[1].double())).sum(dim=1, keepdim=True), None
    return torch.cat(z, dim=1), z[0].shape[1]


def _read(
    features: list[Tensor], own: Tensor, held: Tensor, prior: Tensor, reader: str, split: int | None, seed: int
) -> list[Tensor]:
    r"""Logits of held-out and test rows, from the fit of the family that the held-out rows like best."""
    train, *others = features
    if reader in ("linear", "cosine"):
        fits = []
        for found, _ in logistic_path(train, own, others, (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0), class_weight="balanced"):
            fits.append((float(F.cross_entropy(found[0] + prior, held)), found))
    else:
        rows = (train, own, others[0], held, others)
        shape = {"split": split if reader == "bilinear" else None}
        fits = [read_by_network(*rows, **shape, dropout=k / 2, generator=stream(seed, 2, k)) for k in (0, 1)]
    return [z.double() for z in min(fits, key=lambda fit: fit[0])[1]]


def _calibrated(held_logits: Tensor, held: Tensor, logits: Tensor, prior: Tensor) -> Tensor:
    r"""Log-probabilities: logits times the factor that the held-out rows like best, mixed a little with the prior."""
    factors = torch.linspace(0, 2, 41, dtype=torch.float64)
    costs = [float(F.cross_entropy(a * held_logits + prior, held)) for a in factors]
    p = F.log_softmax(factors[min(range(41), key=costs.__getitem__)] * logits + prior, dim=1)
    share = 1 / (len(held) + 1)
    return torch.logaddexp(p + log(1 - share), prior + log(share))
