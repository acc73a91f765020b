r"""Multimodal contrastive learning from CLIP to CoMM, small enough to read.

The package has three wings. To train on data of your own: ``comm_lite.losses``, ``nn``, ``models``, ``data``, ``train``
and ``evaluate``; the names that are used most stand here. To measure information: ``comm_lite.info``, ``bounds``,
``alignment`` and ``pid``. What the book needs besides: ``comm_lite.worlds``, data whose information is known, and
``comm_lite.book``, its figures and teaching aids. Importing the package loads nothing heavier than torch.
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
