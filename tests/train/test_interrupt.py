r"""A reader stops a training in a notebook and goes on: with a real kernel, interrupted as the stop button does."""

import time
from queue import Empty

import pytest

SETUP = """if True:
    import os
    import torch
    from comm_lite.train import TrainConfig, fit

    torch.set_num_threads(1)
    model, data = torch.nn.Linear(2, 1), [torch.rand(4, 2) for _ in range(10)]
    steps = 0

    def step(model, batch):
        global steps
        steps += 1
        if steps == 5:
            print("learning", flush=True)
        return model(batch).square().mean()
"""
ENDLESS = "fit(model, step, data, TrainConfig(epochs=1_000_000))"
AFTERWARDS = """if True:
    from tqdm import tqdm

    weights = torch.cat([p.flatten() for p in model.parameters()])
    print(steps >= 5, model.training, bool(weights.isfinite().all()), len(tqdm._instances), model(data[0]).shape)
"""
HISTORY = "import sys; print(len(sys.last_value.history.loss))"
AGAIN = "print(len(fit(model, step, data, TrainConfig(epochs=2)).loss), model.training)"


@pytest.fixture
def kernel():
    from jupyter_client.manager import start_new_kernel

    # only where a test asked for it: the kernel of this very Python, and quietly, as in tools/run_chapters.py
    manager, client = start_new_kernel(kernel_name="python3", extra_arguments=["--log-level=50"])
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client, code, *, on_text=None):
    """Execute a cell; return its status, the name of its error, and what it printed."""
    asked, printed, error, end = client.execute(code), "", None, time.monotonic() + 120
    while True:
        try:
            message = client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        except Empty:
            raise AssertionError(f"the kernel says nothing more after {printed[-300:]!r}") from None
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        if kind == "stream":
            printed += content["text"]
            if on_text and "learning" in printed:
                on_text = on_text()  # once
        elif kind == "error":
            error = content["ename"]
        elif kind == "status" and content["execution_state"] == "idle":
            return error, printed


def test_an_interrupted_training_leaves_the_notebook_usable(kernel):
    manager, client = kernel
    assert run(client, SETUP) == (None, "")
    error, printed = run(client, ENDLESS, on_text=manager.interrupt_kernel)
    assert error == "KeyboardInterrupt" and "step" in printed and printed.endswith("\n")  # the bar ended its line
    assert run(client, AFTERWARDS) == (None, "True True True 0 torch.Size([4, 1])\n")
    error, printed = run(client, HISTORY)
    assert error is None and int(printed) >= 1  # epochs, the unfinished one among them
    error, printed = run(client, AGAIN)
    assert error is None and printed.splitlines()[-1] == "2 True"
