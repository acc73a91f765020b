r"""Adapters: what connects two trained models, most often an image encoder with a language model."""

from comm_lite.nn.adapters.gated import GatedCrossAttention, last_image
from comm_lite.nn.adapters.qformer import QFormer, qformer_mask
from comm_lite.nn.adapters.resampler import PerceiverResampler

__all__ = ["GatedCrossAttention", "PerceiverResampler", "QFormer", "last_image", "qformer_mask"]
