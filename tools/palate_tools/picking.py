"""Naming tracks at a terminal: by id, or by title where that is clear."""

from collections.abc import Iterable, Sequence

import click
from palate.client import Client, NotFound
from palate.v1 import catalog_pb2

__all__ = ["artists", "pick", "title_line", "tracks_of"]


def pick(client: Client, text: str) -> catalog_pb2.Track:
    """Return the track that a person means: by its id, else the only one that the words fit.

    Where the words fit several, the one with exactly that title is meant.

    Raises:
        click.ClickException: When the words fit none or several; it lists them.
    """
    try:
        return client.get_track(text).track
    except NotFound:
        found = client.search_tracks(text)
    exact = [track for track in found.tracks if track.title.casefold() == text.casefold()]
    meant = found.tracks if len(found.tracks) == 1 else exact
    if len(meant) == 1:
        return meant[0]
    raise click.ClickException(_what_fits(text, found.tracks, more=bool(found.next_page_token)))


def tracks_of(client: Client, track_ids: Iterable[str]) -> list[catalog_pb2.Track]:
    """Return tracks by their ids."""
    return [client.get_track(track_id).track for track_id in track_ids]


def artists(track: catalog_pb2.Track) -> str:
    """Return the names of a track's artists."""
    return ", ".join(track.artists)


def title_line(track: catalog_pb2.Track) -> str:
    """Return title and artists in one line."""
    return f"{track.title} by {artists(track)}"


def _what_fits(text: str, tracks: Sequence[catalog_pb2.Track], *, more: bool) -> str:
    if not tracks:
        return f"no track has the id {text!r}, nor those words in its title and artists; try `palate search WORDS`"
    lines = [f"{text!r} fits several tracks; name one by its id, or add words such as the artist:"]
    lines += [f"  {track.track_id}  {title_line(track)}" for track in tracks]
    return "\n".join([*lines, f"  and more: palate search {text!r}"] if more else lines)
