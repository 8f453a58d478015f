"""The Node.js example, run as its README says."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.repository import ROOT

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None, reason="Node.js or npm is not installed here"
)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example with its packages, beside nothing but the protos."""
    copy = tmp_path_factory.mktemp("node")
    shutil.copytree(ROOT / "protos" / "palate", copy / "protos" / "palate")
    folder = copy / "examples" / "node"
    shutil.copytree(ROOT / "examples" / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)
    return folder


def listen(example: Path, address: str) -> "subprocess.CompletedProcess[str]":
    """Run the example."""
    command = ["node", "listen.js", address, "node"]
    return subprocess.run(command, cwd=example, capture_output=True, text=True, check=False)


def test_a_new_listener_walks_from_a_cold_start_to_three_tastes(example: Path, server: str) -> None:
    """The account tells of slates by more than one strategy and of three tastes that were liked."""
    outcome = listen(example, server)
    assert (0, "") == (outcome.returncode, outcome.stderr)
    strategies = re.findall(r"^Slate \d, by (\w+)", outcome.stdout, re.MULTILINE)
    assert ("cold_start", "ranking") == (strategies[0], strategies[-1])
    assert "node has rated 40 tracks; stage ranking" in outcome.stdout
    assert 3 == len(re.findall(r"^  .*: \d+ likes, \d+ dislikes, confidence 0\.\d\d$", outcome.stdout, re.MULTILINE))


def test_a_server_that_is_not_there_ends_the_example_with_its_status(example: Path) -> None:
    """The exit code tells scripts, the status people."""
    outcome = listen(example, "localhost:1")
    assert (1, "") == (outcome.returncode, outcome.stdout)
    assert outcome.stderr.startswith("UNAVAILABLE: ")
