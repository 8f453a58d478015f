"""The slate, the profile and the reason side by side: what is shown of a listener, and how it is kept up to date."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from palate.v1 import profile_pb2
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import OptionList, Static

from palate_tools.console.profile_view import reason_title, reason_view
from palate_tools.console.session import DISLIKE, LIKE, Rating, Slate
from palate_tools.console.slate_view import Line
from palate_tools.console.widgets import KeyLine, ProfilePane, TrackList
from palate_tools.console.words import EXPLORED, MARKS, fitting, stage_name
from palate_tools.tables import printable

if TYPE_CHECKING:
    from palate_tools.console.app import ConsoleApp

__all__ = ["SlateScreen"]

_CORNERS: Final = 6
"""Cells of a pane's border that its title leaves free."""
_SIGNS: Final = f"{MARKS[LIKE][0]} liked  {MARKS[DISLIKE][0]} disliked  {EXPLORED} explored"


class SlateScreen(Screen[None]):
    """Shows one listener's slate."""

    def __init__(self) -> None:
        super().__init__()
        self.slate: Slate | None = None
        self._versions: Mapping[str, str] = {}
        self._stage = ""

    @property
    def console(self) -> "ConsoleApp":
        """The application."""
        return cast("ConsoleApp", self.app)

    @property
    def tracks(self) -> TrackList:
        """The slate as a list."""
        return self.query_one(TrackList)

    def compose(self) -> ComposeResult:
        """Lay out the panes."""
        yield Static(id="status")
        with Horizontal(id="panes"):
            yield ProfilePane(id="profile", classes="pane")
            with Vertical(id="middle"):
                with Vertical(id="slate", classes="pane"):
                    above = Static(classes="headings")
                    yield above
                    yield TrackList(above, "score", id="tracks")
                with VerticalScroll(id="reason", classes="pane"):
                    yield Static()
        yield KeyLine(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Name the panes."""
        for name in ("profile", "slate"):
            self.query_one(f"#{name}").border_title = name
        self.tracks.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say why the track under the cursor is there."""
        event.stop()
        pick = self.tracks.current.pick if self.tracks.current else None
        pane = self.query_one("#reason")
        pane.border_title = reason_title(pick, _title_cells(pane)) if pick else "why"
        self.query_one("#reason Static", Static).update(reason_view(pick) if pick else "")

    async def begin(self, user_id: str) -> bool:
        """Take up a listener and recommend; False when the server did not answer."""
        if not await self.console.do(lambda: self.console.session.choose(user_id)):
            return False
        self._versions, self._stage = {}, ""
        return await self.recommend() is not None

    async def recommend(self, after: Slate | None = None) -> Slate | None:
        """Show the first slate, or the page after another one; None when the server did not answer."""
        session = self.console.session
        answered = await self.console.ask(lambda: (session.recommend(after), session.clusters))
        if answered is None:
            return None
        slate, clusters = answered
        self.slate = slate
        self.tracks.show(self._lines(slate), clusters)
        pane, page = self.query_one("#slate"), [f"page {slate.page}"] if slate.page > 1 else []
        made_from = [stage_name(slate.answer.strategy), f"revision {slate.answer.profile_revision}"]
        pane.border_title = Text(fitting(["slate", *page, *made_from], _title_cells(pane)))
        self.entitle("" if slate.picks else "nothing is left")
        await self.refresh_profile()
        return slate

    async def judge(self, line: Line, rating: Rating) -> bool:
        """Record what the listener thinks of a track, and show it; False when the server did not answer."""
        recommendation_id = self.slate.answer.recommendation_id if self.slate else ""
        session = self.console.session
        if not await self.console.do(lambda: session.judge(line.track, rating, recommendation_id)):
            return False
        self.mark()
        await self.refresh_profile()
        return True

    def mark(self) -> None:
        """Show the ratings that stand now."""
        self.tracks.mark(self.console.session.ratings)

    def entitle(self, remark: str) -> None:
        """Say something below the slate; what the signs mean when there is nothing to say."""
        self.query_one("#slate").border_subtitle = Text(remark or _SIGNS)

    async def refresh_profile(self) -> None:
        """Show the profile as it is now, and say when the stage has changed."""
        session = self.console.session
        read = await self.console.ask(lambda: (session.profile(), session.stages))
        self.show_status(read[0] if read else None)
        if read is None:
            return
        profile, stages = read
        self.query_one(ProfilePane).show(profile, stages)
        if self._stage and profile.stage != self._stage:
            self.console.tell(f"{printable(profile.user_id)} is at {stage_name(profile.stage)} now")
        self._stage = profile.stage

    def show_status(self, profile: profile_pb2.Profile | None) -> None:
        """Say in the line at the top where the listener stands, or without a profile that the server is away."""
        session = self.console.session
        status = Text.assemble((" palate ", "bold reverse"), " ", overflow="ellipsis", no_wrap=True)
        name, cells = printable(session.user_id), self.size.width - status.cell_len
        if profile is None:
            line, style = fitting([name, f"{session.address} does not answer"], cells), "bold red"
        else:
            stands = [stage_name(profile.stage), f"revision {profile.revision}", session.address]
            line, style = fitting([name, *stands], cells), ""
        self.query_one("#status", Static).update(status.append(name, "bold").append(line.removeprefix(name), style))

    def _lines(self, slate: Slate) -> list[Line]:
        """Return the slate's lines; those that a newer model scored than their taste's last ones are marked."""
        earlier = self._versions
        versions = {pick.item.taste_id: pick.item.model_version for pick in slate.picks if not pick.item.exploration}
        self._versions = {**earlier, **versions}
        return [
            Line(
                number,
                pick.track,
                pick,
                self.console.session.ratings.get(pick.track.track_id),
                renewed=pick.item.model_version not in {"", earlier.get(pick.item.taste_id, pick.item.model_version)},
            )
            for number, pick in enumerate(slate.picks, slate.first)
        ]


def _title_cells(pane: Widget) -> int:
    """Return how long a title may be on a pane's border."""
    return pane.outer_size.width - _CORNERS
