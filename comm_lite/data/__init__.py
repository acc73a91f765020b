r"""Data sets whose information is known by construction, and views of them."""

from comm_lite.data.augment import ImageAugment, blur, recolour, warp
from comm_lite.data.render import COLOURS, SHAPES, TEXTURES, combinations, render
from comm_lite.data.trifeatures import (
    Batches,
    Images,
    Pairs,
    Trifeatures,
    TrifeaturesConfig,
    pair_up,
    trifeatures,
)

__all__ = [
    "COLOURS",
    "SHAPES",
    "TEXTURES",
    "Batches",
    "ImageAugment",
    "Images",
    "Pairs",
    "Trifeatures",
    "TrifeaturesConfig",
    "blur",
    "combinations",
    "pair_up",
    "recolour",
    "render",
    "trifeatures",
    "warp",
]
