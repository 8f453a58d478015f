"""Training the listener's models, and what serves before and after."""

from typing import TYPE_CHECKING, ClassVar, cast

from palate.v1 import model_pb2
from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import RichLog, Static

from palate_tools.console.widgets import KeyLine
from palate_tools.console.words import taste_name
from palate_tools.tables import printable

if TYPE_CHECKING:
    from palate_tools.console.app import ConsoleApp

__all__ = ["TrainingScreen"]


class TrainingScreen(Screen[None]):
    """Runs the trainer; leaving the screen stops it, which loses nothing but the training."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back to the slate")]

    @property
    def console(self) -> "ConsoleApp":
        """The application."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay out what the trainer says, and below it what serves."""
        with Vertical(id="trainer", classes="pane") as pane:
            pane.border_title = Text(f"palate train {printable(self.console.session.user_id)}")
            yield RichLog(wrap=True, min_width=0)
        with VerticalScroll(id="versions", classes="pane") as versions:
            versions.border_title = "serving"
            yield Static("what served before and what serves now is listed when the trainer is done")
        yield KeyLine(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin at once."""
        self._train()

    @work(exclusive=True)
    async def _train(self) -> None:
        pane, log, session = self.query_one("#trainer"), self.query_one(RichLog), self.console.session
        before = await self._serving()
        pane.border_subtitle = "training…"
        async with self.console.trainer.lines(session.user_id) as lines:
            async for line in lines:
                log.write(Text(printable(line), style=_style(line)), expand=True)
        pane.border_subtitle = "done, esc goes back"
        after = await self._serving()
        if before is not None and after is not None:
            self.query_one("#versions Static", Static).update(_changes(before, after))

    async def _serving(self) -> dict[str, str] | None:
        """Return the version that serves each taste, or None where the server does not tell."""
        session = self.console.session
        known = await self.console.ask(lambda: (session.models(), session.clusters))
        if known is None:
            return None
        models, clusters = known
        return {
            taste_name(model.taste_id, clusters) or "(common)": f"{model.learner} {model.model_version}"
            for model in models
            if model.state == model_pb2.MODEL_STATE_SERVING
        }


def _style(line: str) -> str:
    """Let what was published stand out, and what was not to be trained stand back."""
    return "bold green" if ": published" in line else "dim" if ": too little data" in line else ""


def _changes(before: dict[str, str], after: dict[str, str]) -> Table | str:
    if not before | after:
        return "no model serves: ranking does"
    table = Table.grid(padding=(0, 2, 0, 0))
    for taste in sorted(before | after):
        was, now = before.get(taste, "ranking"), after.get(taste, "ranking")
        changed = was != now
        table.add_row(
            Text(taste, style="bold"),
            Text(was, style="dim"),
            Text("→" if changed else "="),
            Text(now, style="bold green" if changed else ""),
        )
    return table
