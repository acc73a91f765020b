r"""Two symbols a source and K labels: the decomposition is the root of one equation in one unknown, in nats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from comm_lite.pid.certificate import Dual

_STEPS = 100
_END = 100.0  # log odds at which a cell counts as empty
_ROOT = 1e-12  # log odds within which the equation counts as solved
_SIGN = np.array([[-1.0, 1.0], [1.0, -1.0]])
_TINY = 1e-300  # added to denominators that are 0 only where the numerator is


def square(p1: np.ndarray, p2: np.ndarray) -> Dual:
    r"""Solve p(x1, y) and p(x2, y), (B, 2, K) each: many problems in NumPy, a single one in plain numbers.

    Given its marginals, the table of a label has one free cell. At the optimum these tables and their mixture
    :math:`m = \sum_y q(\cdot, \cdot, y)` have one odds ratio :math:`\theta = m(0, 0) m(1, 1) / m(0, 1) / m(1, 0)`, or
    it is 0 or infinite. Given :math:`\theta`, the table of each label is the root of a quadratic. Newton steps in
    :math:`\log \theta`, kept in a bracket, make the mixture agree.

    Source: Plackett (1965), "A class of bivariate distributions", for the table with a given odds ratio.
    """
    turned = p1[:, 0] > p2[:, 1]  # then read the table of a label from its other corner, whose least value is 0
    row, column = np.where(turned, p1[:, 1], p1[:, 0]), np.where(turned, p2[:, 1], p2[:, 0])
    given = np.minimum(row, column), np.maximum(row, column), np.abs(p2[:, 1] - p1[:, 0])
    return _dual(p1, p2, (_one if len(p1) == 1 else _many)(*given, turned, turned != (row > column)))


def _table(u: Any, v: Any, small: Any, large: Any, rest: Any, sqrt: Callable) -> tuple[Any, Any, Any, Any]:
    r"""Cells of odds ratio u / v, corner, two beside, far one; no difference of near numbers, for floats and arrays."""
    both, apart, product = small + large, large - small, small * large
    root = sqrt(v * rest * (v * rest + 2 * u * both) + u * u * apart * apart + 4 * u * v * product)
    near = 2 * u * product / (v * rest + u * both + root + _TINY)
    beside = near * (near + rest) * v / u
    least = 2 * beside / (apart + sqrt(apart * apart + 4 * beside) + _TINY)
    return near, least, least + apart, near + rest


def _bend(near: Any, least: Any, most: Any, far: Any) -> Any:
    r"""How fast the free cell moves with the log odds: 1 over the sum of 1 over each cell."""
    inner, outer = near * far / (near + far + _TINY), least * most / (least + most + _TINY)
    return inner * outer / (inner + outer + _TINY)


def _one(*given: np.ndarray) -> np.ndarray:
    labels = list(zip(*(values[0].tolist() for values in given), strict=True))
    low, high, at = -_END, _END, 0.0
    for _ in range(_STEPS):
        u, bends, m00, m01, m10, m11, cells = math.exp(at / 2), 0.0, _TINY, _TINY, _TINY, _TINY, []
        for small, large, rest, turned, across in labels:
            near, least, most, far = _table(u, 1 / u, small, large, rest, math.sqrt)
            bends += _bend(near, least, most, far)
            q00, q11 = (far, near) if turned else (near, far)
            q01, q10 = (most, least) if across else (least, most)
            cells.append((q00, q01, q10, q11))
            m00, m01, m10, m11 = m00 + q00, m01 + q01, m10 + q10, m11 + q11
        off = math.log(m00) + math.log(m11) - math.log(m01) - math.log(m10) - at
        if abs(off) <= _ROOT or bends < _ROOT * _TINY**0.5 or off * at >= _END * abs(off):  # solved, fixed, at an end
            break
        low, high = (at, high) if off > 0 else (low, at)
        slope = bends * (1 / m00 + 1 / m01 + 1 / m10 + 1 / m11) - 1
        new = at - off / slope if slope < 0 else math.copysign(math.inf, off)
        if not low < new < high:
            end = high if off > 0 else low
            new = end if abs(end) == _END else (low + high) / 2
        if new == at:
            break
        at = new
    return np.array(cells).T.reshape(1, 2, 2, -1)


def _many(*given: np.ndarray) -> np.ndarray:
    small, large, rest, turned, across = (np.ascontiguousarray(values.T) for values in given)  # (K, B)
    rows, at = np.arange(small.shape[1]), np.zeros(small.shape[1])
    q = np.empty((4, *small.shape))
    low, high = np.full_like(at, -_END), np.full_like(at, _END)
    for step in range(1, _STEPS + 1):
        u = np.exp(at / 2)
        near, least, most, far = _table(u, 1 / u, small, large, rest, np.sqrt)
        cells = np.where(turned, far, near), np.where(across, most, least)
        cells += np.where(across, least, most), np.where(turned, near, far)
        bends, m = _bend(near, least, most, far).sum(0), [cell.sum(0) + _TINY for cell in cells]
        off = np.log(m[0]) + np.log(m[3]) - np.log(m[1]) - np.log(m[2]) - at
        up = off > 0
        low, high = np.where(up, at, low), np.where(up, high, at)
        slope = np.minimum(bends * sum(1 / mass for mass in m) - 1, -_TINY)
        new, end = at - off / slope, np.where(up, high, low)
        new = np.where((low < new) & (new < high), new, np.where(np.abs(end) == _END, end, (low + high) / 2))
        done = (np.abs(off) <= _ROOT) | (bends < _ROOT * _TINY**0.5) | (off * at >= _END * np.abs(off)) | (new == at)
        done |= step == _STEPS  # certify tells how far these are
        for place, cell in enumerate(cells):
            q[place][:, rows[done]] = cell[:, done]
        go = ~done
        if not go.any():
            break
        rows, at, low, high = rows[go], new[go], low[go], high[go]
        small, large, rest, turned, across = (values[:, go] for values in (small, large, rest, turned, across))
    return q.transpose(2, 0, 1).reshape(-1, 2, 2, given[0].shape[1])


def _dual(p1: np.ndarray, p2: np.ndarray, q: np.ndarray) -> Dual:
    seen1, seen2 = p1 > 0, p2 > 0
    m = q.sum(3) + _TINY  # (B, 2, 2)
    d = np.log((q + _TINY) / m[..., None])  # what l1 + l2 is wherever m is above 0; l1(0, y) is set to 0
    odd = (d[:, 0, 0] + d[:, 1, 1] - d[:, 0, 1] - d[:, 1, 0]) * (seen1 & seen2).all(1)
    # at an end of theta they do not fit: the cells that the mixture hardly has give way
    weight = 1 / m
    share = weight * _SIGN / weight.sum((1, 2), keepdims=True)
    d += share[..., None] * odd[:, None, None]
    second = np.where(seen1[:, :1], d[:, 0], d[:, 1])
    first = np.zeros_like(p1)
    first[:, 1] = np.where(seen2[:, 0], d[:, 1, 0] - d[:, 0, 0], d[:, 1, 1] - d[:, 0, 1]) * seen1[:, 0]
    first[~seen1], second[~seen2] = -np.inf, -np.inf
    return Dual(first, second, q)
