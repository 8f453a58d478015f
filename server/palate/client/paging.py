"""Going through pages."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

__all__ = ["Page", "pages"]


class Page(Protocol):
    """An answer that may have a next page."""

    @property
    def next_page_token(self) -> str:
        """The token of the next page; empty on the last one."""


PageT = TypeVar("PageT", bound=Page)


def pages(call: Callable[[str], PageT], page_token: str = "") -> Iterator[PageT]:
    """Iterate over pages.

    Args:
        call: Fetches the page of a token: ``pages(lambda token: client.recommend("ana", page_token=token))``.
        page_token: Where to begin; the first page when empty.
    """
    while True:
        page = call(page_token)
        yield page
        page_token = page.next_page_token
        if not page_token:
            return
