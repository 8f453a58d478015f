"""What the log tells, and what it keeps to itself."""

import subprocess
import sys

import pytest

SCRIPT = """
import structlog
from palate.app.config import LogConfig
from palate.app.logs import set_up_logs

set_up_logs(LogConfig(format={format!r}))

def authorize(sent):
    secret = sent.split()[-1]
    raise RuntimeError("it broke")

try:
    authorize("Bearer " + "hush" * 2)
except RuntimeError as error:
    structlog.get_logger().error("call broke", exc_info=error)
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_in_the_log_shows_where_it_broke_but_no_values(form: str) -> None:
    """Local variables hold tokens and what listeners sent."""
    command = [sys.executable, "-c", SCRIPT.format(format=form)]
    log = subprocess.run(command, capture_output=True, check=True, text=True).stderr
    assert "it broke" in log
    assert "authorize" in log
    assert "hushhush" not in log
