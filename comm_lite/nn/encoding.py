r"""From inputs by modality name to tokens by modality name: one encoder and one converter each."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from comm_lite import _check
from comm_lite.nn.modalities import ByModality, mask_of, modality_names


class Encoding(nn.Module):
    r"""Encode the modalities one by one, as every model of ours begins, and carry their masks along.

    Args:
        encoders: one encoder a modality, from its input to features.
        converters: one module a modality, from features to tokens (B, L, D).

    Raises:
        TypeError: if a part is not a module.
        ValueError: if encoders and converters do not name the same modalities.
    """

    def __init__(self, encoders: Mapping[str, nn.Module], converters: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.modalities = modality_names("encoders", encoders)
        same_modalities("converters", converters, self.modalities)
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


def same_modalities(what: str, given: Mapping[str, object], modalities: list[str]) -> None:
    r"""Raise unless ``given`` has one entry for each of the modalities, in any order.

    Args:
        what: what the entries are, for the text of the error.
        given: entries by modality name.
        modalities: the names that are wanted.

    Raises:
        ValueError: if a name is missing or too many.

    Example:
        >>> same_modalities("heads", {"text": 1, "image": 2}, ["image", "text"])
    """
    if set(given) != set(modalities):
        raise ValueError(
            f"{what} must name the modalities of encoders, wanted {sorted(modalities)}, got {sorted(given)}; "
            f"give every modality one"
        )
