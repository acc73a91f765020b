"""`pytest --nbmake book/` runs the smallest profile, unless told another."""

import contextlib
import os

import pytest

from kernels import check_python, environment
from run_chapters import ROOT

AROUND = contextlib.ExitStack()


def pytest_configure():
    os.environ.setdefault("COMM_LITE_PROFILE", "smoke")
    # No reader sits at the sliders: see comm_lite/book/plot/explore.py.
    static = os.environ.get("COMM_LITE_STATIC", "1")
    AROUND.enter_context(environment(COMM_LITE_STATIC=static))
    try:
        check_python(ROOT)
    except RuntimeError as error:
        pytest.exit(str(error), returncode=1)


def pytest_unconfigure():
    AROUND.close()
