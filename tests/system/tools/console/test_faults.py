"""The console when the server goes away, refuses, or nothing can be trained."""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from palate.app.config import load_config
from palate.app.embedded import running_server
from palate_tools.console.retraining import Trainer

Serve = Callable[..., str]

TOKEN = "sesame"  # noqa: S105 - a test's own


def test_the_console_goes_on_when_the_server_is_back(catalog_path: Path, tmp_path: Path, look: Any) -> None:
    """What is asked meanwhile is answered by a notification; then everything works as before."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = load_config(None, {"data_dir": tmp_path, "catalog.path": catalog_path, "server.port": port})

    async def run() -> None:
        with ExitStack() as first:
            address = await asyncio.to_thread(first.enter_context, running_server(config))
            async with look(address, "ana") as screen:
                await screen.press("l")
                await screen.see("♥ 1")
                await asyncio.to_thread(first.close)
                await screen.press("l")
                await screen.see("no palate server answers", f"{address} does not answer")
                assert "♥ 2" not in screen.text
                await screen.pilot.pause(2.5)  # until it has looked in vain
                assert f"{address} answers again" not in screen.text
                with ExitStack() as second:
                    await asyncio.to_thread(second.enter_context, running_server(config))
                    await screen.see(f"{address} answers again", "ana · fallback · revision 1")
                    await screen.press("l")
                    await screen.see("♥ 3", "revision 2")
                    await asyncio.to_thread(second.close)

    asyncio.run(run())


def test_who_may_not_look_after_models_is_told_so(serve: Serve, look: Any) -> None:
    """The sentence says whose token it takes; the slate stays."""
    address = serve(auth__tokens=[{"name": "shop", "sha256": sha256(TOKEN.encode()).hexdigest()}])

    async def run() -> None:
        async with look(address, "ana", token=TOKEN) as screen:
            await screen.press("m")
            await screen.see("--token TOKEN")
            await screen.press("escape")
            await screen.see("slate · cold start")

    asyncio.run(run())


def test_without_the_servers_data_training_says_what_it_takes(server: str, look: Any, tmp_path: Path) -> None:
    """A folder without a database is none of a server's."""

    async def run() -> None:
        async with look(server, "ana", trainer=Trainer(None, tmp_path)) as screen:
            await screen.press("t")
            await screen.see("the trainer reads the")

    asyncio.run(run())


def test_without_the_training_extra_training_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the extra."""
    assert "pip install" not in Trainer(None, None).obstacle
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # as good as not installed
    assert "pip install 'palate[train]'" in Trainer(None, None).obstacle
