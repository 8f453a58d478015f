"""What the console does to a server, without a screen."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from palate.client import Client, NotFound
from palate.errors import ConfigError
from palate.testing.catalog import small_catalog
from palate_tools.console.session import DISLIKE, LIKE, Session


@pytest.fixture
def session(server: str) -> Iterator[Session]:
    """Return a session with the server."""
    with closing(Session(partial(Client, server))) as opened:
        yield opened


def test_a_new_listener_stands_on_the_lowest_stage(session: Session) -> None:
    """Nothing is known of them, which is no error."""
    session.choose("ana")
    assert ("ana", 0, "cold_start") == (
        session.profile().user_id,
        session.profile().revision,
        session.profile().stage,
    )
    assert {} == session.ratings


def test_a_listener_is_taken_up_with_the_verdicts_that_stand(session: Session, client: Client) -> None:
    """The last one on each track counts, and none that was taken back."""
    liked, turned, retracted = (item.track_id for item in client.recommend("ben").items[:3])
    for track_id in (liked, turned, retracted):
        client.like("ben", track_id)
    client.dislike("ben", turned)
    client.retract_feedback("ben", retracted)
    session.choose("ben")
    assert {liked: LIKE, turned: DISLIKE} == session.ratings


def test_what_is_undone_belongs_to_the_listener(session: Session) -> None:
    """Another listener's ratings cannot be taken back."""
    session.choose("cleo")
    session.judge(session.recommend().picks[0].track, LIKE)
    session.choose("dan")
    assert "" == session.undo()
    session.choose("cleo")
    assert 1 == session.profile().interaction_count


def test_a_verdict_that_cannot_be_undone_still_can_be_later(session: Session, client: Client) -> None:
    """What was taken back elsewhere fails, and fails again."""
    session.choose("eva")
    track = session.recommend().picks[0].track
    session.judge(track, LIKE)
    client.retract_feedback("eva", track.track_id)
    for _ in range(2):
        with pytest.raises(NotFound):
            session.undo()


def test_a_session_goes_on_with_a_new_connection(session: Session) -> None:
    """The listener and their ratings stay."""
    session.choose("fay")
    session.judge(session.recommend().picks[0].track, LIKE)
    session.reconnect()
    assert 1 == session.profile().interaction_count
    assert "" != session.undo()


def test_a_kind_of_listener_that_a_catalog_has_no_room_for_is_refused(
    serve: Callable[..., str], tmp_path: Path
) -> None:
    """The sentence counts the clusters; those of ten tracks are too small."""
    with small_catalog(tmp_path / "small.catalog", 10):
        address = serve(catalog__path=tmp_path / "small.catalog")
    with closing(Session(partial(Client, address))) as session, pytest.raises(ConfigError, match="in 8 genre clusters"):
        session.guest("eclectic", 1)
