r"""Multimodal contrastive learning from CLIP to CoMM, small enough to read.

The names here are what most chapters use. The rest is public by its module: ``comm_lite.losses`` (also the terms of
each loss), ``comm_lite.data``, ``comm_lite.nn``, ``comm_lite.evaluate``, ``comm_lite.plot`` and ``comm_lite.teach``.
Importing the package loads nothing heavier than torch.
"""

from comm_lite.evaluate import Score, embed, linear_probe
from comm_lite.losses import clip_loss, cmc_loss, comm_loss, cross_self_loss, info_nce, nt_xent
from comm_lite.models import CoMM, TwoTower
from comm_lite.train import TrainConfig, fit

__version__ = "0.1.0"

__all__ = [
    "CoMM",
    "Score",
    "TrainConfig",
    "TwoTower",
    "clip_loss",
    "cmc_loss",
    "comm_loss",
    "cross_self_loss",
    "embed",
    "fit",
    "info_nce",
    "linear_probe",
    "nt_xent",
]
