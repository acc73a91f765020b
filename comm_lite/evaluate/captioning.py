r"""How good captions are: BLEU and CIDEr-D against references, and F1 over what they say of known scenes.

Captions are split at blanks and lower-cased; punctuation is a part of its word, so take it off beforehand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from math import exp, log, prod, sqrt

from comm_lite import _check

LONGEST = 4
r"""Words of the longest n-gram."""


def bleu(candidates: Iterable[str], references: Iterable[Iterable[str]]) -> dict[int, float]:
    r"""BLEU-1 to BLEU-4 of a corpus: how many of its n-grams stand in a reference, times a penalty for brevity.

    .. math::
        \mathrm{BLEU}_N = \min\left(1, e^{1 - r / c}\right) \left( \prod_{n=1}^{N} p_n \right)^{1 / N}

    Here :math:`p_n` is the share of the candidates' n-grams that a reference has, each counted at most as often as in
    one of its references, :math:`c` the number of words of all candidates and :math:`r` that of the references of
    nearest length (the shorter of two). 1 is a copy of a reference and 0 has nothing in common. There is no fixed
    chance level: a template with every colour wrong still has 0.8 of its words right.

    Args:
        candidates: One caption for each image.
        references: One list of captions for each image, as many as there are candidates.

    Returns:
        By N from 1 to 4 the score in [0, 1].

    Raises:
        TypeError: If captions are not texts.
        ValueError: If there is no image, an image has no reference or a text no word, or the numbers of images differ.

    Example:
        >>> bleu(["there is a blue circle"], [["there is a red circle"]])[1]
        0.8

    Source:
        Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002. Differs from the
        code of the COCO challenge in adding no 1e-15 to counts: what has no common n-gram scores 0 and not 1e-4.
    """
    pairs = _words(candidates, references)
    hits, total = Counter(), Counter()
    length = nearest = 0
    for words, others in pairs:
        length += len(words)
        nearest += min((abs(len(other) - len(words)), len(other)) for other in others)[1]
        best = Counter()
        for other in others:
            best |= _grams(other)  # the larger of both counts
        for gram, count in _grams(words).items():
            total[len(gram)] += count
            hits[len(gram)] += min(count, best[gram])
    brevity = min(1.0, exp(1 - nearest / length))
    shares = [hits[n] / total[n] if total[n] else 0.0 for n in range(1, LONGEST + 1)]
    return {n: brevity * prod(shares[:n]) ** (1 / n) for n in range(1, LONGEST + 1)}


def cider(candidates: Iterable[str], references: Iterable[Iterable[str]]) -> list[float]:
    r"""CIDEr-D of every image: cosine of n-gram counts, in which n-grams that few images have weigh more.

    .. math::
        \mathrm{CIDEr}_i = \frac{10}{4 R_i} \sum_{n=1}^{4} \sum_{r} e^{-\Delta_{ir}^2 / 72}\,
        \frac{\sum_g \min(h_g, r_g)\, r_g}{\lVert h^{(n)} \rVert \lVert r^{(n)} \rVert}, \qquad
        h_g = \mathrm{count}_g \log \frac{I}{\max(1, d_g)}

    Here :math:`d_g` is the number of images, of :math:`I`, with a reference that has the n-gram :math:`g`, and
    :math:`\Delta` is the difference in length. 0 has nothing in common, or nothing but n-grams that all images have:
    one image alone always scores 0, and so do templates with every colour wrong. 10 is a copy of a single reference
    all of whose n-grams, from one word to four, are rare. Papers print a hundred times this value.

    Args:
        candidates: One caption for each image.
        references: One list of captions for each image, as many as there are candidates.

    Returns:
        The score in [0, 10] of each image; a corpus has their mean. It depends on the other images, so figures of
        different sets cannot be compared.

    Raises:
        TypeError: If captions are not texts.
        ValueError: As for `bleu`.

    Example:
        >>> [round(score, 3) for score in cider(["a red circle", "a blue plus"], [["a red circle"], ["a green star"]])]
        [7.5, 0.0]

    Source:
        Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based image description evaluation", CVPR 2015.
    """
    pairs = _words(candidates, references)
    images = Counter(gram for _, others in pairs for gram in {gram for other in others for gram in _grams(other)})

    def weighted(words: list[str]) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        for gram, count in _grams(words).items():
            vectors[len(gram) - 1][gram] = count * log(len(pairs) / max(1, images[gram]))
        return vectors

    scores = []
    for words, others in pairs:
        mine, score = weighted(words), 0.0
        for other in others:
            apart = max(len(words) - 1, 0) - max(len(other) - 1, 0)  # counted in pairs of words
            for h, r in zip(mine, weighted(other), strict=True):
                norms = sqrt(sum(v * v for v in h.values())) * sqrt(sum(v * v for v in r.values()))
                shared = sum(min(h[gram], r[gram]) * r[gram] for gram in h.keys() & r.keys())
                score += exp(-(apart**2) / 72) * shared / norms if norms else 0.0
        scores.append(10 * score / (LONGEST * len(others)))
    return scores


def tuple_f1(said: Iterable[Iterable[Hashable]], true: Iterable[Iterable[Hashable]]) -> float:
    r"""Mean over images of the F1 of what a caption says: what SPICE estimates, where the truth is known.

    .. math::
        F_1 = \frac{2 \lvert S \cap T \rvert}{\lvert S \rvert + \lvert T \rvert}

    Args:
        said: For each image the facts :math:`S` that the caption states, such as ``("circle", "red")``.
        true: For each image the facts :math:`T` that hold, at least one.

    Returns:
        A fraction: 1 says everything and nothing else, 0 nothing true. A fact that is said twice counts once.

    Raises:
        ValueError: If there is no image, the numbers of images differ, or an image has no true fact.

    Example:
        >>> tuple_f1([[("circle", "red"), ("plus", "blue")]], [[("circle", "red")]])
        0.6666666666666666

    Source:
        Anderson et al., "SPICE: Semantic Propositional Image Caption Evaluation", ECCV 2016. Differs in that no parser
        guesses the facts and no dictionary forgives synonyms.
    """
    said, true = [set(facts) for facts in said], [set(facts) for facts in true]
    if not true or len(said) != len(true) or not all(true):
        raise ValueError(
            f"true must name one or more facts for each of the {len(said)} images of said, got {len(true)} images, "
            f"{sum(not facts for facts in true)} of them without a fact; drop images of which nothing is known"
        )
    return sum(2 * len(s & t) / (len(s) + len(t)) for s, t in zip(said, true, strict=True)) / len(true)


def _words(
    candidates: Iterable[str], references: Iterable[Iterable[str]]
) -> Sequence[tuple[list[str], list[list[str]]]]:
    candidates = _check.texts("candidates", candidates)
    references = [_check.texts(f"references[{k}]", of) for k, of in enumerate(references)]
    if len(candidates) != len(references):
        raise ValueError(
            f"references must hold one list for each of the {len(candidates)} candidates, got {len(references)}; "
            f"put the captions of an image into one list"
        )
    pairs = [
        (text.lower().split(), [one.lower().split() for one in of])
        for text, of in zip(candidates, references, strict=True)
    ]
    empty = [k for k, (words, others) in enumerate(pairs) if not words or not all(others)]
    if empty:
        raise ValueError(f"captions must hold at least one word, got an empty one for image {empty[0]}; drop the image")
    return pairs


def _grams(words: list[str]) -> Counter:
    return Counter(tuple(words[k : k + n]) for n in range(1, LONGEST + 1) for k in range(len(words) - n + 1))
