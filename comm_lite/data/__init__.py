r"""Data sets whose information is known by construction, and views of them."""

from comm_lite.data.augment import ImageAugment, blur, recolour, warp
from comm_lite.data.trifeatures import (
    COLOURS,
    SHAPES,
    TEXTURES,
    Batches,
    Images,
    Pairs,
    Trifeatures,
    TrifeaturesConfig,
    combinations,
    pair_up,
    render,
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
