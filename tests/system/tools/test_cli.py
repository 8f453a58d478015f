"""The command tree: what it consists of, and that its help needs none of the extras."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from palate_tools.cli import main

EXTRAS = {"dask", "distributed", "jinja2", "joblib", "lightgbm", "matplotlib", "onnx", "onnxmltools", "psycopg", "ray"}
EXTRAS |= {"scipy", "skl2onnx", "sklearn", "textual", "threadpoolctl"}
"""Modules that only the extras bring."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below a group, with the words that name it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which nothing that an extra brings can be imported."""
    blocker = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Absent())
"""
    (tmp_path / "sitecustomize.py").write_text(blocker, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_the_product_has_a_dozen_commands_and_the_laboratory_one() -> None:
    """In the order in which a newcomer needs them."""
    names = "serve train recommend like dislike profile search catalog models strategies console doctor lab"
    assert names.split() == main.list_commands(click.Context(main))
    laboratory = [words[1] for words, _ in commands(main) if words[0] == "lab" and len(words) == 2]
    assert ["simulate", "compare", "ablate", "evaluate", "report", "demo", "bench"] == laboratory


def test_every_command_takes_the_listener_first_and_by_position() -> None:
    """No command has an option --user; where there is a USER, it comes before everything else."""
    for words, command in commands(main):
        assert "--user" not in {name for parameter in command.params for name in parameter.opts}, words
        arguments = [parameter.name for parameter in command.params if isinstance(parameter, click.Argument)]
        assert not {"user", "users"} & set(arguments[1:]), words


def test_help_lists_commands_without_importing_them() -> None:
    """`palate --help` answers before NumPy and Arrow would even be loaded."""
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from palate_tools.cli import main\n"
        "assert 'catalog' in CliRunner().invoke(main, ['--help']).output\n"
        "print(sorted({'numpy', 'pyarrow', 'grpc', 'onnxruntime'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]\n" == result.stdout


def test_every_help_works_without_any_extra(bare: dict[str, str]) -> None:
    """One process asks for the help of every command and prints those that fail."""
    script = """
from click.testing import CliRunner
from palate_tools.cli import main
import sys

for line in sys.stdin:
    result = CliRunner().invoke(main, [*line.split(), "--help"])
    if result.exit_code or not result.output.startswith(f"Usage: main {line.strip()}".rstrip()):
        print(line.strip(), result.output, result.exception)
print("asked")
"""
    lines = ["", *(" ".join(words) for words, _ in commands(main))]
    asked = subprocess.run(
        [sys.executable, "-c", script], input="\n".join(lines), env=bare, capture_output=True, text=True, check=True
    )
    assert "asked\n" == asked.stdout


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("train", "train"),
        ("lab compare", "lab"),
        ("lab ablate", "lab"),
        ("lab evaluate labels likes.csv", "lab"),
        ("lab evaluate playlists playlists.csv", "lab"),
        ("lab report", "lab"),
        ("lab demo", "lab"),
        ("lab bench", "lab"),
    ],
)
def test_a_command_that_needs_an_extra_says_in_one_sentence_how_to_install_it(
    words: str, extra: str, bare: dict[str, str], tmp_path: Path
) -> None:
    """Exit code 2, and no traceback."""
    palate = Path(sys.executable).with_name("palate")
    ended = subprocess.run(
        [palate, *words.split()], env=bare, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=60
    )
    assert (2, "") == (ended.returncode, ended.stdout)
    assert f"pip install 'palate[{extra}]'" in ended.stderr
    assert 1 == len(ended.stderr.splitlines())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("recomend", "Error: there is no command 'recomend'; did you mean recommend?"),
        ("catalogue", "Error: there is no command 'catalogue'; did you mean catalog?"),
        ("lab benhc", "Error: there is no command 'benhc'; did you mean bench?"),
        ("xyz", "Error: there is no command 'xyz'; valid are catalog, console, "),
    ],
)
def test_an_unknown_command_is_refused_with_the_nearest_one(name: str, sentence: str) -> None:
    """Where none is near, all are named."""
    result = CliRunner().invoke(main, name.split())
    assert 2 == result.exit_code
    assert sentence in result.stderr
