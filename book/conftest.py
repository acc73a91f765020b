"""`pytest --nbmake book/` runs the smallest profile, unless told another."""

import os

os.environ.setdefault("COMM_LITE_PROFILE", "smoke")
