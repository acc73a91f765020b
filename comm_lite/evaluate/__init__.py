r"""What a representation knows: frozen features, linear readers, honest intervals."""

from comm_lite.evaluate.features import embed
from comm_lite.evaluate.probe import Score, linear_probe

__all__ = ["Score", "embed", "linear_probe"]
