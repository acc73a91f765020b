r"""The two families of models: towers that meet in the loss only, and CoMM, which fuses before it is compared.

Both are used in the same three steps: ``tokens = model.encode(x)``; ``z = model.fuse(tokens, keep=("image",))``;
``p = model.project(z)``. Encoding once and fusing many subsets is what makes CoMM's loss affordable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.modalities import ByModality, kept, mask_of, modality_names, named


class _Encoding(nn.Module):
    r"""What both families share: one encoder and one converter a modality, masks carried along."""

    def __init__(self, encoders: Mapping[str, nn.Module], converters: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.modalities = modality_names("encoders", encoders)
        _same_names("converters", converters, self.modalities)
        self.encoders = ByModality("encoders", encoders)
        self.converters = ByModality("converters", {name: converters[name] for name in self.modalities})

    def encode(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        r"""Encode every modality that is present, T_m of :eq:`eq-tokens`.

        Args:
            x: inputs by modality name; an absent key is a missing modality. ``<name>_mask`` (B, L), True at real
                tokens, goes along with a padded sequence (B, L, ...). What stands in the padding is not looked at.

        Returns:
            Tokens (B, L, D) by modality name, and the masks that came.

        Raises:
            TypeError: if ``x`` is not a dictionary of tensors, or a mask comes for an encoder that takes none.
            ValueError: if a name is unknown, nothing is present, batch sizes differ, or a mask does not fit.
        """
        _check.by_modality("x", x)
        names = [name for name in x if not name.endswith("_mask")]
        _check.known_keys("x", names, self.modalities)
        _check.known_keys("x", x, names + [f"{name}_mask" for name in names])
        for name in x:
            _check.is_tensor(f"x[{name!r}]", x[name])
        sizes = {name: x[name].shape[0] if x[name].ndim else 0 for name in x}
        if len(set(sizes.values())) > 1:
            raise ValueError(f"x must hold one batch, got sizes {sizes}; row i of every modality is one sample")
        tokens: dict[str, Tensor] = {}
        for name in names:
            value, mask = x[name], mask_of(x, name)
            if mask is not None:  # so that neither values nor gradients can come from the padding, be it NaN
                value = value.masked_fill(~mask.view(mask.shape + (1,) * (value.ndim - 2)), 0)
            hidden = self._encoded(name, value, mask)
            tokens[name] = self.converters[name](hidden)  # (eq-tokens)
            if mask is not None:
                tokens[f"{name}_mask"] = mask
                mask_of(tokens, name)
        return tokens

    def _encoded(self, name: str, value: Tensor, mask: Tensor | None) -> Tensor:
        encoder = self.encoders[name]
        if mask is None:
            return encoder(value)
        try:
            return encoder(value, mask=mask)
        except TypeError as error:
            if "unexpected keyword argument 'mask'" not in str(error):
                raise
            raise TypeError(
                f"the encoder of {name} must take a keyword mask because {name}_mask came, got {type(encoder).__name__}"
                f"; without it padding would leak into real tokens, so take one, or wrap in PerToken what mixes no "
                f"tokens"
            ) from error


def _same_names(what: str, given: Mapping[str, object], modalities: list[str]) -> None:
    if set(given) != set(modalities):
        raise ValueError(
            f"{what} must name the modalities of encoders, wanted {sorted(modalities)}, got {sorted(given)}; "
            f"give every modality one"
        )


class CoMM(_Encoding):
    r"""Encode each modality, fuse whatever is kept into one vector, and project it for the loss.

    Args:
        encoders: one encoder a modality, from its input to features; see `comm_lite.nn` for what an encoder is. A plain
            module will do where no mask comes; where one comes, `comm_lite.nn.PerToken` makes it an encoder.
        converters: one module a modality, from features to tokens (B, L, D).
        fusion: from tokens and ``keep`` to (B, D); its ``modalities`` are those of the encoders.
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
        fusion: nn.Module,
        head: nn.Module,
    ) -> None:
        super().__init__(encoders, converters)
        fused = getattr(fusion, "modalities", None)
        if fused is None:
            raise TypeError(
                f"fusion must have an attribute modalities, the names that it fuses, got {type(fusion).__name__}; "
                f"pass a ConcatSelfAttention, or set it"
            )
        if set(fused) != set(self.modalities):
            raise ValueError(
                f"fusion must fuse the modalities of encoders, wanted {sorted(self.modalities)}, "
                f"got {sorted(fused)}; build it with list(encoders)"
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
        encoders: one encoder a modality, from its input to features; see `comm_lite.nn` for what an encoder is. A plain
            module will do where no mask comes; where one comes, `comm_lite.nn.PerToken` makes it an encoder.
        converters: one module a modality, from features to tokens (B, L, D); its attribute ``dim`` is that D, by which
            `project` takes the parts of a representation apart.
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
        _same_names("heads", heads, self.modalities)
        self.heads = ByModality("heads", {name: heads[name] for name in self.modalities})

    def fuse(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, kept * D) representations: the mean over real tokens of each kept modality, side by side."""
        means = []
        for name in kept(tokens, self.modalities, keep):
            mask = mask_of(tokens, name)
            if mask is None:
                means.append(tokens[name].mean(1))
            else:
                weight = mask[:, :, None].to(tokens[name].dtype)
                # where, not a product: padding may hold NaN
                real = torch.where(mask[:, :, None], tokens[name], 0.0)
                means.append(real.sum(1) / weight.sum(1).clamp(min=1))
        return torch.cat(means, dim=1)

    def width(self, name: str) -> int:
        r"""Return the width D of one modality's part of a representation, as its converter tells."""
        (name,) = named([name], self.modalities)
        dim = getattr(self.converters[name], "dim", None)
        if dim is None:
            raise TypeError(
                f"the converter of {name} must have an attribute dim, the width of its tokens, "
                f"got {type(self.converters[name]).__name__}; pass a TokenConverter or a PatchConverter, or set it"
            )
        return dim

    def project(self, z: Tensor, keep: Iterable[str] | None = None) -> dict[str, Tensor]:
        r"""Return (B, P) projections by modality name; ``keep`` is what ``z`` was fused from, None for all."""
        names = self.modalities if keep is None else named(keep, self.modalities)
        widths = [self.width(name) for name in names]
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
