"""Tables of figures."""

from rich.table import Table

__all__ = ["table"]


def table(title: str, *columns: str) -> Table:
    """Return an empty table whose first column names the row; the others hold figures."""
    made = Table(title=title, title_justify="left")
    made.add_column(no_wrap=True)
    for column in columns:
        made.add_column(column, justify="right")
    return made
