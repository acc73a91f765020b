r"""Partial information decomposition: how much of what two modalities tell about a label is shared, unique, synergy."""

from comm_lite.pid.batch_estimate import batch, sinkhorn
from comm_lite.pid.broja import PID, PIDBatch, broja, broja_batch
from comm_lite.pid.estimate import Estimate, cluster, plug_in, plug_in_bias
from comm_lite.pid.gates import GATES, Gate, additive, combine
from comm_lite.pid.gaussian import gain_angle, gaussian_scalar, gaussian_vector, mmi
from comm_lite.pid.imin import imin
from comm_lite.pid.posterior import posterior, posterior_pid

__all__ = [
    "GATES",
    "PID",
    "Estimate",
    "Gate",
    "PIDBatch",
    "additive",
    "batch",
    "broja",
    "broja_batch",
    "cluster",
    "combine",
    "gain_angle",
    "gaussian_scalar",
    "gaussian_vector",
    "imin",
    "mmi",
    "plug_in",
    "plug_in_bias",
    "posterior",
    "posterior_pid",
    "sinkhorn",
]
