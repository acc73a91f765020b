r"""Contrastive losses: pure functions of tensors, in nats, averaged over the batch."""

from comm_lite.losses.binding import binding_loss, binding_terms
from comm_lite.losses.clip import clip_loss, clip_terms
from comm_lite.losses.cmc import cmc_loss, cmc_terms
from comm_lite.losses.comm import comm_loss, comm_terms
from comm_lite.losses.cross_self import cross_self_loss, cross_self_terms
from comm_lite.losses.factorcl import FactorCL
from comm_lite.losses.infonce import cosine, info_nce, nt_xent
from comm_lite.losses.supcon import supcon_loss

__all__ = [
    "FactorCL",
    "binding_loss",
    "binding_terms",
    "clip_loss",
    "clip_terms",
    "cmc_loss",
    "cmc_terms",
    "comm_loss",
    "comm_terms",
    "cosine",
    "cross_self_loss",
    "cross_self_terms",
    "info_nce",
    "nt_xent",
    "supcon_loss",
]
