"""`palate serve`, as a process of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner
from palate.client import Client
from palate_tools.cli import main

PALATE = Path(sys.executable).with_name("palate")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts `palate serve` on a free port and a new data folder."""
    with ExitStack() as stack:

        def begin(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
            command: list[str | Path] = [
                PALATE,
                "serve",
                "--port",
                "0",
                "--data-dir",
                str(tmp_path / "data"),
                *arguments,
            ]
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **environment},
                )
            )
            stack.callback(process.kill)
            return process

        yield begin


def address_of(process: "subprocess.Popen[str]") -> str:
    """Return where a server serves, as it says itself."""
    assert process.stdout
    announced = re.fullmatch(r"palate \S+ is serving on (127\.0\.0\.1:\d+)\n", process.stdout.readline())
    assert announced
    return announced[1]


def test_serving_needs_no_arguments_beyond_a_place(start: Start, tmp_path: Path) -> None:
    """The first start builds the bundled catalog into the data folder, serves it, and ends well on SIGTERM."""
    process = start()
    with Client(address_of(process)) as client:
        assert client.ready()
        assert 10 == len(client.recommend("ana").items)
    process.send_signal(signal.SIGTERM)
    assert 0 == process.wait()
    assert {"palate.db"} < {path.name for path in (tmp_path / "data").iterdir()}


def test_options_outrank_the_environment_and_the_file(start: Start, tmp_path: Path, catalog_path: Path) -> None:
    """The port of the option counts, and so does what only the file says."""
    config = tmp_path / "palate.toml"
    config.write_text('[server]\nport = 1\n[strategies]\nallow = ["cold_start"]\n', encoding="utf-8")
    process = start("--config", str(config), "--catalog", str(catalog_path), PALATE_SERVER__PORT="2")
    with Client(address_of(process)) as client:
        states = {strategy.name: strategy.state for strategy in client.list_strategies().strategies}
    assert (1, 3) == (states["cold_start"], states["ranking"])


def refusal(process: "subprocess.Popen[str]") -> str:
    """Return the sentence with which a server refuses to start: the last line on standard error, after the log."""
    announced, written = process.communicate()
    assert (2, "") == (process.returncode, announced)
    assert "Traceback" not in written
    return written.splitlines()[-1]


def test_a_catalog_that_is_missing_is_refused(start: Start, tmp_path: Path) -> None:
    """The sentence names the file and how to make one."""
    missing = tmp_path / "missing.catalog"
    sentence = refusal(start("--catalog", str(missing)))
    assert re.match(f"Error: there is no catalog {missing}.*palate catalog build", sentence)


def test_a_catalog_that_is_cut_off_is_refused(start: Start, tmp_path: Path, catalog_path: Path) -> None:
    """The sentence names the file and what to do."""
    cut = tmp_path / "cut.catalog"
    cut.write_bytes(catalog_path.read_bytes()[:5000])
    assert re.match(f"Error: {cut} .*build it again", refusal(start("--catalog", str(cut))))


def test_a_port_in_use_is_refused(start: Start, catalog_path: Path) -> None:
    """The sentence names the port and the option that chooses another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refusal(start("--port", str(port), "--catalog", str(catalog_path)))
    assert re.match(f"Error: cannot listen on 127.0.0.1:{port}.*--port", sentence)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_metrics_port_in_use_is_refused(start: Start, catalog_path: Path, workers: str) -> None:
    """The sentence names the port and the option that chooses another, before any worker is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["--metrics-port", str(port), "--workers", workers, "--catalog", str(catalog_path)]
        sentence = refusal(start(*arguments))
    assert re.match(f"Error: cannot listen on 127.0.0.1:{port} for metrics: .*--metrics-port", sentence)


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["serve", "--port", "0", "--data-dir", str(tmp_path / "file" / "data")])
    assert 2 == result.exit_code
    assert re.fullmatch(r"Error: cannot make the data folder .*/file/data: .*--data-dir\n", result.stderr)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\nprot = 1\n", "did you mean server.port?"),
        ("[server\n", "is not valid TOML"),
        ("[server]\nport = -1\n", "server.port"),
    ],
    ids=["unknown key", "no TOML", "impossible value"],
)
def test_a_broken_configuration_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """The line names the file and what would be right."""
    config = tmp_path / "palate.toml"
    config.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["serve", "--config", str(config)])
    assert (2, 1) == (result.exit_code, len(result.stderr.splitlines()))
    assert result.stderr.startswith(f"Error: {config}: ")
    assert sentence in result.stderr


@pytest.mark.parametrize("arguments", [["--port", "99999"], ["--metrics-port", "-1"], ["--workers", "0"]])
def test_an_impossible_option_is_refused(arguments: list[str]) -> None:
    """The option is named, not the configuration key behind it."""
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert 2 == result.exit_code
    assert f"Invalid value for '{arguments[0]}'" in result.stderr
