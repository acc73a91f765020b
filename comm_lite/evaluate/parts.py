r"""A training part and a test part with labels: checked together, classes numbered.

Shapes: ``N`` rows, ``D`` width of a feature, ``K`` classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from comm_lite import _check


def check_features(train_z: Tensor, test_z: Tensor) -> None:
    r"""Raise unless both are finite floating-point features ``(N, D)`` of one width, with at least one row.

    Args:
        train_z: Features to fit a reader on.
        test_z: Features to judge it on.

    Raises:
        TypeError: If one does not hold floating-point numbers.
        ValueError: If a shape or a number is wrong.

    Example:
        >>> check_features(torch.zeros(3, 2), torch.zeros(5, 2))
    """
    for name, z in (("train_z", train_z), ("test_z", test_z)):
        _check.shape(name, z, "N D")
        if not z.is_floating_point():
            raise TypeError(f"{name} must hold floating-point features, got {z.dtype}; call .float() first")
        if len(z) == 0:
            raise ValueError(f"{name} must hold at least one row, got none; check the split")
        _check.finite(name, z)
    if train_z.shape[1] != test_z.shape[1]:
        raise ValueError(
            f"test_z must have the width of train_z, wanted {train_z.shape[1]}, got {test_z.shape[1]}; "
            f"take both from the same model"
        )


def number_classes(train_y: Tensor, test_y: Tensor, *, rows: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    r"""Number the classes of the training part, and find those of the test part among them.

    Args:
        train_y: Class of each training row, integers.
        test_y: Class of each test row, integers.
        rows: Number of training and of test rows.

    Returns:
        The K classes in ascending order, and the places among them of both parts' labels.

    Raises:
        TypeError: If labels are not integers.
        ValueError: If there is not one label for each row, a part has one class only, or a test class is unknown.

    Example:
        >>> number_classes(torch.tensor([9, 4, 7]), torch.tensor([9, 7]), rows=(3, 2))
        (tensor([4, 7, 9]), tensor([2, 0, 1]), tensor([2, 1]))
    """
    for name, y, n in (("train_y", train_y, rows[0]), ("test_y", test_y, rows[1])):
        _check.shape(name, y, "N")
        _check.rows(name, y, n)
        _check.integers(name, y)
    classes, labels = train_y.cpu().unique(return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"train_y must hold at least two classes, got only {classes.tolist()}; nothing to tell apart")
    occurring = test_y.unique().tolist()
    unseen = sorted(set(occurring) - set(classes.tolist()))
    if unseen:
        raise ValueError(f"test_y must hold only classes seen in training, got unknown {unseen}; check the split")
    if len(occurring) < 2:
        raise ValueError(f"test_y must hold at least two classes, got only {occurring}; else a constant is perfect")
    return classes, labels, torch.searchsorted(classes, test_y.cpu())
