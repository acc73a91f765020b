r"""Building blocks of the models: encoders, converters, adapters, fusions and projection heads."""

from comm_lite.nn.adapters import GatedCrossAttention, PerceiverResampler, QFormer, last_image, qformer_mask
from comm_lite.nn.converters import PatchConverter, TokenConverter, sincos_2d
from comm_lite.nn.encoders import AlexNetFeatures, PerToken, SmallCNN, TextTransformer
from comm_lite.nn.fusion import (
    BilinearFusion,
    ConcatFusion,
    ConcatSelfAttention,
    CrossAttentionFusion,
    FiLMFusion,
    LateFusion,
    LowRankFusion,
    ProductFusion,
)
from comm_lite.nn.heads import ProjectionHead
from comm_lite.nn.pretrained import PretrainedCLIP, PretrainedImages, PretrainedTexts, cached_tokens
from comm_lite.nn.weights import load_weights, save_weights

__all__ = [
    "AlexNetFeatures",
    "BilinearFusion",
    "ConcatFusion",
    "ConcatSelfAttention",
    "CrossAttentionFusion",
    "FiLMFusion",
    "GatedCrossAttention",
    "LateFusion",
    "LowRankFusion",
    "PatchConverter",
    "PerToken",
    "PerceiverResampler",
    "PretrainedCLIP",
    "PretrainedImages",
    "PretrainedTexts",
    "ProductFusion",
    "ProjectionHead",
    "QFormer",
    "SmallCNN",
    "TextTransformer",
    "TokenConverter",
    "cached_tokens",
    "last_image",
    "load_weights",
    "qformer_mask",
    "save_weights",
    "sincos_2d",
]
