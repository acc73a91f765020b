r"""Folders that are made apart and then put in their place, so that two runs at once never share one."""

import contextlib
import errno
import os
import shutil
import tempfile


@contextlib.contextmanager
def own_folder(build):
    r"""Give a new folder in ``build`` that no other process knows, and remove it at the end."""
    build.mkdir(parents=True, exist_ok=True)
    made = build / os.path.basename(tempfile.mkdtemp(prefix="own-", suffix=".partial", dir=build))
    made.chmod(0o755)  # what is moved from here may be served to others
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def put_in_place(new, final):
    r"""Move a finished folder to ``final``; of several processes that do so at once, the last one's stays."""
    final.parent.mkdir(parents=True, exist_ok=True)
    old = new.with_name(f"{new.name}.old")  # beside it, so in a folder of one's own
    while True:
        try:
            new.rename(final)
            return
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        with contextlib.suppress(FileNotFoundError):  # another one moved it first
            final.rename(old)
            shutil.rmtree(old)
