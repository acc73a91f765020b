r"""Projection heads: from a representation to the space where the loss is taken."""

from __future__ import annotations

from torch import Tensor, nn

from comm_lite import _check


class ProjectionHead(nn.Sequential):
    r"""Three linear layers with batch normalisation and ReLU between them.

    The loss shapes what comes out of the head; what the world uses is what went in.

    Args:
        dim: width D of the representation.
        hidden: width of the hidden layers.
        out: width P of the projection.

    Returns (of a call):
        (B, P) projections for (B, D) representations. The losses normalise them.

    Raises:
        ValueError: (when called) if a width does not fit, or in training if the batch holds one sample only.

    Example:
        >>> import torch
        >>> ProjectionHead(32, hidden=64, out=16)(torch.rand(4, 32)).shape
        torch.Size([4, 16])

    Source: Chen et al. (2020), SimCLR; the widths of Dufumier et al. (ICLR 2025) are 512 and 256.
    """

    def __init__(self, dim: int, *, hidden: int = 512, out: int = 256) -> None:
        for name, value in (("dim", dim), ("hidden", hidden), ("out", out)):
            _check.whole(name, value)
        super().__init__(
            nn.Linear(dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True),
            nn.Linear(hidden, out),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        r"""Return projections (B, P) of representations (B, D)."""
        _check.shape("z", z, "B D")
        if z.shape[1] != self[0].in_features:
            raise ValueError(
                f"z must have width {self[0].in_features}, got shape {tuple(z.shape)}; project what fuse returned"
            )
        if self.training and len(z) < 2:
            raise ValueError(
                f"z must hold at least 2 rows in training, got {len(z)}; batch normalisation needs a batch, "
                f"so drop the last small batch or call model.eval()"
            )
        return super().forward(z)
