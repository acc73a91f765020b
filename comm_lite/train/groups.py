r"""Which parameter is trained how: said by the module that owns it, by what it declares, or by the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from comm_lite import _check
from comm_lite.train.config import TrainConfig
from comm_lite.train.muon import Muon

ROLES = ("plain", "matrix", "kernel")  # where owners of a shared parameter disagree, the first of these counts

_OWNED = [
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), ("weight",), "kernel"),
    ((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear, nn.Bilinear), ("weight",), "matrix"),
    ((nn.MultiheadAttention,), ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"), "matrix"),
    ((nn.RNNBase, nn.RNNCellBase), ("weight_ih", "weight_hh", "weight_hr"), "matrix"),  # with the layer's number behind
]


def _role(module: nn.Module, name: str) -> str:
    declared = getattr(module, "parameter_roles", {})
    if name in declared:
        return declared[name]
    for kinds, starts, role in _OWNED:
        if isinstance(module, kinds) and name.startswith(starts):
            return role
    return "plain"


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    r"""Sort what can be trained into the groups that `fit` uses when it is given none.

    A parameter is what the module that owns it says: the weight of a convolution is a *kernel* (it decays, and `Muon`
    trains it if ``config.kernel_lr`` is set); the weights of linear and bilinear layers, transposed convolutions,
    recurrent layers and the inputs of ``nn.MultiheadAttention`` are each a *matrix* (it decays); all else is *plain*
    and never decays: biases, norms, embeddings, and whatever a module holds as a bare ``nn.Parameter``, such as a
    class token or a code of positions, of any shape. A module that knows better declares it in an attribute::

        self.parameter_roles = {"mixing": "matrix", "scale": "plain"}  # its own parameters, by name

    Args:
        model: whose parameters; frozen ones are left out, shared ones stand once.
        config: for the learning rates and the decay.

    Returns:
        Dictionaries as torch's optimisers take them, with ``"params"``, ``"lr"`` (the largest, in [0, inf)),
        ``"weight_decay"`` and ``"muon"``, which says whether `Muon` trains the group; groups that would be empty are
        left out. Change them as you like (a smaller rate for a pretrained tower) and pass them to `fit`.

    Raises:
        ValueError: if a module declares a role for what it does not own, one that does not exist, or a vector a kernel.

    Example:
        >>> model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2))
        >>> [(len(group["params"]), group["weight_decay"]) for group in parameter_groups(model, TrainConfig())]
        [(1, 0.0001), (2, 0.0)]
    """
    roles: dict[nn.Parameter, str] = {}
    for path, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        for name, role in getattr(module, "parameter_roles", {}).items():
            if name not in own:
                raise ValueError(
                    f"parameter_roles of {path or 'the model'} must name its own parameters, got {name!r}; declare it "
                    f"in the module that holds it"
                )
            _check.one_of(f"the role of {name} in {path or 'the model'}", role, ROLES)
            if role == "kernel" and own[name].ndim < 2:
                raise ValueError(
                    f"{name} in {path or 'the model'} must have at least two axes to be a kernel, got shape "
                    f"{tuple(own[name].shape)}; declare it plain"
                )
        for name, parameter in own.items():
            if parameter.requires_grad:
                role = _role(module, name)
                roles[parameter] = min(role, roles.get(parameter, role), key=ROLES.index)
    with_muon = bool(config.kernel_lr)
    kinds = [
        ("matrix", config.lr, config.weight_decay, False),
        ("plain", config.lr, 0.0, False),
        ("kernel", config.kernel_lr if with_muon else config.lr, config.weight_decay, with_muon),
    ]
    groups = [
        {"params": [p for p, of in roles.items() if of == role], "lr": lr, "weight_decay": decay, "muon": muon}
        for role, lr, decay, muon in kinds
    ]
    return [group for group in groups if group["params"]]


def optimizers_of(groups: Sequence[dict[str, Any]]) -> list[torch.optim.Optimizer]:
    r"""Return AdamW for the groups that `Muon` does not train, and `Muon` for those that it does.

    Args:
        groups: as `parameter_groups` returns them.

    Returns:
        One or two optimisers; every group keeps its largest rate as ``"initial_lr"``.

    Raises:
        TypeError: if a group is not a dictionary with ``"params"`` and ``"lr"``.
        ValueError: if there is no parameter, one stands twice, or one is frozen.

    Example:
        >>> [type(each).__name__ for each in optimizers_of(parameter_groups(nn.Linear(2, 1), TrainConfig()))]
        ['AdamW']
    """
    for number, group in enumerate(groups):
        if not isinstance(group, dict) or not {"params", "lr"} <= group.keys():
            raise TypeError(
                f"groups must be dictionaries with 'params' and 'lr', got {type(group).__name__} at position {number}; "
                f"start from parameter_groups(model, config)"
            )
    rest = {"weight_decay": 0.0, "muon": False}
    groups = [rest | group | {"params": list(group["params"]), "initial_lr": group["lr"]} for group in groups]
    given = [p for group in groups for p in group["params"]]
    if len(set(given)) < len(given) or not all(p.requires_grad for p in given):
        raise ValueError(
            f"groups must hold each trained parameter once and no frozen one, got {len(given)} of which "
            f"{len(given) - len(set(given))} stand twice and {sum(not p.requires_grad for p in given)} are frozen; "
            f"drop these"
        )
    if not given:
        raise ValueError(
            "model must have a parameter that requires a gradient, got none; call requires_grad_() on some"
        )
    found: list[torch.optim.Optimizer] = []
    for make, muon in ((torch.optim.AdamW, False), (Muon, True)):
        mine = [group for group in groups if bool(group["muon"]) is muon and group["params"]]
        if mine:
            found.append(make(mine))
    return found
