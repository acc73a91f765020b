r"""Tokens of a frozen tower, computed once, kept on the disk and read back by memory map."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from comm_lite import _check
from comm_lite._files import write_atomically
from comm_lite.nn.pretrained.towers import PretrainedImages, PretrainedTexts


def cached_tokens(
    tower: PretrainedImages | PretrainedTexts, items: Iterable[str | Path], folder: str | Path, *, batch: int = 64
) -> dict[str, Tensor]:
    r"""Return the tokens of image files or texts, from the disk if they were asked for before.

    The name of the file is a hash of all that the tokens depend on: the tower's weights and preprocessing, and the
    content of each item in its order. So a moved image is found again, and a changed one is computed anew.

    Args:
        tower: frozen.
        items: paths of images, which may differ in size, for `PretrainedImages`; texts for `PretrainedTexts`.
        folder: where the file goes; made if it is not there.
        batch: items that the tower sees at a time.

    Returns:
        ``tokens`` (N, L, D), and for texts ``mask`` (N, L), on the CPU; pages are read from the file as they are used.

    Raises:
        TypeError: if ``tower`` is neither, or an item is not a path or a text.
        ValueError: if the tower is tuned, there is no item, or a file holds no image.
        FileNotFoundError: if an image is not there.

    Example:
        >>> cached_tokens(torch.nn.Identity(), ["a"], "features")
        Traceback (most recent call last):
        TypeError: tower must be a PretrainedImages or a PretrainedTexts, got Identity; load one with from_pretrained
    """
    from safetensors.torch import load_file, save

    if not isinstance(tower, PretrainedImages | PretrainedTexts):
        raise TypeError(
            f"tower must be a PretrainedImages or a PretrainedTexts, got {type(tower).__name__}; "
            f"load one with from_pretrained"
        )
    if tower.tune:
        raise ValueError("tower must be frozen, got one with tune=True; its tokens change as it learns")
    _check.whole("batch", batch)
    items = _check.texts("items", [str(item) if isinstance(item, Path) else item for item in items])
    if isinstance(tower, PretrainedTexts):
        ids, mask = tower.tokenize(items)
        contents, settings = [json.dumps([ids.tolist(), mask.tolist()]).encode()], {}
    else:
        contents, settings = [_content(item) for item in items], tower.settings
    path = Path(folder) / f"{_key(tower, settings, contents)}.safetensors"
    if not path.exists():
        made = []
        for start in range(0, len(items), batch):
            part = slice(start, start + batch)
            if isinstance(tower, PretrainedTexts):
                made.append(tower(ids[part].to(tower.model.device), mask[part].to(tower.model.device)).cpu())
            else:
                images = [tower.prepare(_image(item).to(tower.model.device)) for item in items[part]]
                made.append(tower.tokens(torch.cat(images)).cpu())
        found = {"tokens": torch.cat(made)}
        if isinstance(tower, PretrainedTexts):
            found["mask"] = mask
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save(found))
    return load_file(path)


def _content(path: str) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except FileNotFoundError:
        raise FileNotFoundError(f"items must be images that are there, found none at {path}; check the path") from None


def _image(path: str) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"items must be images, got {path}, which holds none ({error}); drop or restore it") from error
    values = torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8)
    return values.view(1, rgb.height, rgb.width, 3).permute(0, 3, 1, 2).float() / 255


def _key(tower: torch.nn.Module, settings: dict, contents: list[bytes]) -> str:
    digest = hashlib.sha256(json.dumps([type(tower).__name__, settings], sort_keys=True, default=str).encode())
    for name, value in sorted(tower.model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:40]
