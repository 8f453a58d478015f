"""Small screens that ask for one thing: a listener, or what to do."""

import uuid
from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from palate_tools.simulation.kinds import load_kinds
from palate_tools.tables import printable

__all__ = ["GuestScreen", "ListenerScreen", "MenuScreen", "fresh_name"]


def fresh_name() -> str:
    """Return a name that no listener has yet."""
    return f"guest-{uuid.uuid4().hex[:6]}"


class ListenerScreen(ModalScreen[str | None]):
    """Asks for a listener, known or new."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss(None)", "back"),
        Binding("down", "names", show=False),
    ]

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._names = [fresh_name(), *names]

    def compose(self) -> ComposeResult:
        """Lay out a line to type a name, and those that are known."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "who listens?"
            yield Input(placeholder="a name, known or new")
            fresh, *known = self._names
            yield OptionList(Option(Text(f"somebody new: {fresh}")), *(Option(Text(printable(name))) for name in known))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the name that was typed."""
        if event.value.strip():
            self.dismiss(event.value.strip())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the name that was chosen."""
        self.dismiss(self._names[event.option_index])

    def action_names(self) -> None:
        """Go from the line to the names."""
        self.query_one(OptionList).focus()


class GuestScreen(ModalScreen[tuple[str, int] | None]):
    """Asks for a kind of simulated listener, and for a seed."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss(None)", "back")]

    def __init__(self) -> None:
        super().__init__()
        self._kinds = load_kinds()

    def compose(self) -> ComposeResult:
        """Lay out the kinds, and a line for the seed."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "which simulated listener?"
            dialog.border_subtitle = "tab: another seed"
            yield OptionList(*(Option(_entry(name, kind.description)) for name, kind in self._kinds.items()))
            yield Input("1", placeholder="seed, a whole number", type="integer")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take the kind that was chosen, with the seed."""
        seed = self.query_one(Input)
        if seed.is_valid:
            self.dismiss((list(self._kinds)[event.option_index], int(seed.value)))
        else:
            seed.focus()

    def on_input_submitted(self) -> None:
        """Go from the seed to the kinds."""
        self.query_one(OptionList).focus()


class MenuScreen(ModalScreen[str | None]):
    """Lists what there is to do, with its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark", "dismiss(None)", "back")]

    def __init__(self, entries: Iterable[Binding]) -> None:
        super().__init__()
        self._entries = list(entries)

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = "menu"
            yield OptionList(
                *(Option(_entry(entry.key_display or entry.key, entry.tooltip)) for entry in self._entries)
            )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do what was chosen."""
        self.dismiss(self._entries[event.option_index].action)


def _entry(name: str, meaning: str) -> Table:
    """Set what can be chosen beside what it means."""
    line = Table.grid(expand=True, padding=(0, 1, 0, 0))
    line.add_column(width=max(2, len(name)), no_wrap=True)
    line.add_column(ratio=1)
    line.add_row(Text(name, style="bold"), Text(meaning))
    return line
