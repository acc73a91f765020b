r"""Worlds in which it is known what each modality tells about each task, by construction."""

from comm_lite.worlds.captions import CaptionsConfig, CaptionSplits, Described, make_captions, minimal_pairs
from comm_lite.worlds.movies import GENRES, Movies, MoviesConfig, MovieSplits, exact_atoms, latent_joint, make_movies
from comm_lite.worlds.phrases import NEGATIVES, RELATIONS, WORDINGS, Phrase, hard_negative
from comm_lite.worlds.planted import Planted, PlantedConfig, PlantedSplits, planted_vectors
from comm_lite.worlds.posters import draw_posters
from comm_lite.worlds.render import COLOURS, SHAPES, TEXTURES, combinations, render
from comm_lite.worlds.scenes import draw_scenes, lay_out
from comm_lite.worlds.trifeatures import Images, Pairs, Trifeatures, TrifeaturesConfig, pair_up, trifeatures
from comm_lite.worlds.triples import TRIPLE_SOURCES, Triples, TriplesConfig, make_triples, triple_bits

__all__ = [
    "COLOURS", "GENRES", "NEGATIVES", "RELATIONS", "SHAPES", "TEXTURES", "TRIPLE_SOURCES", "WORDINGS", "CaptionSplits",
    "CaptionsConfig", "Described", "Images", "MovieSplits", "Movies", "MoviesConfig", "Pairs", "Phrase", "Planted",
    "PlantedConfig", "PlantedSplits", "Trifeatures", "TrifeaturesConfig", "Triples", "TriplesConfig", "combinations",
    "draw_posters", "draw_scenes", "exact_atoms", "hard_negative", "latent_joint", "lay_out", "make_captions",
    "make_movies", "make_triples", "minimal_pairs", "pair_up", "planted_vectors", "render", "trifeatures",
    "triple_bits",
]  # fmt: skip
