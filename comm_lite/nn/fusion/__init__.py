r"""Fusions: from the tokens of several modalities to one vector, for any subset of them, all by one signature."""

from comm_lite.nn.fusion.cross import CrossAttentionFusion
from comm_lite.nn.fusion.pooled import (
    BilinearFusion,
    ConcatFusion,
    FiLMFusion,
    LateFusion,
    LowRankFusion,
    ProductFusion,
)
from comm_lite.nn.fusion.transformer import ConcatSelfAttention

__all__ = [
    "BilinearFusion",
    "ConcatFusion",
    "ConcatSelfAttention",
    "CrossAttentionFusion",
    "FiLMFusion",
    "LateFusion",
    "LowRankFusion",
    "ProductFusion",
]
