r"""Data sets whose information is known by construction, and views of them."""

from comm_lite.data.augment import ImageAugment, blur, recolour, warp
from comm_lite.data.augment_text import TextAugment
from comm_lite.data.captions import Captioned, CaptionsConfig, CaptionSplits, Described, make_captions, minimal_pairs
from comm_lite.data.emoji import Emoji, load_emoji
from comm_lite.data.movies import (
    GENRES,
    Movies,
    MoviesConfig,
    MovieSplits,
    exact_atoms,
    latent_joint,
    make_movies,
)
from comm_lite.data.phrases import NEGATIVES, RELATIONS, WORDINGS, Phrase, hard_negative
from comm_lite.data.planted import Planted, PlantedConfig, PlantedSplits, VectorAugment, planted_vectors
from comm_lite.data.posters import draw_posters
from comm_lite.data.render import COLOURS, SHAPES, TEXTURES, combinations, render
from comm_lite.data.scenes import draw_scenes, lay_out
from comm_lite.data.tokenizer import Tokenizer, train_tokenizer
from comm_lite.data.trifeatures import (
    Batches,
    Images,
    Pairs,
    Trifeatures,
    TrifeaturesConfig,
    pair_up,
    trifeatures,
)
from comm_lite.data.triples import TRIPLE_SOURCES, Triples, TriplesConfig, TripleSplits, make_triples, triple_bits

__all__ = [
    "COLOURS",
    "GENRES",
    "NEGATIVES",
    "RELATIONS",
    "SHAPES",
    "TEXTURES",
    "TRIPLE_SOURCES",
    "WORDINGS",
    "Tokenizer",
    "Batches",
    "CaptionSplits",
    "Captioned",
    "CaptionsConfig",
    "Described",
    "Emoji",
    "ImageAugment",
    "Images",
    "MovieSplits",
    "Movies",
    "MoviesConfig",
    "Pairs",
    "Phrase",
    "Planted",
    "PlantedConfig",
    "PlantedSplits",
    "TextAugment",
    "Trifeatures",
    "TrifeaturesConfig",
    "TripleSplits",
    "Triples",
    "TriplesConfig",
    "VectorAugment",
    "blur",
    "combinations",
    "draw_posters",
    "draw_scenes",
    "exact_atoms",
    "hard_negative",
    "latent_joint",
    "lay_out",
    "load_emoji",
    "make_captions",
    "make_movies",
    "make_triples",
    "minimal_pairs",
    "pair_up",
    "planted_vectors",
    "recolour",
    "render",
    "train_tokenizer",
    "trifeatures",
    "triple_bits",
    "warp",
]
