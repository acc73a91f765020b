r"""Converters: from what an encoder returns to tokens (B, L, D) of one width (the paper's *latent converters*)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from comm_lite import _check


def sincos_2d(height: int, width: int, dim: int, *, device: torch.device | str = "cpu") -> Tensor:
    r"""Return fixed sine and cosine codes of the positions of a grid.

    Args:
        height: rows of the grid, at least 1.
        width: columns of the grid, at least 1.
        dim: width D of a code, a multiple of 4: a quarter each for sine and cosine of row and column.
        device: where the codes go.

    Returns:
        (height * width, D) floats in [-1, 1].

    Raises:
        ValueError: if ``dim`` is not a multiple of 4.

    Example:
        >>> sincos_2d(4, 4, 32).shape
        torch.Size([16, 32])

    Source: Dosovitskiy et al. (2021) and He et al. (2022), after Vaswani et al. (2017).
    """
    _check.whole("height", height)
    _check.whole("width", width)
    _check.whole("dim", dim)
    if dim % 4:
        raise ValueError(f"dim must be a multiple of 4, got {dim}; sines and cosines of two axes share it equally")
    rate = 10_000 ** (-torch.arange(dim // 4, device=device) / (dim // 4))
    row, column = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
    angles = torch.cat([row.reshape(-1, 1) * rate, column.reshape(-1, 1) * rate], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class PatchConverter(nn.Module):
    r"""Turn a map of features into one token a position: a 1 x 1 convolution plus a fixed code of the position.

    Args:
        channels: channels C of the map.
        dim: width D of a token, a multiple of 4.

    Returns (of a call):
        (B, h * w, D) tokens for features (B, C, h, w).

    Example:
        >>> PatchConverter(32, 64)(torch.rand(2, 32, 4, 4)).shape
        torch.Size([2, 16, 64])
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        _check.whole("channels", channels)
        sincos_2d(1, 1, dim)  # refuses a width that the position code cannot have
        self.dim = dim
        self.project = nn.Linear(channels, dim)

    def forward(self, features: Tensor) -> Tensor:
        r"""Return tokens (B, h * w, D) of a map of features (B, C, h, w)."""
        _check.shape("features", features, "B C H W")
        height, width = features.shape[-2:]
        tokens = self.project(features.flatten(2).transpose(1, 2))  # (B, h * w, D)
        return tokens + sincos_2d(height, width, self.dim, device=tokens.device).to(tokens.dtype)


class TokenConverter(nn.Module):
    r"""Turn a vector or a sequence of features into tokens by one linear map, or by two with GELU between.

    Args:
        features: width F of the features.
        dim: width D of a token.
        hidden: width between two maps; None for one map.

    Returns (of a call):
        (B, 1, D) tokens for a vector (B, F), (B, L, D) tokens for a sequence (B, L, F).

    Example:
        >>> TokenConverter(10, 64)(torch.rand(2, 7, 10)).shape
        torch.Size([2, 7, 64])

    Source: as the projector between an image encoder and a language model, Liu et al. (2023), LLaVA, with one map, and
    Liu et al. (2024), LLaVA-1.5, with two.
    """

    def __init__(self, features: int, dim: int, *, hidden: int | None = None) -> None:
        super().__init__()
        _check.whole("features", features)
        _check.whole("dim", dim)
        self.features, self.dim = features, dim
        if hidden is None:
            self.project: nn.Module = nn.Linear(features, dim)
        else:
            _check.whole("hidden", hidden)
            self.project = nn.Sequential(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, features: Tensor) -> Tensor:
        r"""Return tokens (B, L, D) of features (B, L, F), or (B, 1, D) of (B, F)."""
        _check.is_tensor("features", features)
        if features.ndim not in (2, 3) or features.shape[-1] != self.features:
            raise ValueError(
                f"features must have shape (B, {self.features}) or (B, L, {self.features}), "
                f"got {tuple(features.shape)}; build the converter with the encoder's width"
            )
        return self.project(features[:, None] if features.ndim == 2 else features)
