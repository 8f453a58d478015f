"""The console's application: holds the session, makes its calls beside the interface, and says what fails."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from palate.client import CallFailed, PermissionDenied, TimedOut, Unavailable
from textual.app import App
from textual.reactive import reactive

from palate_tools.connecting import advice
from palate_tools.console.retraining import Trainer
from palate_tools.console.screens.listening import ListeningScreen
from palate_tools.console.session import Session

__all__ = ["ConsoleApp"]

Answer = TypeVar("Answer")


class ConsoleApp(App[None]):
    """The console.

    Args:
        session: What calls the server.
        names: The listeners that were named; the first one listens.
        trainer: What trains.
        colours: Whether the terminal may show them.
    """

    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-medium"), (100, "-wide")]  # noqa: RUF012 - no ClassVar: so Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012 - as above

    away = reactive(False)

    def __init__(self, session: Session, names: Sequence[str], trainer: Trainer, *, colours: bool = True) -> None:
        super().__init__(ansi_color=None if colours else True)
        self.session = session
        self.names = list(names)
        self.trainer = trainer
        self._calls = ThreadPoolExecutor(1, "palate-console")

    def on_mount(self) -> None:
        """Begin with the listener who was named first."""
        self.push_screen(ListeningScreen())

    def on_unmount(self) -> None:
        """Let nothing that is still under way hold the terminal."""
        self.session.close()
        self._calls.shutdown(wait=False, cancel_futures=True)

    async def do(self, call: Callable[[], None], *, quiet: bool = False) -> bool:
        """Make a call of the session that answers nothing, as `ask` does; return whether it succeeded.

        Args:
            call: The call.
            quiet: Whether a failure is kept from the listener.
        """
        return await self._attempt(call, quiet=quiet) is not None

    async def ask(self, call: Callable[[], Answer]) -> Answer | None:
        """Return what a call of the session answers, or None when it failed, which a notification then says.

        Calls are made one after the other, in the order in which they were asked for.
        """
        answered = await self._attempt(call, quiet=False)
        return answered[0] if answered else None

    async def _attempt(self, call: Callable[[], Answer], *, quiet: bool) -> tuple[Answer] | None:
        try:
            answer = await asyncio.get_running_loop().run_in_executor(self._calls, call)
        except CallFailed as error:
            self.away = isinstance(error, (Unavailable, TimedOut))
            if not quiet:
                self.tell(self._sentence(error), wrong=True)
            return None
        self.away = False
        return (answer,)

    def tell(self, sentence: str, *, wrong: bool = False) -> None:
        """Notify the listener of something."""
        self.notify(sentence, severity="error" if wrong else "information", markup=False)

    def watch_away(self, before: bool, now: bool) -> None:
        """Say when the server is back."""
        if before and not now:
            self.tell(f"{self.session.address} answers again")

    def _sentence(self, error: CallFailed) -> str:
        if isinstance(error, PermissionDenied):
            return f"{error}; begin with the token of an admin: --token TOKEN"
        if isinstance(error, TimedOut):
            return f"{self.session.address} did not answer in time; what you did may be recorded, or not"
        if isinstance(error, Unavailable):
            return f"{advice(error, self.session.address)}. The console goes on when it answers again."
        return advice(error, self.session.address)
