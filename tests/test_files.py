r"""A written file is complete or absent, whoever else writes there and whatever goes wrong."""

import os
import stat
import subprocess
import sys
import textwrap

import pytest

from comm_lite import _files
from comm_lite._files import write_atomically


def written_by_another_process(code, *arguments):
    """The process reads the one file only: torch would take seconds to import."""
    start = "import runpy, sys\nwrite_atomically = runpy.run_path(sys.argv[1])['write_atomically']\n"
    code = start + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", code, _files.__file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def inside(folder):
    return sorted(path.name for path in folder.iterdir())


def test_bytes_and_a_callback_write_the_same(tmp_path):
    write_atomically(tmp_path / "a", b"one" * 1000)
    write_atomically(str(tmp_path / "b"), lambda file: [file.write(b"one") for _ in range(1000)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"one" * 1000
    write_atomically(tmp_path / "a", b"")
    assert (tmp_path / "a").read_bytes() == b"" and inside(tmp_path) == ["a", "b"]


def test_three_writers_at_once_leave_one_whole_file_and_no_error(tmp_path):
    code = """
        for _ in range(100):
            write_atomically(sys.argv[2], sys.argv[3].encode() * 200_000)
    """
    path = tmp_path / "shared"
    writers = [written_by_another_process(code, str(path), letter) for letter in "abc"]
    looks, wrong = 0, []
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            content = path.read_bytes()
            looks += 1
            if len(content) != 200_000 or len(set(content)) != 1:
                wrong.append((len(content), set(content)))
    assert [writer.communicate()[1] for writer in writers] == [b"", b"", b""]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert looks > 20 and wrong == [] and inside(tmp_path) == ["shared"]


def test_a_planted_link_is_never_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"keep me")
    for name in ("w", "w.part", ".w.partial", ".00.partial"):
        (tmp_path / name).symlink_to(victim)
    write_atomically(tmp_path / "w", b"new")
    assert victim.read_bytes() == b"keep me" and not (tmp_path / "w").is_symlink()
    assert (tmp_path / "w").read_bytes() == b"new"
    monkeypatch.setattr("secrets.token_hex", lambda n: "00")  # even who guesses the name gets nothing
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "w", b"newer")
    assert victim.read_bytes() == b"keep me" and (tmp_path / "w").read_bytes() == b"new"
    assert (tmp_path / ".00.partial").is_symlink()  # and what is not ours is not deleted


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"old")
    code = """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_atomically(sys.argv[2], b"n" * 1_000_000)
        except OSError as error:
            print(type(error).__name__, error.errno)
    """
    said, error = written_by_another_process(code, str(path)).communicate()
    assert said.split()[:1] == [b"OSError"] and error == b""
    assert path.read_bytes() == b"old" and inside(tmp_path) == ["weights"]


@pytest.mark.parametrize("when", ["callback", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stop"])
def test_a_failure_at_any_moment_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, when, error):
    def fail(*_):
        raise error

    path = tmp_path / "weights"
    path.write_bytes(b"old")
    if when != "callback":
        monkeypatch.setattr(os, when, fail)
    with pytest.raises(type(error)):
        write_atomically(path, fail if when == "callback" else b"new")
    assert path.read_bytes() == b"old" and inside(tmp_path) == ["weights"]


def test_permissions_are_the_usual_ones_or_those_that_the_file_had(tmp_path):
    path, usual = tmp_path / "file", tmp_path / "usual"
    usual.write_bytes(b"")
    write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    for mode in (0o600, 0o664):
        path.chmod(mode)
        write_atomically(path, b"newer")
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_what_cannot_be_written_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists, found none at .*nowhere; make"):
        write_atomically(tmp_path / "nowhere" / "file", b"")
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path, b"")
    long = tmp_path / ("ü" * 127)  # 254 bytes: the temporary name is no longer
    write_atomically(long, b"fits")
    assert inside(tmp_path) == [long.name]
