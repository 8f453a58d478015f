"""The root of the command line."""

import subprocess
import sys

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


def test_unknown_command_is_refused() -> None:
    """A command that does not exist is a usage error."""
    result = CliRunner().invoke(main, ["catalogue"])

    assert 2 == result.exit_code
    assert "No such command" in result.stderr
