r"""Building blocks of the models: encoders, converters, fusion and projection heads."""

from comm_lite.nn.converters import PatchConverter, TokenConverter, sincos_2d
from comm_lite.nn.encoders import AlexNetFeatures, PerToken, SmallCNN, TextTransformer
from comm_lite.nn.fusion import ConcatSelfAttention
from comm_lite.nn.heads import ProjectionHead
from comm_lite.nn.pretrained import PretrainedCLIP, PretrainedImages, PretrainedTexts, cached_tokens
from comm_lite.nn.weights import load_weights, save_weights

__all__ = [
    "AlexNetFeatures",
    "ConcatSelfAttention",
    "PatchConverter",
    "PerToken",
    "PretrainedCLIP",
    "PretrainedImages",
    "PretrainedTexts",
    "ProjectionHead",
    "SmallCNN",
    "TextTransformer",
    "TokenConverter",
    "cached_tokens",
    "load_weights",
    "save_weights",
    "sincos_2d",
]
