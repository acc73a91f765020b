r"""The two families of models: towers that meet in the loss only, and CoMM, which fuses before it is compared.

Both are used in the same three steps: ``tokens = model.encode(x)``; ``z = model.fuse(tokens, keep=("image",))``;
``p = model.project(z)``. Encoding once and fusing many subsets is what makes CoMM's loss affordable.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.fusion import ConcatSelfAttention, _kept, _mask, _named

# these act on each token alone, so padding cannot reach a real token through them
_PER_TOKEN = (nn.Identity, nn.Linear, nn.Embedding, nn.LayerNorm)


class _Encoding(nn.Module):
    r"""What both families share: one encoder and one converter a modality, masks carried along."""

    def __init__(self, encoders: Mapping[str, nn.Module], converters: Mapping[str, nn.Module]) -> None:
        super().__init__()
        _check.known_keys("encoders", encoders, encoders)
        if set(encoders) != set(converters):
            raise ValueError(
                f"converters must name the modalities of encoders, wanted {sorted(encoders)}, "
                f"got {sorted(converters)}; give every modality one of each"
            )
        bad = [name for name in encoders if name.endswith("_mask")]
        if bad:
            raise ValueError(f"a modality must not end in '_mask', got {bad}; that ending names its padding mask")
        self.modalities = list(encoders)
        self.encoders = nn.ModuleDict(encoders)
        self.converters = nn.ModuleDict({name: converters[name] for name in encoders})

    def encode(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        r"""Encode every modality that is present, T_m of :eq:`eq-tokens`.

        Args:
            x: inputs by modality name; an absent key is a missing modality. ``<name>_mask`` (B, L), True at real
                tokens, goes along with a padded sequence (B, L, ...). What stands in the padding is not looked at.

        Returns:
            Tokens (B, L, D) by modality name, and the masks that came.

        Raises:
            TypeError: if ``x`` is not a dictionary, or a mask comes for an encoder that mixes tokens without one.
            ValueError: if a name is unknown, nothing is present, or batch sizes differ.
        """
        _check.by_modality("x", x)
        names = [name for name in x if not name.endswith("_mask")]
        _check.known_keys("x", names, self.modalities)
        _check.known_keys("x", x, names + [f"{name}_mask" for name in names])
        sizes = {name: len(x[name]) for name in x}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"x must hold one batch, got sizes {sizes}; row i of every modality is one sample")
        tokens: dict[str, Tensor] = {}
        for name in names:
            encoder, value, mask = self.encoders[name], x[name], _mask(x, name)
            if mask is not None:  # so that neither values nor gradients can come from the padding, be it NaN
                value = value.masked_fill(~mask.view(mask.shape + (1,) * (value.ndim - 2)), 0)
            if mask is None:
                hidden = encoder(value)
            elif "mask" in inspect.signature(encoder.forward).parameters:
                hidden = encoder(value, mask=mask)
            elif isinstance(encoder, _PER_TOKEN):
                hidden = encoder(value)
            else:
                raise TypeError(
                    f"the encoder of {name} must take a keyword mask because {name}_mask came, "
                    f"got {type(encoder).__name__}; without it padding would leak into real tokens"
                )
            tokens[name] = self.converters[name](hidden)  # (eq-tokens)
            if mask is not None:
                tokens[f"{name}_mask"] = mask
                _mask(tokens, name)
        return tokens


class CoMM(_Encoding):
    r"""Encode each modality, fuse whatever is kept into one vector, and project it for the loss.

    Args:
        encoders: one module a modality, from its input to features.
        converters: one module a modality, from features to tokens (B, L, D).
        fusion: from tokens and ``keep`` to (B, D).
        head: from (B, D) to the loss's space (B, P).

    Raises:
        ValueError: if encoders and converters do not name the same modalities.

    Example:
        >>> from comm_lite.nn import ConcatSelfAttention, ProjectionHead, TokenConverter
        >>> model = CoMM(
        ...     {"image": nn.Identity(), "text": nn.Identity()},
        ...     {"image": TokenConverter(8, 32), "text": TokenConverter(5, 32)},
        ...     ConcatSelfAttention(["image", "text"], dim=32, heads=4),
        ...     ProjectionHead(32, hidden=64, out=16),
        ... )
        >>> x = {"image": torch.rand(4, 8), "text": torch.rand(4, 7, 5)}
        >>> model(x).shape, model.fuse(model.encode(x), keep=("image",)).shape
        (torch.Size([4, 32]), torch.Size([4, 32]))

    Source: Dufumier et al. (ICLR 2025), section 3.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        converters: Mapping[str, nn.Module],
        fusion: ConcatSelfAttention,
        head: nn.Module,
    ) -> None:
        super().__init__(encoders, converters)
        if set(fusion.modalities) != set(self.modalities):
            raise ValueError(
                f"fusion must fuse the modalities of encoders, wanted {sorted(self.modalities)}, "
                f"got {sorted(fusion.modalities)}; build it with list(encoders)"
            )
        self.fusion = fusion
        self.head = head

    def fuse(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, D) representations from the modalities in ``keep``; None keeps everything present."""
        return self.fusion(tokens, keep)

    def project(self, z: Tensor) -> Tensor:
        r"""Return (B, P) projections of (B, D) representations, for the loss."""
        return self.head(z)

    def forward(self, x: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return the representations (B, D) of inputs ``x`` by modality name: encode, then fuse what is kept."""
        return self.fuse(self.encode(x), keep)


