r"""The training loop."""

from comm_lite.train.loop import History, TrainConfig, fit

__all__ = ["History", "TrainConfig", "fit"]
