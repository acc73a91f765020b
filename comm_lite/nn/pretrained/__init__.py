r"""Models that somebody else trained, from the ``transformers`` library, with their own preprocessing."""

from comm_lite.nn.pretrained.cache import cached_tokens
from comm_lite.nn.pretrained.clip import PretrainedCLIP
from comm_lite.nn.pretrained.towers import PretrainedImages, PretrainedTexts

__all__ = ["PretrainedCLIP", "PretrainedImages", "PretrainedTexts", "cached_tokens"]