class TwoTower(_Encoding):
    r"""Encode each modality in a tower of its own; the towers meet in the loss only (CLIP, CMC, Cross+Self).

    The representation of a modality is the mean of its tokens; of several, their concatenation in the model's order.

    Args:
        encoders: one module a modality, from its input to features.
        converters: one module a modality, from features to tokens (B, L, D).
        heads: one projection head a modality, from (B, D) to (B, P).

    Raises:
        ValueError: if encoders, converters and heads do not name the same modalities.

    Example:
        >>> from comm_lite.nn import ProjectionHead, TokenConverter
        >>> model = TwoTower(
        ...     {"image": nn.Identity(), "text": nn.Identity()},
        ...     {"image": TokenConverter(8, 32), "text": TokenConverter(5, 32)},
        ...     {name: ProjectionHead(32, hidden=64, out=16) for name in ("image", "text")},
        ... )
        >>> z = model({"image": torch.rand(4, 8), "text": torch.rand(4, 7, 5)})
        >>> z.shape, model.project(z)["text"].shape
        (torch.Size([4, 64]), torch.Size([4, 16]))

    Source: Radford et al. (2021) for two towers; any number of them here.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        converters: Mapping[str, nn.Module],
        heads: Mapping[str, nn.Module],
    ) -> None:
        super().__init__(encoders, converters)
        if set(heads) != set(self.modalities):
            raise ValueError(
                f"heads must name the modalities of encoders, wanted {sorted(self.modalities)}, got {sorted(heads)}; "
                f"give every modality one"
            )
        self.heads = nn.ModuleDict({name: heads[name] for name in self.modalities})

    def fuse(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, kept * D) representations: the mean over real tokens of each kept modality, side by side."""
        means = []
        for name in _kept(tokens, self.modalities, keep):
            mask = _mask(tokens, name)
            if mask is None:
                means.append(tokens[name].mean(1))
            else:
                weight = mask[:, :, None].to(tokens[name].dtype)
                # where, not a product: padding may hold NaN
                real = torch.where(mask[:, :, None], tokens[name], 0.0)
                means.append(real.sum(1) / weight.sum(1).clamp(min=1))
        return torch.cat(means, dim=1)

    def project(self, z: Tensor, keep: Iterable[str] | None = None) -> dict[str, Tensor]:
        r"""Return (B, P) projections by modality name; ``keep`` is what ``z`` was fused from, None for all."""
        names = self.modalities if keep is None else _named(keep, self.modalities)
        widths = [self.converters[name].dim for name in names]
        _check.shape("z", z, "B D")
        if z.shape[1] != sum(widths):
            raise ValueError(
                f"z must have width {sum(widths)}, that of {names} together, got shape {tuple(z.shape)}; "
                f"pass the same keep to fuse and project"
            )
        return {name: self.heads[name](part) for name, part in zip(names, z.split(widths, dim=1), strict=True)}

    def forward(self, x: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return the representations (B, D) of inputs ``x`` by modality name: encode, then fuse what is kept."""
        return self.fuse(self.encode(x), keep)
