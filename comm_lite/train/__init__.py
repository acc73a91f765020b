r"""The training loop, what it trains how, and an optimiser for convolution kernels."""

from comm_lite.train.config import History, PlateauWarning, TrainConfig
from comm_lite.train.groups import parameter_groups
from comm_lite.train.loop import fit
from comm_lite.train.muon import Muon, orthogonalise

__all__ = ["History", "Muon", "PlateauWarning", "TrainConfig", "fit", "orthogonalise", "parameter_groups"]
