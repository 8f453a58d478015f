"""`palate console` in a real terminal, and where it needs more than there is."""

import os
import pty
import re
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from palate_tools.cli import main
from support.waiting import eventually

PALATE = Path(sys.executable).with_name("palate")

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux, which is a terminal to test in, is missing")
Tmux = Callable[..., str]


@pytest.fixture
def tmux() -> Iterator[Tmux]:
    """Return a function that runs a command of a tmux server of this test's own."""
    name = f"palate-{uuid.uuid4().hex}"

    def run(*arguments: str) -> str:
        command = ["tmux", "-L", name, "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    yield run
    run("kill-server")


def begin(tmux: Tmux, server: str, user_id: str, columns: int, **environment: str) -> None:
    """Start the console in a terminal of some columns and 30 lines."""
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    exact = "-u COLUMNS -u LINES"  # which readline sets for all that pytest starts, and which are not this terminal's
    command = f"env {exact} {variables} {PALATE} console {user_id} --server {server}; echo ended with $?; sleep 600"
    tmux("new-session", "-d", "-x", str(columns), "-y", "30", command)


def see(tmux: Tmux, *texts: str) -> str:
    """Wait until some texts stand in the terminal, and return all of it, colours included."""

    def seen() -> bool:
        shown = tmux("capture-pane", "-p")
        return all(text in shown for text in texts)

    eventually(seen, lambda: f"{texts} was waited for in vain\n{tmux('capture-pane', '-p')}")
    return tmux("capture-pane", "-p", "-e")


@needs_tmux
def test_it_works_in_a_real_terminal(tmux: Tmux, server: str) -> None:
    """Keys do what they say, in colour, and the terminal is left as it was."""
    begin(tmux, server, "ana", 100)
    see(tmux, "slate · cold start", "▶ cold start", "l like")
    tmux("send-keys", "l")
    assert "\x1b[" in see(tmux, "♥", "▶ fallback", "1 rated")
    tmux("send-keys", "/")
    see(tmux, "words of a title")
    tmux("send-keys", "-l", "sokrates")
    tmux("send-keys", "Enter")
    see(tmux, "Sokrates Must Die")
    tmux("send-keys", "Escape")
    see(tmux, "slate · ")
    tmux("send-keys", "q")
    assert "Traceback" not in see(tmux, "ended with 0")


@needs_tmux
def test_it_works_without_colours_in_forty_columns(tmux: Tmux, server: str) -> None:
    """NO_COLOR leaves not one colour, and the cursor is still seen: it is reversed."""
    begin(tmux, server, "ben", 40, NO_COLOR="1")
    shown = see(tmux, "slate · cold start", "title, artists, taste, score")
    codes = [code for sequence in re.findall(r"\x1b\[([\d;]*)m", shown) for code in sequence.split(";")]
    assert {"", "0", "1", "2", "3", "4", "7", "39", "49"} >= set(codes)
    assert "7" in codes
    tmux("send-keys", "p")
    see(tmux, "stages", "▶ cold start")
    tmux("send-keys", "C-q")
    see(tmux, "ended with 0")


def test_a_pipe_is_refused() -> None:
    """The sentence says what to use there."""
    result = CliRunner().invoke(main, ["console"])
    assert 2 == result.exit_code
    assert "the console needs a terminal; in a pipe use `palate recommend`" in result.stderr


def test_a_terminal_that_cannot_move_its_cursor_is_refused() -> None:
    """TERM=dumb says so."""
    code, output = in_terminal(["console"], TERM="dumb")
    assert 2 == code
    assert "TERM says" in output


def test_without_its_extra_it_says_which_to_install(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    blocker = """
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] == "textual":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(blocker), encoding="utf-8")
    code, output = in_terminal(["console"], PYTHONPATH=str(tmp_path))
    assert 2 == code
    assert "pip install 'palate[console]'" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--server", "localhost:1"], 1, "no palate server answers at localhost:1"),
        (["--config", "nowhere.toml"], 2, "there is no such file"),
        (["\udcff"], 1, "is not valid UTF-8"),
    ],
)
def test_what_cannot_work_is_said_before_the_screen_is_taken(options: list[str], code: int, sentence: str) -> None:
    """One sentence, no traceback."""
    ended, output = in_terminal(["console", *options])
    assert code == ended
    assert sentence in " ".join(output.split())
    assert "Traceback" not in output


def in_terminal(arguments: list[str], **environment: str) -> tuple[int, str]:
    """Return the exit code of a command in a terminal, and what it wrote."""
    terminal, far_end = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment}
    command: list[Path | bytes] = [PALATE, *(argument.encode(errors="surrogateescape") for argument in arguments)]
    process = subprocess.Popen(command, stdin=far_end, stdout=far_end, stderr=far_end, env=variables)
    os.close(far_end)
    written = b""
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        try:
            while part := screen.read(4096):
                written += part
        except OSError:  # how Linux says that the far end was closed
            pass
    return process.wait(), written.decode()
