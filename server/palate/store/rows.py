"""Between values and what the columns of the tables hold."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from palate.catalog.tracks import FEATURES
from palate.errors import StoreUnavailable
from palate.store.contract import Header
from palate.tastes.profile import Event, EventKind, Evidence, Rating, Taste, Verdict

__all__ = ["Row", "decoding", "event_parameters", "event_value", "header_value", "rating_value", "taste_value"]

Row = tuple[Any, ...]

_FEATURES: Final = struct.Struct(f"<{len(FEATURES)}f")
_KINDS: Final = {int(kind): kind for kind in EventKind}
_VERDICTS: Final = {int(verdict): verdict for verdict in Verdict}


@contextmanager
def decoding(user_id: str) -> Iterator[None]:
    """Turn what a damaged row raises into StoreUnavailable."""
    try:
        yield
    except (ValueError, KeyError, TypeError, struct.error) as exc:
        raise StoreUnavailable(
            f"the stored profile of {user_id!r} cannot be read ({exc!r}); stop recording for this listener and run "
            f"`palate profiles rebuild --user`, or restore a backup if that fails too"
        ) from exc


def header_value(row: Row) -> Header:
    """Read a row of `Statements.header`."""
    return Header(*row)


def taste_value(row: Row) -> Taste:
    """Read a row of `Statements.tastes`."""
    return Taste.from_bytes(row[0])


def rating_value(row: Row) -> Rating:
    """Read a row of `Statements.ratings`."""
    track_id, kind, taste_id, features, genres, revision = row
    return Rating(track_id, _VERDICTS[kind], taste_id, Evidence(_FEATURES.unpack(features), _genres(genres)), revision)


def event_value(row: Row) -> Event:
    """Read a row of `Statements.events`."""
    revision, kind, track_id, taste_id, features, genres, *identifiers = row
    evidence = None if features is None else Evidence(_FEATURES.unpack(features), _genres(genres))
    return Event(revision, _KINDS[kind], track_id, taste_id, evidence, *identifiers)


def event_parameters(user_id: str, event: Event) -> dict[str, object]:
    """Return the parameters of `Statements.put_event`."""
    evidence = event.evidence
    return {
        "user_id": user_id,
        "revision": event.revision,
        "kind": int(event.kind),
        "track_id": event.track_id,
        "taste_id": event.taste_id,
        "features": None if evidence is None else _FEATURES.pack(*evidence.features),
        "genres": None if evidence is None else json.dumps(evidence.genres, ensure_ascii=False),
        "request_id": event.request_id,
        "recommendation_id": event.recommendation_id,
        "recorded_at": event.recorded_at,
    }


@lru_cache(maxsize=4096)
def _genres(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
