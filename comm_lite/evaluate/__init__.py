r"""What a representation knows: frozen features, linear readers, honest intervals."""

from comm_lite.evaluate.captioning import bleu, cider, tuple_f1
from comm_lite.evaluate.features import embed
from comm_lite.evaluate.minimal_pairs import MinimalPairs, minimal_pair_scores
from comm_lite.evaluate.missing import present, probe_subsets, subsets
from comm_lite.evaluate.probe import Score, linear_probe
from comm_lite.evaluate.readers import Usable, usable_information
from comm_lite.evaluate.retrieval import Retrieval, retrieval, retrieval_ranks
from comm_lite.evaluate.zero_shot import ZeroShot, clip_score, zero_shot, zero_shot_classifier

__all__ = [
    "MinimalPairs",
    "Retrieval",
    "Score",
    "Usable",
    "ZeroShot",
    "bleu",
    "cider",
    "clip_score",
    "embed",
    "linear_probe",
    "minimal_pair_scores",
    "present",
    "probe_subsets",
    "retrieval",
    "retrieval_ranks",
    "subsets",
    "tuple_f1",
    "usable_information",
    "zero_shot",
    "zero_shot_classifier",
]
