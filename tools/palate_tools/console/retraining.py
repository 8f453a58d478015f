"""Runs the real trainer beside the console, as a process of its own."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from palate.app.config import Config, load_config

from palate_tools.groups import installing

__all__ = ["Trainer"]

_LIBRARIES: Final = ("joblib", "lightgbm", "onnx", "scipy", "sklearn", "threadpoolctl")
_PALATE: Final = (sys.executable, "-c", "from palate_tools.cli import main; main()")


class Trainer:
    """`palate train` for one listener.

    Args:
        config_path: The server's configuration file, where it has one.
        data_dir: The server's data folder, where it is not the default.

    Raises:
        ConfigError: When the configuration is wrong.
    """

    def __init__(self, config_path: Path | None, data_dir: Path | None) -> None:
        self._config: Config = load_config(config_path, {"data_dir": data_dir} if data_dir is not None else {})
        self._options = [
            *(["--config", str(config_path)] if config_path else []),
            *(["--data-dir", str(data_dir)] if data_dir else []),
        ]

    @property
    def obstacle(self) -> str:
        """What has to be done before anything can be trained from here; empty when nothing."""
        if not all(find_spec(library) for library in _LIBRARIES):
            return f"training needs more libraries than the console: {installing('train')}, then begin again"
        folder = self._config.data_dir
        if not self._config.store.url and not (folder / "palate.db").exists():
            return (
                f"the trainer reads the server's data folder, and {folder} is none; begin with `palate console "
                "--data-dir DIR` on the server's machine, with the same --config as the server, where it has one"
            )
        return ""

    @asynccontextmanager
    async def lines(self, user_id: str) -> AsyncIterator[AsyncIterator[str]]:
        """Train a listener, and iterate over what the trainer says; stop it where this is left early."""
        process = await asyncio.create_subprocess_exec(
            *_PALATE, "train", *self._options, "--jobs", "1", "--", user_id, stdout=PIPE, stderr=STDOUT
        )
        try:
            yield _lines(cast(asyncio.StreamReader, process.stdout))
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _lines(output: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield what is said of each taste, and how it ended; not the table between, which is too wide to read here."""
    parts = 0
    async for raw in output:
        line = raw.decode(errors="replace").rstrip()
        parts += not line
        if line and parts != 1:
            yield line
