r"""The training loop, and an optimiser for convolution kernels."""

from comm_lite.train.loop import History, TrainConfig, fit
from comm_lite.train.muon import Muon, orthogonalise

__all__ = ["History", "Muon", "TrainConfig", "fit", "orthogonalise"]
