r"""The two families of models: towers that meet in the loss only, and CoMM, which fuses before it is compared.

Both are used in the same three steps: ``tokens = model.encode(x)``; ``z = model.fuse(tokens, keep=("image",))``;
``p = model.project(z)``. Encoding once and fusing many subsets is what makes CoMM's loss affordable. Both take these
steps by themselves in ``loss, terms = model.loss(view1, view2)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from comm_lite import _check
from comm_lite.losses.clip import clip_loss
from comm_lite.losses.comm import comm_terms
from comm_lite.nn.encoding import Encoding, same_modalities
from comm_lite.nn.modalities import ByModality, kept, mask_of, mean_of_real, named


class CoMM(Encoding):
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

    def loss(
        self,
        view1: Mapping[str, Tensor],
        view2: Mapping[str, Tensor],
        *,
        temperature: float | Tensor = 0.1,
        weights: Mapping[str, float] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        r"""Take a whole step of :func:`~comm_lite.losses.comm_loss`: each view is encoded once, and fused n + 1 times.

        Args:
            view1: inputs of the first augmented view by modality name, as for `encode`.
            view2: inputs of the second view; the same modalities.
            temperature: above zero; a float or a scalar tensor.
            weights: of the terms by name, each at least 0; a term that is not named has 1.

        Returns:
            The weighted sum, a scalar in nats, and the terms without weights: ``joint`` and one a modality.

        Raises:
            ValueError: if ``weights`` names no term or holds a negative number; otherwise as `encode` and
                :func:`~comm_lite.losses.comm_terms`.

        Example:
            >>> from comm_lite.nn import ConcatSelfAttention, TokenConverter
            >>> parts = [{name: make() for name in "ab"} for make in (nn.Identity, lambda: TokenConverter(3, 8))]
            >>> model = CoMM(*parts, ConcatSelfAttention(["a", "b"], dim=8), nn.Linear(8, 4))
            >>> view1, view2 = ({name: torch.rand(5, 3) for name in "ab"} for _ in range(2))
            >>> loss, terms = model.loss(view1, view2, weights={"a": 0.5})
            >>> bool(torch.isclose(loss, terms["joint"] + 0.5 * terms["a"] + terms["b"]))
            True
        """
        fused, alone = [], []
        for view in (view1, view2):
            tokens = self.encode(view)
            names = kept(tokens, self.modalities, None)
            fused.append(self.project(self.fuse(tokens)))
            alone.append({name: self.project(self.fuse(tokens, (name,))) for name in names})
        return _weighted(comm_terms(*fused, *alone, temperature=temperature), weights)

    def forward(self, x: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return the representations (B, D) of inputs ``x`` by modality name: encode, then fuse what is kept."""
        return self.fuse(self.encode(x), keep)


class TwoTower(Encoding):
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
        same_modalities("heads", heads, self.modalities)
        self.heads = ByModality("heads", {name: heads[name] for name in self.modalities})

    def fuse(self, tokens: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return (B, kept * D) representations: the mean over real tokens of each kept modality, side by side."""
        names = kept(tokens, self.modalities, keep)
        return torch.cat([mean_of_real(tokens[name], mask_of(tokens, name)) for name in names], dim=1)

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

    def loss(
        self,
        view1: Mapping[str, Tensor],
        view2: Mapping[str, Tensor] | None = None,
        *,
        temperature: float | Tensor = 0.1,
        weights: Mapping[str, float] | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        r"""Take a whole step of :func:`~comm_lite.losses.clip_loss`, for every pair of the modalities.

        Args:
            view1: inputs by modality name, as for `encode`; at least two modalities.
            view2: inputs of a second augmented view, with the same modalities: a pair is then compared twice, either
                modality once from either view, and the mean is taken. None to compare within the one view, as CLIP.
            temperature: above zero; a float or a scalar tensor.
            weights: of the terms by name, each at least 0; a term that is not named has 1.

        Returns:
            The weighted sum, a scalar in nats, and the terms without weights, such as ``image-text``.

        Raises:
            ValueError: if fewer than two modalities are present, the views differ in them, or ``weights`` names no term
                or holds a negative number; otherwise as `encode` and :func:`~comm_lite.losses.clip_loss`.

        Example:
            >>> from comm_lite.nn import TokenConverter
            >>> makers = nn.Identity, lambda: TokenConverter(3, 8), lambda: nn.Linear(8, 4)
            >>> model = TwoTower(*({name: make() for name in ("image", "text")} for make in makers))
            >>> loss, terms = model.loss({"image": torch.rand(5, 3), "text": torch.rand(5, 3)})
            >>> list(terms), bool(loss == terms["image-text"])
            (['image-text'], True)
        """
        _check.temperature("temperature", temperature)
        sides = []
        for view in (view1,) if view2 is None else (view1, view2):
            tokens = self.encode(view)
            names = kept(tokens, self.modalities, None)
            sides.append(self.project(self.fuse(tokens), names))
        _check.by_modality("view1", sides[0], least=2)
        _check.same_keys("view2", sides[-1], "view1", sides[0])
        terms = {}
        for a, b in combinations(sides[0], 2):
            ways = [(sides[0], sides[-1]), (sides[-1], sides[0])][: len(sides)]
            found = [clip_loss(one[a], other[b], logit_scale=1 / temperature) for one, other in ways]
            terms[f"{a}-{b}"] = sum(found) / len(found)
        return _weighted(terms, weights)

    def forward(self, x: Mapping[str, Tensor], keep: Iterable[str] | None = None) -> Tensor:
        r"""Return the representations (B, D) of inputs ``x`` by modality name: encode, then fuse what is kept."""
        return self.fuse(self.encode(x), keep)


def _weighted(terms: dict[str, Tensor], weights: Mapping[str, float] | None) -> tuple[Tensor, dict[str, Tensor]]:
    r"""The sum of the terms, each times its weight, and the terms."""
    if weights is not None:
        _check.known_keys("weights", weights, terms)
        for name, weight in weights.items():
            _check.between(f"weights[{name!r}]", weight, 0.0, float("inf"))
    return sum(term * (weights or {}).get(name, 1.0) for name, term in terms.items()), terms
