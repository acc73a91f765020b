r"""Building blocks of the models: encoders, converters, fusion and projection heads."""

from comm_lite.nn.converters import PatchConverter, TokenConverter, sincos_2d
from comm_lite.nn.encoders import AlexNetFeatures, SmallCNN
from comm_lite.nn.fusion import ConcatSelfAttention
from comm_lite.nn.heads import ProjectionHead

__all__ = [
    "AlexNetFeatures",
    "ConcatSelfAttention",
    "PatchConverter",
    "ProjectionHead",
    "SmallCNN",
    "TokenConverter",
    "sincos_2d",
]
