"""How statements become the text that goes to a driver.

Executing statements through SQLAlchemy would cost several times what SQLite takes to answer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, FromClause, Table, bindparam, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

__all__ = ["ZERO", "CompiledStatements", "matches"]

_INSERTS: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

ZERO: Final[ColumnElement[int]] = literal_column("0")
"""Written out, because SQLite's dialect adds an offset to every limit, as a parameter of its own naming."""


class CompiledStatements:
    """What all groups of statements share. Their parameters are named, and called like the columns.

    Args:
        dialect: The database's dialect of SQL. Its paramstyle must be one with names.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def _insert(self, table: Table) -> Any:
        return _INSERTS[self._dialect.name](table)

    def _upsert(self, table: Table, *columns: str) -> Any:
        """Insert a row, or set some columns of the row that has its key."""
        insert = self._insert(table)
        return insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: insert.excluded[name] for name in columns}
        )

    def _sql(self, statement: ClauseElement) -> str:
        return str(statement.compile(dialect=self._dialect))


def matches(table: FromClause, *columns: str) -> list[ColumnElement[bool]]:
    """Compare columns with the parameters of their names."""
    return [table.c[column] == bindparam(column) for column in columns]
