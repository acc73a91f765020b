r"""Partial information decomposition: how much of what two modalities tell about a label is shared, unique, synergy."""

from comm_lite.pid.atoms import PID, Estimate, PIDBatch
from comm_lite.pid.batch_estimate import batch, sinkhorn
from comm_lite.pid.broja import broja, broja_batch
from comm_lite.pid.estimate import cluster, plug_in, plug_in_bias
from comm_lite.pid.gates import GATES, Gate, additive, combine
from comm_lite.pid.gaussian import gain_angle, gaussian_scalar, gaussian_vector, mmi
from comm_lite.pid.measures import imin, measures
from comm_lite.pid.posterior import posterior, posterior_pid

__all__ = ["PID", "Estimate", "PIDBatch", "broja", "broja_batch", "imin", "measures"]
__all__ += ["GATES", "Gate", "additive", "combine", "gain_angle", "gaussian_scalar", "gaussian_vector", "mmi"]
__all__ += ["batch", "cluster", "plug_in", "plug_in_bias", "posterior", "posterior_pid", "sinkhorn"]
