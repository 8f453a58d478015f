"""The root of the command line."""

import subprocess
import sys

import pytest
from click.testing import CliRunner
from palate_tools.cli import main


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


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("recomend", "Error: there is no command 'recomend'; did you mean recommend?"),
        ("catalogue", "Error: there is no command 'catalogue'; did you mean catalog?"),
        ("xyz", "Error: there is no command 'xyz'; valid are bench, catalog, "),
    ],
)
def test_an_unknown_command_is_refused_with_the_nearest_one(name: str, sentence: str) -> None:
    """Where none is near, all are named."""
    result = CliRunner().invoke(main, [name])
    assert 2 == result.exit_code
    assert sentence in result.stderr
