r"""Named joint distributions p(x1, x2, y) with their atoms after Bertschinger et al. (2014), each in closed form."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from comm_lite import _check
from comm_lite.info import joint

_FAIR = (0.5, 0.5)


@dataclass(frozen=True)
class Gate:
    r"""A joint distribution with its four atoms."""

    name: str
    r"""Its usual name in the literature."""
    p: np.ndarray
    r"""Probabilities, (n1, n2, ny) float64; read-only."""
    atoms: dict[str, float]
    r"""``{"R": …, "U1": …, "U2": …, "S": …}`` in bits, exact."""
    says: str
    r"""The rule in one sentence."""
    source: str
    r"""Who introduced it."""


def _h2(p: float) -> float:  # entropy of a coin in bits, unchecked
    return float(sum(-q * np.log2(q) for q in (p, 1 - p) if q > 0))


def _gate(name: str, says: str, source: str, rule: Callable, coins: Sequence | None = None, **bits: float) -> Gate:
    r"""Joint of ``x1, x2, y = rule(*outcomes)``; outcome k of a coin has its k-th probability."""
    chances: dict[tuple, float] = {}
    coins = coins or [_FAIR] * rule.__code__.co_argcount  # one for each argument
    for case in itertools.product(*(list(enumerate(coin)) for coin in coins)):
        outcome = rule(*(k for k, _ in case))
        chances[outcome] = chances.get(outcome, 0.0) + float(np.prod([chance for _, chance in case]))
    p, _ = joint(chances)
    p.flags.writeable = False
    return Gate(name, p, {atom: float(bits.get(atom.lower(), 0)) for atom in ("R", "U1", "U2", "S")}, says, source)


_GK, _LIANG, _FINN = "Griffith and Koch (2014)", "Liang et al. (2023)", "Finn and Lizier (2018)"
_DIT = "the examples of the package dit, James, Ellison and Crutchfield (2018)"
_TRIFEATURE = "the Trifeature tasks of Dufumier et al. (2025), made small"
_COMMON = "common knowledge"
_TRI = ((1 / 3,) * 3,) * 5  # one shape, then texture and colour of each image
_FIT = (1, 2, 0)  # the colour that goes with each texture

# fmt: off
GATES: dict[str, Gate] = {gate.name: gate for gate in [
    _gate("RDN", "Both sources copy the label, a fair coin.", _GK, lambda a: (a, a, a), r=1),
    _gate("UNQ1", "The first source is the label; the second is another coin.", _COMMON, lambda a, b: (a, b, a), u1=1),
    _gate("UNQ2", "The second source is the label; the first is another coin.", _COMMON, lambda a, b: (a, b, b), u2=1),
    _gate("UNQ", "The label is the pair of two independent coins, one in each source (the two-bit copy).", _GK,
          lambda a, b: (a, b, (a, b)), u1=1, u2=1),
    _gate("XOR", "The label says whether two fair coins differ.", _GK, lambda a, b: (a, b, a ^ b), s=1),
    _gate("AND", "The label is 1 when both coins are.", _GK, lambda a, b: (a, b, a & b), r=_h2(1 / 4) - 1 / 2, s=1 / 2),
    _gate("OR", "The label is 1 when either coin is.", _LIANG, lambda a, b: (a, b, a | b), r=_h2(1 / 4) - 0.5, s=0.5),
    _gate("SUM", "The label is the sum of two coins: 0, 1 or 2.", _DIT, lambda a, b: (a, b, a + b), r=1 / 2, s=1),
    _gate("RdnXor", "A bit that both sources show, beside an XOR.", _GK,
          lambda r, a, b: ((r, a), (r, b), (r, a ^ b)), r=1, s=1),
    _gate("RdnUnqXor", "A shared bit, a bit of each source alone, and an XOR.", _GK,
          lambda r, u, v, a, b: ((r, u, a), (r, v, b), (r, u, v, a ^ b)), r=1, u1=1, u2=1, s=1),
    _gate("PwUnq", "A coin decides which source shows the label; the other shows a blank, 0.", _FINN,
          lambda first, y: (1 + y if first else 0, 0 if first else 1 + y, y), r=1 / 2, s=1 / 2),
    _gate("ImperfectRdn", "Both sources copy the label, but the second errs once in 500 zeros.", _GK,
          lambda y, e: (y, y | e, y), [_FAIR, (0.998, 0.002)], r=1 - 0.501 * _h2(1 / 501), u1=0.501 * _h2(1 / 501)),
    _gate("RdnErr", "The first source copies the label; the second errs one time in four.", _DIT,
          lambda y, slip: (y, y ^ slip, y), [_FAIR, (3 / 4, 1 / 4)], r=1 - _h2(1 / 4), u1=_h2(1 / 4)),
    _gate("Diff", "At most one source shows a 1 and then names the label; two zeros leave it open.", _DIT,
          lambda k: ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1))[k], [(1 / 4,) * 4],
          r=2 * _h2(1 / 4) - 3 / 2, u1=1 - _h2(1 / 4), u2=1 - _h2(1 / 4)),
    _gate("ReducedOr", "The label is 1 when one source shows a 1; both never do at once.", _DIT,
          lambda y, first: (y & first, y & (1 - first), y), r=_h2(1 / 4) - 1 / 2, s=3 / 2 - _h2(1 / 4)),
    _gate("Boom", "Six equally likely triples in which all four atoms are positive.", _DIT,
          lambda k: ((0, 0, 1), (0, 0, 2), (0, 2, 0), (1, 2, 1), (2, 0, 2), (2, 1, 2))[k], [(1 / 6,) * 6],
          r=1 / 3, u1=1 / 3, u2=1 / 3, s=np.log2(3) / 2 - 2 / 3),
    _gate("NotTwo", "All triples of bits alike, without those that hold exactly two ones.", _DIT,
          lambda k: ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1))[k], [(1 / 5,) * 5],
          r=_h2(2 / 5) - 3 / 5 * _h2(1 / 3) - 2 / 5, s=3 / 5 * _h2(1 / 3)),
    _gate("NoisyXor", "An XOR whose label is turned one time in ten.", _COMMON,
          lambda a, b, slip: (a, b, a ^ b ^ slip), [_FAIR, _FAIR, (0.9, 0.1)], s=1 - _h2(0.1)),
    _gate("CorrAnd", "An AND of two fair coins that agree four times in five.", _COMMON,
          lambda a, d: (a, a ^ d, a & (a ^ d)), [_FAIR, (0.8, 0.2)], r=_h2(0.4) - _h2(0.2) / 2, s=_h2(0.2) / 2),
    _gate("RdnAndUnq1", "The AND of two coins; the first source shows both, the second shows one.", _LIANG,
          lambda a, b: ((a, b), b, a & b), r=_h2(1 / 4) - 1 / 2, u1=1 / 2),
    _gate("RdnXorUnq1", "The XOR of two coins; the first source shows both, the second shows one.", _LIANG,
          lambda a, b: ((a, b), b, a ^ b), u1=1),
    _gate("Tri3_share", "Two images of one shape, three values a feature; the label is the shape.", _TRIFEATURE,
          lambda h, t, c, u, d: ((h, t, c), (h, u, d), h), _TRI, r=np.log2(3)),
    _gate("Tri3_unique1", "The same images; the label is the texture of the first.", _TRIFEATURE,
          lambda h, t, c, u, d: ((h, t, c), (h, u, d), t), _TRI, u1=np.log2(3)),
    _gate("Tri3_synergy", "The same images; does the colour of the second fit the texture of the first?", _TRIFEATURE,
          lambda h, t, c, u, d: ((h, t, c), (h, u, d), d == _FIT[t]), _TRI, s=_h2(1 / 3)),
    _gate("Tri10_synergy", "A texture and a colour of ten each; one colour fits each texture.", _TRIFEATURE,
          lambda t, d: (t, d, d == (t + 1) % 10), [(1 / 10,) * 10] * 2, s=_h2(1 / 10)),
    _gate("Tri2_all", "Two values a feature; the label is shape, both textures, and whether the colours agree.",
          _TRIFEATURE, lambda h, t, c, u, d: ((h, t, c), (h, u, d), (h, t, u, c == d)), r=1, u1=1, u2=1, s=1),
]}
# fmt: on


def slip(bits: float) -> float:
    r"""The chance of a turned bit at which a fair bit still tells a number of bits, by bisection of 1 - h2.

    Args:
        bits: what is still told, 0 to 1.

    Returns:
        The chance, 0 to 1/2.

    Example:
        >>> round(slip(1 - 0.811278), 6)  # the entropy of a coin that falls on one side one time in four
        0.25
    """
    if bits in (0, 1):
        return 0.5 * (1 - bits)
    low, high = 0.0, 0.5
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - _h2(middle) > bits else (low, middle)
    return (low + high) / 2


def combine(*, redundancy: float = 0.0, unique1: float = 0.0, unique2: float = 0.0, synergy: float = 0.0) -> Gate:
    r"""Put four independent one-bit components side by side, each heard through noise until it carries that many bits.

    A shared coin, a coin of each source and an XOR; the label has one bit for each, turned with the probability
    :math:`e` at which :math:`1 - h_2(e)` is the strength asked for. Atoms add up over independent components.

    Args:
        redundancy: R in bits, 0 to 1.
        unique1: U1 in bits, 0 to 1.
        unique2: U2 in bits, 0 to 1.
        synergy: S in bits, 0 to 1.

    Returns:
        A gate of shape (8, 8, 16) with these atoms, right to about 1e-12 bits.

    Raises:
        TypeError: if a strength is not a number.
        ValueError: if a strength lies outside 0 to 1.

    Example:
        >>> combine(redundancy=0.5, synergy=1.0).atoms
        {'R': 0.5, 'U1': 0.0, 'U2': 0.0, 'S': 1.0}

    Source: Bertschinger et al. (2014), Lemma 19, for the sum over independent components.
    """
    strengths = {"redundancy": redundancy, "unique1": unique1, "unique2": unique2, "synergy": synergy}
    for name, bits in strengths.items():
        _check.between(name, bits, 0.0, 1.0)

    def rule(r: int, u: int, v: int, a: int, b: int, *slips: int):
        label = tuple(bit ^ slip for bit, slip in zip((r, u, v, a ^ b), slips, strict=True))
        return (r, u, a), (r, v, b), label

    coins = [_FAIR] * 5 + [(1 - e, e) for e in map(slip, strengths.values())]
    says = "A shared bit, a bit of each source and an XOR, each turned now and then."
    return _gate("combine", says, _COMMON, rule, coins, r=redundancy, u1=unique1, u2=unique2, s=synergy)


def additive(bins: int) -> Gate:
    r"""Label 1[X1 + X2 > 0] of two independent standard normals, each seen as one of equally likely bins.

    It is not pure synergy: each source alone says how the sum leans. A cell lies on one side of the line x1 + x2 = 0,
    or is halved by it, so the table is exact, and with :math:`K` bins

    .. math::
        R = 1 - \frac1K \sum_{i=1}^{K} h_2\!\left(\frac{i - 1/2}{K}\right), \qquad
        U_1 = U_2 = 0, \qquad S = 1 - \frac1K - R .

    For many bins R tends to 1 - 1/(2 ln 2) = 0.278652. Any continuous distribution symmetric about 0 gives this table.

    Args:
        bins: K, at least 1; an even number puts an edge at 0.

    Returns:
        A gate of shape (K, K, 2) with the atoms of the table (not of the limit).

    Raises:
        TypeError: if ``bins`` is not an integer.
        ValueError: if it is below 1.

    Example:
        >>> round(additive(64).atoms["R"], 4)
        0.2785
    """
    _check.whole("bins", bins)
    place = np.add.outer(np.arange(bins), np.arange(bins)) - (bins - 1)  # below, on or above the line
    ones = (np.sign(place) + 1) / 2
    p = np.stack([1 - ones, ones], axis=-1) / bins**2
    p.flags.writeable = False
    redundancy = 1 - sum(_h2((i + 0.5) / bins) for i in range(bins)) / bins
    atoms = {"R": redundancy, "U1": 0.0, "U2": 0.0, "S": 1 - 1 / bins - redundancy}
    return Gate(f"additive_{bins}", p, atoms, "Is the sum of two normal numbers positive?", _COMMON)
