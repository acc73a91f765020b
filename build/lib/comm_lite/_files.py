r"""The one writer of files: what it writes is there as a whole, or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    r"""Put a file in its place in one move, so that nobody ever sees half of it.

    The content goes to a new file of a random name in the same folder, is forced to the disk, and takes the place of
    what stood there. Whatever goes wrong before that (a full disk, an interrupt, an error of the callback), the old
    file stays as it was and the new one is deleted; only a killed process can leave a file ``.….partial`` behind.
    Several processes may write one path at once; the last to finish wins. A link at ``path`` is replaced, never
    followed. A file that is replaced keeps its permissions; a new one gets the usual ones (the umask decides).

    Args:
        path: of the file, in a folder that exists.
        content: the bytes, or a function that writes them to the open binary file that it is given.

    Raises:
        FileNotFoundError: if there is no such folder.
        OSError: if the disk is full, or writing is not allowed there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(f"{folder}/a.txt", b"whole")
        ...     write_atomically(f"{folder}/b.txt", lambda file: file.write(b"too"))
        ...     print(sorted(os.listdir(folder)), Path(folder, "a.txt").read_bytes())
        ['a.txt', 'b.txt'] b'whole'
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists, found none at {path.parent}; make it first")
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")  # short: a name may have 255 bytes
    file = open(partial, "xb")  # x: never what stands there already, be it a link
    try:
        with file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file() and not path.is_symlink():
            partial.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
