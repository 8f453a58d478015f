"""What several tests of the command line look at."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from palate_tools.cli import main


@dataclass(frozen=True, slots=True)
class Told:
    """One run of `palate lab demo`.

    Attributes:
        result: What the command did.
        folder: Its report.
    """

    result: Result
    folder: Path


def tell(folder: Path, seed: int) -> Told:
    """Tell the story of a seed, until the network is in charge."""
    options = ["--turns", "5", "--seed", str(seed), "--out", str(folder)]
    return Told(CliRunner().invoke(main, ["lab", "demo", *options]), folder)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return a demo that was told once for all tests."""
    return tell(tmp_path_factory.mktemp("demo") / "report", 12)


@pytest.fixture(scope="session")
def again(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return the same demo, told a second time."""
    return tell(tmp_path_factory.mktemp("again") / "report", 12)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Return a demo with another listener."""
    return tell(tmp_path_factory.mktemp("other") / "report", 3)


@pytest.fixture
def without_matplotlib(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs palate where matplotlib cannot be imported."""
    absent = """
    import importlib.machinery
    found = importlib.machinery.PathFinder.find_spec
    importlib.machinery.PathFinder.find_spec = lambda name, *rest: None if name == "matplotlib" else found(name, *rest)
    """
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(absent), encoding="utf-8")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", "from palate_tools.cli import main; main()", *arguments]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    return run
