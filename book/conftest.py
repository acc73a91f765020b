"""`pytest --nbmake book/` runs the smallest profile, unless told another."""

import os

os.environ.setdefault("COMM_LITE_PROFILE", "smoke")
# No reader sits at the sliders: see comm_lite/book/plot/explore.py.
os.environ.setdefault("COMM_LITE_STATIC", "1")
