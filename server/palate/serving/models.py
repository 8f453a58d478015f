"""Looking after the models: what administrators list, export, roll back and pin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from palate.errors import NotFound
from palate.serving.fields import PageTokens
from palate.store.contract import ModelRecord, ModelStore, TrainingRun

__all__ = ["ModelService", "Page"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, newest first, and the token of the next page; empty on the last one."""

    items: Sequence[T]
    next_page_token: str


class ModelService:
    """Looks after the models of a store.

    Args:
        models: The models.
        tokens: Seals the page tokens. They carry the last key of a page, so that models that are published
            meanwhile neither repeat an item on the next page nor hide one.
    """

    def __init__(self, models: ModelStore, tokens: PageTokens) -> None:
        self._models = models
        self._tokens = tokens

    def models(
        self, user_id: str = "", taste_id: str = "", page_size: int = 10, page_token: str = ""
    ) -> Page[ModelRecord]:
        """Return models of one listener or all, of one taste or all. InvalidField for a foreign page token."""
        return self._page(
            ("models", user_id, taste_id),
            page_size,
            page_token,
            lambda before, limit: self._models.records(user_id, taste_id or None, before, limit),
            lambda record: record.version,
        )

    def runs(self, user_id: str = "", page_size: int = 10, page_token: str = "") -> Page[TrainingRun]:
        """Return training runs of one listener or all. InvalidField for a foreign page token."""
        return self._page(
            ("training runs", user_id),
            page_size,
            page_token,
            lambda before, limit: self._models.runs(user_id, before, limit),
            lambda run: run.run_id,
        )

    def model(self, version: str) -> ModelRecord:
        """Return what is known of a model. NotFound when there is none of that version."""
        record = self._models.record(version)
        if record is None:
            raise NotFound("model", version)
        return record

    def onnx(self, version: str) -> bytes:
        """Return the ONNX file of a model. NotFound when there is no such model or its file was deleted."""
        artifact = self._models.artifact(version)
        if artifact is None:
            record = self.model(version)
            raise NotFound(
                "model", version, f"has no file any more; it is {record.state.name.lower()}, and others followed"
            )
        return artifact

    def roll_back(self, user_id: str, taste_id: str, version: str = "") -> ModelRecord:
        """Put an earlier model of a taste back in service; the one that served before when no version is named.

        Raises:
            NotFound: When there is no such model to go back to.
        """
        return self._models.rollback(user_id, taste_id, version)

    def pin(self, version: str, *, pinned: bool) -> ModelRecord:
        """Let training not replace a model, or let it again. NotFound when there is none of that version."""
        return self._models.pin(version, pinned=pinned)

    def _page(
        self,
        binding: tuple[str, ...],
        size: int,
        token: str,
        read: Callable[[str, int], Sequence[T]],
        key: Callable[[T], str],
    ) -> Page[T]:
        """Read one item more than a page has, to see whether another page follows."""
        before = self._tokens.open(binding, token).decode() if token else ""
        items = read(before, size + 1)
        if len(items) <= size:
            return Page(items, "")
        return Page(items[:size], self._tokens.seal(binding, key(items[size - 1]).encode()))
