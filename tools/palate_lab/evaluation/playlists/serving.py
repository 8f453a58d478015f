"""What a real server recommends to listeners who have told it their likes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palate.app.config import load_config
from palate.app.embedded import running_server
from palate.catalog.snapshot import Catalog
from palate.client import Client, pages
from palate.plugins.strategy import Rows
from palate.v1 import feedback_pb2

from palate_lab.evaluation.playlists.listeners import PlaylistListener
from palate_lab.progress import Watcher

__all__ = ["DEEPEST", "Served", "serve_listeners"]

DEEPEST: Final = 1_000
"""How many tracks a chain of pages shows."""

_BATCH: Final = 1_000
_PATIENCE_SECONDS: Final = 60.0
"""Accuracy is measured here, not time: a busy machine must change no figure."""


@dataclass(frozen=True, slots=True)
class Served:
    """What one listener was shown.

    Attributes:
        ranking: int32, the tracks of all pages in order.
        strategies: How many of them each strategy chose.
    """

    ranking: Rows
    strategies: Counter[str]


def serve_listeners(
    listeners: Sequence[PlaylistListener],
    catalog: Catalog,
    path: Path,
    folder: Path,
    *,
    depth: int,
    page_size: int,
    watch: Watcher,
) -> list[Served]:
    """Tell a server each listener's likes by its public contract, and page through what it recommends.

    Args:
        listeners: The listeners.
        catalog: The catalog.
        path: Its file.
        folder: An empty folder for the server's state.
        depth: How many tracks to ask for.
        page_size: How many of them on a page, at most 100.
        watch: Told about the progress.
    """
    keys = {
        "data_dir": folder,
        "catalog.path": path,
        "server.port": 0,
        "strategies.timeout_seconds": _PATIENCE_SECONDS,
    }
    served = []
    with running_server(load_config(None, keys)) as address, Client(address, timeout=_PATIENCE_SECONDS) as client:
        for listener in listeners:
            watch("serving", 1, len(listeners))
            _tell(client, listener.user_id, catalog.track_ids(listener.likes))
            served.append(_shown(client, listener.user_id, catalog, depth, page_size))
    return served


def _tell(client: Client, user_id: str, track_ids: Sequence[str]) -> None:
    for start in range(0, len(track_ids), _BATCH):
        client.batch_record_feedback(
            feedback_pb2.RecordFeedbackRequest(user_id=user_id, track_id=track_id, verdict=feedback_pb2.VERDICT_LIKE)
            for track_id in track_ids[start : start + _BATCH]
        )


def _shown(client: Client, user_id: str, catalog: Catalog, depth: int, page_size: int) -> Served:
    items = list(_items(client, user_id, depth, page_size))
    return Served(catalog.rows([track_id for track_id, _ in items]), Counter(strategy for _, strategy in items))


def _items(client: Client, user_id: str, depth: int, page_size: int) -> Iterator[tuple[str, str]]:
    seen = 0
    for page in pages(lambda token: client.recommend(user_id, page_size=page_size, page_token=token)):
        for item in page.items[: depth - seen]:
            yield item.track_id, item.strategy
        seen += len(page.items)
        if seen >= depth:
            return
