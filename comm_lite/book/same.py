r"""The comparison behind ``teach.assert_same``: values, gradients, and what a difference may come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from comm_lite import _check

# what a function returned: its values, and their gradients by the inputs where it has any
_Result = tuple[dict[str, Tensor], dict[str, Tensor] | None]


def assert_same(
    mine: Callable[..., Any],
    ours: Callable[..., Any],
    inputs: Mapping[str, Any] | tuple[Any, ...],
    *,
    grad: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
    mistakes: Mapping[str, Callable[..., Any]] | None = None,
) -> float:
    r"""Check that two functions agree in value, and in their gradient by every real or complex tensor they are given.

    A result of several numbers is differentiated through a sum with fixed random weights, so that errors cannot cancel.
    An exercise passes the mistakes that are likely. They are called each time and must differ from ours and from one
    another, so a hint that no longer fits its exercise is an error even where the answer is right.

    Args:
        mine: the function under test, such as a reader's answer.
        ours: the function that it must equal.
        inputs: arguments for both, by name (a dict) or by place (a tuple); tensors may be nested in dicts and lists.
        grad: compare gradients too.
        rtol: allowed difference as a share of our number, at least 0.
        atol: allowed difference whatever our number is, at least 0.
        mistakes: functions that are known to be wrong, each by the hint for those whose function does the same.

    Returns:
        The largest absolute difference that was seen, in values and gradients.

    Raises:
        TypeError: if ``inputs`` is neither dict nor tuple, ``mistakes`` is no dict, or a function returns no number.
        ValueError: if the inputs cannot tell a mistake from ours or from another mistake.
        AssertionError: if they differ; the text says where, by how much, and what it may come from, and begins with
            the hint where it is a known mistake.

    Example:
        >>> x = torch.tensor([[1.0, 2.0]])
        >>> assert_same(lambda x: (x * x).sum(), lambda x: x.pow(2).sum(), (x,)) < 1e-6
        Same: 1 value and 1 gradient agree (largest difference 0).
        True
        >>> halved = {"You divided by N, not by N - 1.": lambda x: x.var(correction=0)}
        >>> try:
        ...     assert_same(lambda x: ((x - x.mean()) ** 2).mean(), torch.var, (x,), mistakes=halved)
        ... except AssertionError as error:
        ...     print(str(error).splitlines()[0])
        You divided by N, not by N - 1.
    """
    if not isinstance(inputs, Mapping | tuple):
        raise TypeError(f"inputs must be a dict or a tuple, got {type(inputs).__name__}; write (x,) for one argument")
    for name, value in (("rtol", rtol), ("atol", atol)):
        _check.between(name, value, 0.0, float("inf"))
    if not isinstance(mistakes, Mapping | None):
        raise TypeError(f"mistakes must be a dict from hint to function, got {type(mistakes).__name__}")
    my_result, our_result = (_call(name, f, inputs, grad) for name, f in (("mine", mine), ("ours", ours)))
    known = {hint: _call(f"the mistake {hint!r}", wrong, inputs, grad) for hint, wrong in (mistakes or {}).items()}
    others = {"ours": our_result}
    for hint, result in known.items():
        for name, other in others.items():
            if _alike(result, other, rtol, atol):
                raise ValueError(
                    f"mistakes must differ from ours and from one another, got {hint!r} like {name!r}; "
                    f"choose inputs that tell them apart"
                )
        others[hint] = result
    try:
        return _agree(my_result, our_result, rtol, atol, _sizes(inputs))
    except AssertionError as error:
        for hint, result in known.items():
            if _alike(my_result, result, rtol, atol):
                raise AssertionError(f"{hint}\nIn numbers: {error}") from None
        raise


def _agree(my_result: _Result, our_result: _Result, rtol: float, atol: float, sizes: set[int]) -> float:
    (my_values, my_gradients), (our_values, our_gradients) = my_result, our_result
    if my_values.keys() != our_values.keys():
        names = [", ".join(key or "one value" for key in values) for values in (my_values, our_values)]
        raise AssertionError(f"mine returns {names[0]}, ours returns {names[1]}")
    worst = [_compare(f"value{key}", my_values[key], our_values[key], rtol, atol, sizes) for key in our_values]
    if (my_gradients is None) != (our_gradients is None):
        which = "mine" if my_gradients is None else "ours"
        raise AssertionError(
            f"the values agree, but {which} has no gradient: "
            f"look for .item(), .detach(), float(...), torch.tensor(...) or torch.no_grad() on the way"
        )
    for key, ours_of_key in (our_gradients or {}).items():
        worst.append(_compare(f"gradient by {key}", my_gradients[key], ours_of_key, rtol, atol, sizes))
    counted = {"value": len(our_values), "gradient": len(our_gradients or ())}
    counts = " and ".join(f"{n} {word}{'s' * (n != 1)}" for word, n in counted.items() if n)
    print(f"Same: {counts} agree{'s' * (len(worst) == 1)} (largest difference {max(worst):.2g}).")
    return max(worst)


def _alike(one: _Result, other: _Result, rtol: float, atol: float) -> bool:
    r"""Whether two results agree, gradients too. NaN is like NaN, so that a mistake may be one that breaks."""
    for mine, theirs in zip(one, other, strict=True):  # values, then gradients
        if mine is None or theirs is None:
            if mine is not theirs:
                return False
        elif mine.keys() != theirs.keys() or not all(
            mine[key].shape == value.shape
            and torch.allclose(*_exact(mine[key], value), rtol=rtol, atol=atol, equal_nan=True)
            for key, value in theirs.items()
        ):
            return False
    return True


def _exact(*values: Tensor) -> tuple[Tensor, ...]:
    wide = torch.complex128 if any(value.is_complex() for value in values) else torch.float64
    return tuple(value.to(wide) for value in values)


def _call(name: str, function: Callable[..., Any], inputs: Any, grad: bool) -> _Result:
    leaves = {}

    def copied(path: str, value: Any):
        if isinstance(value, Tensor):
            value = value.detach().clone()
            if grad and (value.is_floating_point() or value.is_complex()):
                leaves[path] = value.requires_grad_(True)
        elif isinstance(value, Mapping):
            value = {key: copied(f"{path}[{key!r}]" if path else str(key), item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            items = [copied(f"{path}[{i}]" if path else f"argument {i + 1}", v) for i, v in enumerate(value)]
            value = getattr(value, "_make", type(value))(items)  # a named tuple keeps its names
        return value

    arguments = copied("", inputs)
    result = function(**arguments) if isinstance(arguments, Mapping) else function(*arguments)
    values = dict(sorted(_flat("", result)))  # in one order, so that each value has the same weights in both
    if not values:
        kind = type(result).__name__
        raise TypeError(f"{name} must return a number, a tensor, or a dict or list of them, got {kind}")
    generator, total = torch.Generator().manual_seed(0), 0.0
    for value in values.values():
        parts = torch.view_as_real(value.resolve_conj()) if value.is_complex() else value
        weights = torch.rand(parts.shape, generator=generator, dtype=torch.float64) + 0.5 if parts.ndim else 1.0
        if value.requires_grad:
            total = total + (parts.double() * weights).sum()
    gradients = None
    if isinstance(total, Tensor) and leaves:
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
        gradients = dict(zip(leaves, found, strict=True))
    return {key: value.detach() for key, value in values.items()}, gradients


def _flat(path: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, bool | int | float | complex):
        yield path, torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else torch.float64)
    elif isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _flat(f"{path}[{key!r}]", item)


def _compare(what: str, mine: Tensor, ours: Tensor, rtol: float, atol: float, sizes: set[int]) -> float:
    if mine.shape != ours.shape:
        raise AssertionError(f"{what}: mine has shape {tuple(mine.shape)}, ours {tuple(ours.shape)}")
    mine, ours = _exact(mine, ours)
    difference = torch.where(mine == ours, 0.0, (mine - ours).abs())  # equal infinities have no difference
    allowed = difference <= atol + rtol * ours.abs()  # False where a NaN is
    if bool(allowed.all()):
        return difference.max().item() if difference.numel() else 0.0
    worst = int(torch.where(difference.isnan(), torch.inf, difference).argmax())
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(worst), mine.shape))
    place = f" at {list(index)}" if index else ""
    raise AssertionError(
        f"{what}: mine and ours differ in {int((~allowed).sum())} of {mine.numel()} numbers, most{place}: "
        f"mine {mine[index]:.6g}, ours {ours[index]:.6g}, difference {difference[index]:.3g}, "
        f"allowed {atol + rtol * ours[index].abs():.3g}. {_hint(mine, ours, sizes)}".rstrip()
    )


def _hint(mine: Tensor, ours: Tensor, sizes: set[int]) -> str:
    if not bool(ours.isfinite().all()):
        return "Ours is not finite either: look at the inputs."
    if not bool(mine.isfinite().all()):
        return "Mine is not finite: stay in log space (logsumexp, log_softmax) instead of exp, sum, log."
    large = ours.abs() > 1e-12
    if not bool(large.any()):
        return "Ours is 0 everywhere."
    if mine.is_complex() and torch.allclose(mine, ours.conj(), rtol=1e-4):
        return "Mine is the complex conjugate of ours."
    ratios = (mine / ours)[large]
    ratio = ratios.mean().item()
    if not bool(((ratios - ratio).abs() <= 1e-4 * abs(ratio)).all()) or abs(ratio) < 1e-12:
        gap = (mine - ours).mean().item()
        same_gap = mine.numel() > 1 and bool(((mine - ours - gap).abs() <= 1e-4 * abs(gap)).all())
        return f"Mine is ours {gap:+.6g} everywhere: a constant is missing or too much." if same_gap else ""
    known = {-1.0: "the sign is turned", 2.0: "is one half missing?", 0.5: "is one half too much?"}
    known |= {math.log(2): "nats and bits are mixed", 1 / math.log(2): "nats and bits are mixed"}
    for size in sorted(sizes - {0, 1}):
        known |= {float(size): f"a sum over an axis of size {size} where a mean is wanted"}
        known |= {1.0 / size: f"a mean over an axis of size {size} where a sum is wanted"}
    fits = (text for number, text in known.items() if abs(ratio / number - 1) < 1e-4)
    return f"Mine is {ratio:.6g} times ours everywhere: {next(fits, 'a factor is missing or too much')}."


def _sizes(value: Any) -> set[int]:
    if isinstance(value, Tensor):
        return set(value.shape)
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return {size for item in items for size in _sizes(item)}
