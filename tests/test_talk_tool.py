r"""The talk: its weights are the listed ones; the tool that rehearses it counts, refuses, and keeps off the network."""

import json
import os
import socket
import subprocess
import sys
import threading

import nbformat
import pytest
from notebooks import write

import make_weights
import talk
from comm_lite.nn import load_weights
from run_chapters import ROOT

LISTED = json.loads((ROOT / "book" / "talk_weights.json").read_text())
STORED = nbformat.read(ROOT / talk.TALK, 4)


@pytest.fixture(scope="module")
def models():
    return make_weights.talk()


# ---------------------------------------------------------------- weights


def test_the_list_names_the_files_that_are_there():
    files = {path.name: path for path in (ROOT / "book" / "talk_weights").iterdir()}
    assert sorted(LISTED) == sorted(files) == [f"{name}.safetensors" for name in sorted(make_weights.MODELS)]
    assert sum(path.stat().st_size for path in files.values()) <= 2_000_000


@pytest.mark.parametrize("name", make_weights.MODELS)
def test_the_stored_weights_fit_the_models_that_the_talk_builds(name, models):
    built = models["clip"]() if name == "clip" else models["movie_model"]({"cross": "Cross", "comm": "CoMM"}[name])
    file = f"{name}.safetensors"
    load_weights(built, ROOT / "book" / "talk_weights" / file, sha256=LISTED[file])


def test_the_tool_refuses_a_model_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        make_weights.main(["clop"])
    assert "unknown model clop; the models are clip, cross, comm" in capsys.readouterr().err


def test_every_live_cell_has_its_stored_picture_and_a_cell_that_shows_it():
    live = [cell.id for cell in STORED.cells if "live" in talk.tags(cell)]
    pictures = sorted((ROOT / "book" / "talk_pictures").iterdir())
    assert len(live) >= 5 and [path.stem for path in pictures] == sorted(live)
    assert all(path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000 for path in pictures)
    shown = "".join(cell.source for cell in STORED.cells if cell.id.endswith("-fallback"))
    assert all(f'fallback("{name}"' in shown.replace("fallback(\n    ", "fallback(") for name in live)


# ---------------------------------------------------------------- off the network

ASK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
    print("here")
try:
    {ask}
except OSError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("ask", "event"),
    [
        ("socket.create_connection(('192.0.2.1', 80), timeout=1)", "socket.getaddrinfo asked for '192.0.2.1'"),
        ("socket.socket().connect_ex(('192.0.2.1', 80))", "socket.connect asked for '192.0.2.1'"),
        ("socket.getaddrinfo('example.org', 443)", "socket.getaddrinfo asked for 'example.org'"),
        ("socket.gethostbyname('example.org')", "socket.gethostbyname asked for 'example.org'"),
        ("socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('192.0.2.1', 53))", "socket.sendto asked for '192.0.2.1'"),
        ("import urllib.request; urllib.request.urlopen('http://example.org', timeout=1)", "asked for 'example.org'"),
    ],
)
def test_only_this_machine_can_be_reached(ask, event):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tools" / "offline")}
    code = ASK.format(ask=ask)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    here, said = done.stdout.splitlines()
    assert here == "here" and "no network in a rehearsal, but" in said and event in said


def test_a_rehearsal_runs_in_a_kernel_without_a_network(tmp_path):
    reached = threading.Event()
    (tmp_path / "comm_lite").symlink_to(ROOT / "comm_lite")
    code = "import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=1)"
    write(tmp_path / "book" / "talk.ipynb", "# Talk", "import os\nprint(os.environ['COMM_LITE_PROFILE'])", code)
    with pytest.raises(RuntimeError, match="the talk failed in a rehearsal: OSError: no network in a rehearsal, but"):
        talk.rehearse("smoke", root=tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:  # and loopback works there
        port = server.getsockname()[1]
        threading.Thread(target=lambda: (server.accept()[0].close(), reached.set()), daemon=True).start()
        code = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), timeout=9).close()"
        write(tmp_path / "book" / "talk.ipynb", "# Talk", code)
        notebook = talk.rehearse("smoke", root=tmp_path)
        assert reached.wait(9)
    assert notebook.cells[1].metadata["seconds"] > 0


# ---------------------------------------------------------------- the account


def planned(*slides):
    """A talk of slides (minutes, seconds of its live cell or None), as it is after a rehearsal."""
    v4, cells = nbformat.v4, []
    for number, (minutes, seconds) in enumerate(slides):
        cells.append(v4.new_markdown_cell("## T", id=f"s{number}", metadata={"slideshow": {"slide_type": "slide"}}))
        if seconds is not None:
            meta = {"tags": ["live"], "seconds": seconds}
            cells.append(v4.new_code_cell("1", id=f"live{number}", metadata=meta))
        if minutes is not None:
            notes = {"slideshow": {"slide_type": "notes"}}
            cells.append(v4.new_markdown_cell(f"*Narration: {minutes} min.* Hm.", id=f"n{number}", metadata=notes))
    return v4.new_notebook(cells=cells)


def test_narration_and_live_cells_are_added_up():
    lines, wrong = talk.account(planned((10, None), (9.5, 19.96)))
    assert wrong == [] and lines[-1] == "narration 19.5 min + live cells 20 s = 19.8 of 20 minutes"
    assert lines[1].split() == ["live1", "20.0", "20"]


def test_a_slow_cell_and_a_long_talk_are_refused():
    _, wrong = talk.account(planned((1, 20.2), (2, 3.0)))
    assert wrong == ["live cell live0 must end within 20 s, took 20.2 s; make it smaller"]
    _, wrong = talk.account(planned((10, None), (9.9, 7.0)))
    assert wrong == ["the talk must end within 20 minutes, planned are 20.0; shorten some narration"]


def test_a_slide_without_a_mark_is_refused():
    with pytest.raises(RuntimeError, match=r"slides without notes: s1; add a cell that begins \*Narration: 0.8 min"):
        talk.narration(planned((1, None), (None, None)))
    two = planned((1, None))
    two.cells.append(two.cells[-1])
    with pytest.raises(RuntimeError, match="a slide needs one cell of notes that begins with"):
        talk.narration(two)


def test_a_number_that_no_cell_recorded_is_refused():
    notebook = planned((1, None))
    notebook.cells[0].source = "## T\n\n{glue:text}`nothing` bits"
    with pytest.raises(RuntimeError, match="a slide quotes nothing, which no cell recorded; record it"):
        talk.slides(notebook)


def test_a_live_cell_without_a_picture_is_refused():
    with pytest.raises(RuntimeError, match="live cell live0 must show one picture, to fall back on, got 0"):
        talk.pictures(planned((1, 1.0)))


def test_the_talk_as_stored_fits_its_time_and_a_speaker_s_breath():
    minutes = talk.narration(STORED)
    assert 20 <= len(minutes) <= 26 and sum(minutes.values()) <= 19
    spoken = [cell for cell in STORED.cells if talk.kind(cell) == "notes"]
    for cell, planned in zip(spoken, minutes.values(), strict=True):
        pace = len(cell.source.split()) / planned
        assert 60 <= pace <= 165, f"{cell.id}: {pace:.0f} words a minute"
