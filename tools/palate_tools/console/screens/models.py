"""The listener's models, and going back to an earlier one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from palate.v1 import model_pb2
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import DataTable

from palate_tools.console.widgets import KeyLine
from palate_tools.console.words import taste_name
from palate_tools.tables import printable

if TYPE_CHECKING:
    from palate_tools.console.app import ConsoleApp

__all__ = ["ModelsScreen"]

_COLUMNS: Final = ("taste", "state", "version", "learner", "labels", "AUC", "ranking", "trained at", "reason")
_STYLES: Final = {
    model_pb2.MODEL_STATE_SERVING: "bold green",
    model_pb2.MODEL_STATE_BROKEN: "red",
}


class ModelsScreen(Screen[bool]):
    """Lists models, newest first; ends with whether one was rolled back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("b", "rollback", "back to this one"),
        Binding("r", "list", "list again"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._models: Sequence[model_pb2.Model] = ()
        self._changed = False

    @property
    def console(self) -> "ConsoleApp":
        """The application."""
        return cast("ConsoleApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay out the table."""
        with Vertical(id="models", classes="pane") as pane:
            pane.border_title = "models"
            yield DataTable[Text](cursor_type="row", zebra_stripes=True)
        yield KeyLine(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """List the models."""
        self._table.add_columns(*_COLUMNS)
        self.action_list()

    @work(exclusive=True)
    async def action_list(self) -> None:
        """List the models as they stand now."""
        await self._list()

    @work(exclusive=True)
    async def action_rollback(self) -> None:
        """Put the model under the cursor back in service."""
        if not self._models:
            return
        model = self._models[self._table.cursor_row]
        serving = await self.console.ask(lambda: self.console.session.rollback(model))
        if serving is not None:
            self._changed = True
            self.console.tell(f"{serving.model_version} serves again; training may replace it")
            await self._list()

    def action_leave(self) -> None:
        """Go back to the slate."""
        self.dismiss(self._changed)

    @property
    def _table(self) -> DataTable[Text]:
        return self.query_one(DataTable)

    async def _list(self) -> None:
        session = self.console.session
        listed = await self.console.ask(lambda: (session.models(), session.clusters))
        if listed is None:
            return
        self._models, clusters = listed
        row = self._table.cursor_row
        self._table.clear()
        for model in self._models:
            self._table.add_row(*_cells(model, taste_name(model.taste_id, clusters)))
        self._table.move_cursor(row=row)
        none = "there are none yet; train on the screen before"
        self.query_one("#models").border_subtitle = "" if self._models else none


def _cells(model: model_pb2.Model, taste: str) -> list[Text]:
    state = model_pb2.ModelState.Name(model.state).removeprefix("MODEL_STATE_").lower()
    auc = next((metric for metric in model.metrics if metric.name == "auc"), None)
    texts = [
        taste or "(common)",
        f"{state}, pinned" if model.pinned else state,
        model.model_version,
        model.learner,
        str(model.label_count),
        f"{auc.value:.3f}" if auc else "",
        f"{auc.ranking_value:.3f}" if auc else "",
        f"{model.create_time.ToDatetime():%Y-%m-%d %H:%M}",
        model.reason,
    ]
    return [Text(printable(text), style=_STYLES.get(model.state, "")) for text in texts]
