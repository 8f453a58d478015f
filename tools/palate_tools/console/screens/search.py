"""Searching the catalog, and judging what was found."""

from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Input, Static

from palate_tools.console.session import DISLIKE, LIKE, Rating
from palate_tools.console.slate_view import Line
from palate_tools.console.widgets import KeyLine, TrackList

if TYPE_CHECKING:
    from palate_tools.console.app import ConsoleApp

__all__ = ["SearchScreen"]


class SearchScreen(Screen[None]):
    """Finds tracks by words of their title and artists."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back"),
        Binding("l", "judge('like')", "like"),
        Binding("d", "judge('dislike')", "dislike"),
        Binding("u", "undo", "undo"),
        Binding("slash", "words", "other words", key_display="/"),
        Binding("down", "found", show=False),
    ]

    @property
    def console(self) -> "ConsoleApp":
        """The application."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay out a line for words, and what has them."""
        yield Input(placeholder="words of a title or an artist's name")
        with Vertical(id="found", classes="pane") as pane:
            pane.border_title = "catalog"
            above = Static(classes="headings")
            yield above
            yield TrackList(above, "known")
        yield KeyLine(show_command_palette=False, compact=True)

    @work(exclusive=True)
    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search."""
        session, words = self.console.session, event.value.strip()
        if not words:
            return
        found = await self.console.ask(lambda: (session.search(words), session.clusters))
        if found is None:
            return
        tracks, clusters = found
        lines = [
            Line(number, track, None, session.ratings.get(track.track_id)) for number, track in enumerate(tracks, 1)
        ]
        self.query_one(TrackList).show(lines, clusters)
        self.query_one("#found").border_subtitle = f"{len(lines)} tracks" if lines else "no track has those words"
        if lines:
            self.action_found()

    @work
    async def action_judge(self, name: str) -> None:
        """Record what the listener thinks of the track under the cursor."""
        rating: Rating = LIKE if name == "like" else DISLIKE
        line = self.query_one(TrackList).current
        if line and await self.console.do(lambda: self.console.session.judge(line.track, rating)):
            self.query_one(TrackList).mark(self.console.session.ratings)

    @work
    async def action_undo(self) -> None:
        """Take the last rating back."""
        if await self.console.ask(self.console.session.undo):
            self.query_one(TrackList).mark(self.console.session.ratings)

    def action_words(self) -> None:
        """Go to the words."""
        self.query_one(Input).focus()

    def action_found(self) -> None:
        """Go to what was found."""
        self.query_one(TrackList).focus()
