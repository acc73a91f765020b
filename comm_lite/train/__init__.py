r"""The training loop, what it trains how, what it records and writes, and an optimiser for convolution kernels."""

from comm_lite.train.checkpoint import Checkpoints, latest_checkpoint, load, save
from comm_lite.train.config import TrainConfig
from comm_lite.train.groups import parameter_groups
from comm_lite.train.history import History, PlateauWarning, jsonl_writer, tensorboard_writer
from comm_lite.train.loop import fit
from comm_lite.train.muon import Muon, orthogonalise

__all__ = [
    "Checkpoints",
    "History",
    "Muon",
    "PlateauWarning",
    "TrainConfig",
    "fit",
    "jsonl_writer",
    "latest_checkpoint",
    "load",
    "orthogonalise",
    "parameter_groups",
    "save",
    "tensorboard_writer",
]
