"""The console on a screen of a test, against a real server."""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import pytest
from palate.client import Client
from palate_tools.console.app import ConsoleApp
from palate_tools.console.retraining import Trainer
from palate_tools.console.session import Session
from palate_tools.console.widgets import TrackList
from textual.pilot import Pilot

_TEXT = re.compile(r'<text [^>]*y="([\d.]+)"[^>]*>(.*?)</text>')
_PATIENCE = 90.0


@dataclass
class Screen:
    """What a person has before them."""

    app: ConsoleApp
    pilot: Pilot[Any]

    @property
    def text(self) -> str:
        """What stands on the screen, without the blanks between what is drawn apart."""
        drawn = _TEXT.findall(self.app.export_screenshot())
        lines = groupby(drawn, key=lambda cell: float(cell[0]))
        return "\n".join("".join(html.unescape(part) for _, part in line) for _, line in lines).replace("\xa0", " ")

    @property
    def tracks(self) -> TrackList:
        """The list of tracks."""
        return self.app.screen.query_one(TrackList)

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    async def see(self, *texts: str) -> None:
        """Wait until each of some texts has stood on the screen; notifications do not stay."""
        missing = set(texts)

        def seen() -> bool:
            shown = self.text
            missing.difference_update([text for text in missing if text in shown])
            return not missing

        await self.until(seen, f"one of {texts}")

    async def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Wait until something holds."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not holds():
            assert asyncio.get_running_loop().time() < deadline, f"{what} was waited for in vain\n{self.text}"
            await self.pilot.pause(0.05)


Open = Callable[..., AbstractAsyncContextManager[Screen]]
Story = Callable[[Screen], Awaitable[None]]


@asynccontextmanager
async def open_console(
    address: str,
    *names: str,
    size: tuple[int, int] = (120, 36),
    trainer: Trainer | None = None,
    slate: bool = True,
    **options: Any,
) -> AsyncIterator[Screen]:
    """Open the console, and wait for its first slate, if there is to be one."""
    session = Session(partial(Client, address, timeout=5.0, **options))
    app = ConsoleApp(session, names or ("",), trainer or Trainer(None, None))
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = Screen(app, pilot)
        if slate:
            await screen.until(lambda: app.screen.query(TrackList) and screen.tracks.option_count, "a slate")
        yield screen


@pytest.fixture
def look() -> Open:
    """Return what opens the console for a listener of the server at an address."""
    return open_console


@pytest.fixture
def tell(server: str) -> Callable[[str, Story], None]:
    """Return a function that opens the console for a listener of the server, and plays a story on it."""

    def play(user_id: str, story: Story, **options: Any) -> None:
        async def run() -> None:
            async with open_console(server, user_id, **options) as screen:
                await story(screen)

        asyncio.run(run())

    return play


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Client]:
    """Return a client of the server."""
    with Client(server) as opened:
        yield opened
