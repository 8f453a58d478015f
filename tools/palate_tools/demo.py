"""`palate demo`: a listener of three tastes, from nothing to ranking, against a server of its own."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from palate.client import Client
from palate.config import LogConfig, load_config
from palate.logs import set_up_logs
from palate.testing.server import running_server
from palate.v1 import recommendation_pb2

from palate_tools.catalog.bundled import bundled_catalog
from palate_tools.connecting import Session
from palate_tools.listening import show_profile
from palate_tools.tables import Column, open_console, print_line, print_rows

__all__ = ["demo"]

_LISTENER: Final = "dana"
_LOVES: Final = {"extreme-metal": "extreme metal", "j-pop": "J-pop", "latin-pop": "Latin pop"}
_KNOWN: Final = ("wage war", "yoasobi", "karol g")
"""An artist of each kind that the listener knows to look for."""
_LISTENED: Final = 3
_TURNS: Final = 10
_COLUMNS: Final = (
    Column("turn", number=True),
    Column("strategy"),
    Column("revision", number=True),
    Column("slate", narrowest=30),
    Column("liked", number=True),
    Column("disliked", number=True),
)


@click.command
@click.option("--turns", default=_TURNS, show_default=True, type=click.IntRange(1), help="How many slates to look at.")
def demo(turns: int) -> None:
    """Walk a listener of three tastes from cold start to ranking.

    The listener listens to the first three tracks of every slate, likes what is of their three kinds, and dislikes
    the rest. After each of the first slates they look for a track of one kind themselves.
    """
    console = open_console()
    with _own_server() as client:
        loved = ", ".join(_LOVES.values())
        print_line(console, f"{_LISTENER} loves {loved}, and nothing else. palate has never seen them.")
        print_line(
            console, f"Of every slate they hear the first {_LISTENED} tracks, like what is theirs and dislike the rest."
        )
        print_line(console, f"After each of the first slates they look for one artist by name: {', '.join(_KNOWN)}.")
        print_line(console, "")
        print_rows(console, _COLUMNS, [_turn(client, number) for number in range(1, turns + 1)])
        print_line(console, "")
        print_line(console, f"What palate knows of {_LISTENER} now:")
        print_line(console, "")
        show_profile(Session(client, console, as_json=False), client.get_profile(_LISTENER).profile)
        last = client.recommend(_LISTENER)
        served = Counter(item.taste_id for item in last.items)
        shares = ", ".join(f"{taste_id} {count}" for taste_id, count in served.most_common())
        print_line(console, "")
        print_line(console, f"The next slate of ten keeps them apart: {shares}.")


@contextmanager
def _own_server() -> Iterator[Client]:
    """Serve the bundled catalog on a free port, from a data folder that goes away afterwards."""
    set_up_logs(LogConfig(level="warning"))
    with tempfile.TemporaryDirectory(prefix="palate-demo-") as folder:
        keys = {"data_dir": Path(folder), "catalog.path": bundled_catalog(Path(folder)), "server.port": 0}
        with running_server(load_config(None, keys)) as address, Client(address) as client:
            yield client


def _turn(client: Client, number: int) -> list[str]:
    """Let the listener judge one slate, and return the table's row about it."""
    slate = client.recommend(_LISTENER)
    clusters = {item.track_id: client.get_track(item.track_id).track.genre_cluster_id for item in slate.items}
    listened = [item.track_id for item in slate.items[:_LISTENED]]
    verdicts = Counter(_judge(client, slate, track_id, clusters[track_id]) for track_id in listened)
    if number <= len(_KNOWN):
        _look_for(client, _KNOWN[number - 1])
        verdicts["liked"] += 1
    counts = Counter(_LOVES.get(cluster_id, "other") for cluster_id in clusters.values())
    content = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    revision = str(slate.profile_revision)
    return [str(number), slate.strategy, revision, content, str(verdicts["liked"]), str(verdicts["disliked"])]


def _judge(client: Client, slate: recommendation_pb2.RecommendResponse, track_id: str, cluster_id: str) -> str:
    if cluster_id in _LOVES:
        client.like(_LISTENER, track_id, recommendation_id=slate.recommendation_id)
        return "liked"
    client.dislike(_LISTENER, track_id, recommendation_id=slate.recommendation_id)
    return "disliked"


def _look_for(client: Client, artist: str) -> None:
    """Like the most popular track of an artist, as somebody does whose first slates missed it."""
    track = client.search_tracks(artist, page_size=1).tracks[0]
    client.like(_LISTENER, track.track_id)
