"""Between values and what the columns of the tables hold."""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final

from palate.domain.profile import Event, EventKind, Rating, RecordedTrack, Taste, Verdict
from palate.domain.track import FEATURES
from palate.errors import StoreUnavailable
from palate.store.contract import Header, Standing

__all__ = [
    "Row",
    "decoding",
    "event_parameters",
    "event_value",
    "header_value",
    "rating_value",
    "standing_value",
    "taste_value",
    "tastes_value",
]

Row = tuple[Any, ...]

_HEADER: Final = len(fields(Header))
_EVENT: Final = _HEADER + 9
_RATING: Final = _EVENT + 6
"""Where, in a row of `Statements.standing`, the header, the event and the verdict end."""

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


def tastes_value(rows: Iterable[Row]) -> dict[str, Taste]:
    """Read rows of `Statements.tastes` into the order in which the tastes were opened."""
    tastes = sorted(map(taste_value, rows), key=lambda taste: taste.opened)
    return {taste.taste_id: taste for taste in tastes}


def rating_value(row: Row) -> Rating:
    """Read a row of `Statements.ratings`."""
    track_id, kind, taste_id, features, genres, revision = row
    return Rating(
        track_id, _VERDICTS[kind], taste_id, RecordedTrack(_FEATURES.unpack(features), _genres(genres)), revision
    )


def event_value(row: Row) -> Event:
    """Read a row of `Statements.events`."""
    revision, kind, track_id, taste_id, features, genres, *identifiers = row
    evidence = None if features is None else RecordedTrack(_FEATURES.unpack(features), _genres(genres))
    return Event(revision, _KINDS[kind], track_id, taste_id, evidence, *identifiers)


def standing_value(rows: Sequence[Row]) -> Standing:
    """Read all rows of `Statements.standing`, which differ in their tastes only."""
    if not rows:
        return Standing()
    header, event, rating = rows[0][:_HEADER], rows[0][_HEADER:_EVENT], rows[0][_EVENT:_RATING]
    return Standing(
        header_value(header),
        event_value(event) if event[0] is not None else None,
        rating_value(rating) if rating[0] is not None else None,
        tastes_value(row[_RATING:] for row in rows if row[_RATING] is not None),
    )


def event_parameters(user_id: str, event: Event) -> dict[str, object]:
    """Return the parameters of `Statements.put_event`."""
    evidence = event.track
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
