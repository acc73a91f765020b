r"""One thread: the tensors of unit tests are small, and sums then have one order. What tests start waits passively."""

from kernels import wait_passively


def pytest_configure():
    wait_passively()  # before torch is loaded
    import torch

    torch.set_num_threads(1)
