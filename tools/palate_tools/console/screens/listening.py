"""The screen that the console begins with: one listener at the slate, or a simulated one in their place."""

import asyncio
from typing import ClassVar, Final

from palate.errors import ConfigError
from textual import work
from textual.binding import Binding, BindingType

from palate_tools.console.screens.choosing import GuestScreen, ListenerScreen, MenuScreen, fresh_name
from palate_tools.console.screens.models import ModelsScreen
from palate_tools.console.screens.search import SearchScreen
from palate_tools.console.screens.slate import SlateScreen
from palate_tools.console.screens.training import TrainingScreen
from palate_tools.console.session import DISLIKE, LIKE, Rating
from palate_tools.console.takeover import Takeover
from palate_tools.console.words import taste_name
from palate_tools.tables import printable

__all__ = ["ListeningScreen"]

_PULSE: Final = 2.0
"""Seconds between two looks at the profile, which somebody else may change as well."""
_PACE: Final = 0.25
"""Seconds that a simulated listener hears a track, so that a person can follow."""


class ListeningScreen(SlateScreen):
    """What a listener can do."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "menu", "menu", key_display="?", tooltip="show this menu"),
        Binding("p", "pane", "tastes", tooltip="show the profile in place of the slate, or the slate again"),
        Binding("l", "like", "like", tooltip="like the track, and go to the next"),
        Binding("d", "dislike", "dislike", tooltip="dislike the track, and go to the next"),
        Binding("u", "undo", "undo", tooltip="take the last rating back"),
        Binding("r", "recommend", "again", tooltip="recommend from what is known now"),
        Binding("n", "more", "more", tooltip="show the next page of the slate"),
        Binding("slash", "search", "search", key_display="/", tooltip="search the catalog"),
        Binding("s", "simulate", "simulate", tooltip="let a simulated listener take over, or stop it"),
        Binding("t", "train", "train", tooltip="train this listener's models"),
        Binding("q", "app.quit", "quit", tooltip="leave the console"),
        Binding("m", "models", "models", tooltip="list the models, and roll back"),
        Binding("w", "who", "who", tooltip="choose or make a listener"),
        Binding("b", "brightness", "light/dark", tooltip="change between light and dark"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._takeover: Takeover | None = None

    def on_mount(self) -> None:
        """Take up the first listener, and keep an eye on the profile."""
        self.set_interval(_PULSE, self._pulse)
        self._take_up(self.console.names[0])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer the other pane only where one is hidden."""
        return action != "pane" or self.has_class("-narrow")

    def on_resize(self) -> None:
        """Offer what there is now."""
        self.refresh_bindings()

    def action_like(self) -> None:
        """Like the track under the cursor, and go to the next."""
        self._say(LIKE)

    def action_dislike(self) -> None:
        """Dislike the track under the cursor, and go to the next."""
        self._say(DISLIKE)

    @work
    async def action_undo(self) -> None:
        """Take the last rating back."""
        undone = await self.console.ask(self.console.session.undo)
        if undone is None:
            return
        self.console.tell(f"undone: {printable(undone)}" if undone else "there is nothing to undo")
        self.mark()
        await self.refresh_profile()

    @work(exclusive=True, group="slate")
    async def action_recommend(self) -> None:
        """Show the slate from what is known now."""
        await self.recommend()

    @work(exclusive=True, group="slate")
    async def action_more(self) -> None:
        """Show the slate's next page."""
        await self.recommend(self.slate)

    async def action_search(self) -> None:
        """Search the catalog; what is typed at once waits until the screen is there."""
        await self.app.push_screen(SearchScreen(), self._come_back)

    @work
    async def action_simulate(self) -> None:
        """Let a simulated listener take over; stop the one that is there."""
        if self._takeover:
            self._stop()
            return
        chosen = await self.app.push_screen_wait(GuestScreen())
        if chosen is None:
            return
        kind, seed = chosen
        session = self.console.session
        try:
            drawn = await self.console.ask(lambda: (session.guest(kind, seed), session.clusters))
        except ConfigError as error:
            self.console.tell(f"{error}; choose another kind", wrong=True)
            return
        if drawn is not None:
            listener, clusters = drawn
            takeover = Takeover(f"{kind}, seed {seed}", listener)
            wanted = ", ".join(taste_name(taste_id, clusters) for taste_id in takeover.wanted)
            self.console.tell(f"{takeover.name} takes over and wants {wanted}; s stops it")
            self._take_over(takeover)

    @work
    async def action_train(self) -> None:
        """Train, and show what the new models recommend."""
        if obstacle := self.console.trainer.obstacle:
            self.console.tell(obstacle, wrong=True)
            return
        await self.app.push_screen_wait(TrainingScreen())
        await self.recommend()

    @work
    async def action_models(self) -> None:
        """List the models; after a rollback, show what the earlier one recommends."""
        if await self.app.push_screen_wait(ModelsScreen()):
            await self.recommend()

    @work
    async def action_who(self) -> None:
        """Choose or make a listener."""
        chosen = await self.app.push_screen_wait(ListenerScreen(self.console.names))
        if chosen:
            self._take_up(chosen)

    def action_pane(self) -> None:
        """Show the profile in place of the slate, or the slate again."""
        self.toggle_class("-profile")

    def action_brightness(self) -> None:
        """Change between light and dark."""
        self.app.theme = "textual-dark" if self.app.theme == "textual-light" else "textual-light"

    @work
    async def action_menu(self) -> None:
        """Show what there is to do, and do what is chosen."""
        offered = [active.binding for active in self.active_bindings.values() if active.node is self]
        action = await self.app.push_screen_wait(MenuScreen(entry for entry in offered if entry in self.BINDINGS))
        if action:
            await self.run_action(action)

    @work(exclusive=True, group="slate")
    async def _take_up(self, user_id: str) -> None:
        """Make a listener the one at the slate; without a name, a new one."""
        self._takeover = None
        name = user_id or fresh_name()
        if await self.begin(name) and name not in self.console.names:
            self.console.names = [name, *filter(None, self.console.names)]

    def _come_back(self, _: None) -> None:
        """Show what was judged elsewhere."""
        self.mark()
        self._pulse()

    @work
    async def _say(self, rating: Rating) -> None:
        line = self.tracks.current
        if line is None:
            return
        if line is not self.tracks.lines[-1]:
            self.tracks.action_cursor_down()
        await self.judge(line, rating)

    @work(exclusive=True, group="takeover")
    async def _take_over(self, takeover: Takeover) -> None:
        """Let a simulated listener judge slate after slate, until it is stopped."""
        self._takeover = takeover
        while self._takeover is takeover:
            slate = await self.recommend()
            if slate is None:
                await asyncio.sleep(_PULSE)
            elif not slate.picks:
                self._stop()
            else:
                await self._hear(takeover)

    async def _hear(self, takeover: Takeover) -> None:
        """Let a simulated listener judge the slate, track by track."""
        for index, line in enumerate(list(self.tracks.lines)):
            if self._takeover is not takeover:
                return
            self.tracks.highlighted = index
            self.entitle(str(takeover))
            await asyncio.sleep(_PACE)
            if self._takeover is not takeover or not await self.judge(line, takeover.judge(line.track)):
                return
        takeover.end_turn()

    def _stop(self) -> None:
        self.console.tell(f"stopped: {self._takeover}")
        self._takeover = None
        self.entitle("")

    @work(exclusive=True, group="pulse")
    async def _pulse(self) -> None:
        """Look at the profile; where the server was away, connect anew and begin where that was not done."""
        away = self.console.away
        if away and not await self.console.do(self.console.session.reconnect, quiet=True):
            self.show_status(None)
        elif away and self.slate is None:
            self._take_up(self.console.names[0])
        elif self.slate is not None:
            await self.refresh_profile()
