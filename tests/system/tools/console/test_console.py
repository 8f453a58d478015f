"""What the console shows and does, on a screen of its own, against a real server."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from palate.client import Client
from palate.v1 import feedback_pb2, profile_pb2
from palate_tools.console.screens import listening
from palate_tools.console.screens.listening import ListeningScreen
from palate_tools.simulation.tracks import TrackTable
from textual.widgets._footer import FooterKey

Tell = Callable[..., None]


def ratings(client: Client, user_id: str) -> dict[str, int]:
    """Return a listener's ratings in the order in which they were given, by the server's log."""
    events = [part.event for part in client.export_profile(user_id) if part.HasField("event")]
    return {event.track_id: event.kind for event in events}


def test_a_slate_is_shown_with_its_reasons(tell: Tell, client: Client) -> None:
    """Title, score, sentence and strategy stand beside one another; below is why the first track is there."""
    slate = client.recommend("ana")
    track = client.get_track(slate.items[0].track_id).track

    async def story(screen: Any) -> None:
        await screen.see(track.title, slate.items[0].reason.sentence, f"{slate.items[0].score:.3f}")
        await screen.see(f"why · {track.title}", "from cold start, no model", "slate · cold start · revision 0")
        await screen.see("▶ cold start", "0.50 · 100", "none yet")

    tell("ana", story)


def test_one_key_likes_and_one_dislikes(tell: Tell, client: Client) -> None:
    """The track is marked, the cursor goes on, the profile follows, and the server knows the slate it came from."""
    slate = client.recommend("ben")
    first, second = (item.track_id for item in slate.items[:2])

    async def story(screen: Any) -> None:
        await screen.press("l", "d")
        await screen.see("♥ 1", "✗ 2", "2 rated", "revision 2", "▶ fallback", "ben is at fallback now")
        assert 2 == screen.tracks.highlighted

    tell("ben", story)
    assert {first: feedback_pb2.VERDICT_LIKE, second: feedback_pb2.VERDICT_DISLIKE} == ratings(client, "ben")
    events = [part.event for part in client.export_profile("ben") if part.HasField("event")]
    assert {slate.recommendation_id} == {event.recommendation_id for event in events}


def test_verdicts_are_undone_one_by_one(tell: Tell, client: Client) -> None:
    """What stood before stands again; at last nothing is left, and nothing to undo."""
    first = client.recommend("cleo").items[0].track_id

    async def story(screen: Any) -> None:
        await screen.press("l", "up", "d")
        await screen.see("✗ 1", "revision 2")
        await screen.press("u")
        await screen.see("♥ 1", "undone: ")
        await screen.press("u", "u")
        await screen.see("there is nothing to undo", "0 rated")

    tell("cleo", story)
    assert profile_pb2.FEEDBACK_KIND_RETRACT == ratings(client, "cleo")[first]


def test_the_slate_goes_on_and_begins_again(tell: Tell) -> None:
    """The next page has other tracks and is numbered on; again, what was liked is gone."""

    async def story(screen: Any) -> None:
        shown = [line.track.track_id for line in screen.tracks.lines]
        for page in (2, 3):
            await screen.press("n")
            await screen.see(f"page {page}")
            assert [*range(10 * page - 9, 10 * page + 1)] == [line.number for line in screen.tracks.lines]
        assert set() == {line.track.track_id for line in screen.tracks.lines} & set(shown)
        await screen.press("l", "r")
        await screen.see("slate · fallback · revision 1")

    tell("dan", story)


def test_the_catalog_is_searched_and_judged(tell: Tell, client: Client) -> None:
    """What is liked there shows in the profile; the words can be changed; what nobody has is said."""
    track = client.search_tracks("Sokrates Must Die").tracks[0]

    async def story(screen: Any) -> None:
        await screen.press("slash", *"sokrates", "enter")
        await screen.see("Sokrates Must Die", "Vreid", "1 tracks")
        await screen.press("d")
        await screen.see("✗ 1")
        await screen.press("u", "l")
        await screen.see("♥ 1")
        await screen.press("slash", *"zzzz", "enter")
        await screen.see("no track has those words")
        await screen.press("escape")
        await screen.see("Extreme metal", "revision 3")

    tell("eva", story)
    assert {track.track_id: feedback_pb2.VERDICT_LIKE} == ratings(client, "eva")


def test_a_listener_is_chosen_typed_or_made(tell: Tell, client: Client) -> None:
    """Each gets their own slate, with what they have judged before."""
    liked = client.recommend("gus").items[0].track_id
    client.like("gus", liked)

    async def story(screen: Any) -> None:
        await screen.press("w", *"gus", "enter")
        await screen.see("gus · fallback · revision 1")
        await screen.press("w", "down", "down", "down", "enter")
        await screen.see("fay · cold start · revision 0")
        await screen.press("w", "down", "enter")
        await screen.see("guest-")
        await screen.press("w", "escape")
        await screen.until(lambda: isinstance(screen.app.screen, ListeningScreen))

    tell("fay", story)


def test_without_a_name_somebody_new_listens(tell: Tell) -> None:
    """They are given a name."""

    async def story(screen: Any) -> None:
        await screen.see("guest-", "cold start · revision 0")

    tell("", story)


def test_the_menu_lists_the_keys_and_does_what_is_chosen(tell: Tell) -> None:
    """The pane that hides nothing is not offered."""

    async def story(screen: Any) -> None:
        await screen.press("question_mark")
        await screen.see("train this listener's models", "choose or make a listener")
        assert "in place of the slate" not in screen.text
        await screen.press("down", "enter")
        await screen.see("♥ 1")
        await screen.press("question_mark", "escape")
        await screen.until(lambda: isinstance(screen.app.screen, ListeningScreen))

    tell("hal", story)


def test_forty_columns_show_one_pane_at_a_time(tell: Tell, client: Client) -> None:
    """Title above artists; the profile takes the slate's place and gives it back."""
    track = client.get_track(client.recommend("ida").items[0].track_id).track

    async def story(screen: Any) -> None:
        await screen.see(track.title[:24], "title, artists, taste, score", "tastes")
        assert "stages" not in screen.text
        await screen.press("l", "p")
        await screen.see("stages", "▶ fallback")
        assert "title, artists" not in screen.text
        await screen.press("p")
        await screen.see("title, artists, taste, score", "♥ 1")

    tell("ida", story, size=(40, 20))


@pytest.mark.parametrize(
    ("columns", "keys"),
    [(120, "? l d u r n / s t q m w b"), (80, "? l d u r n / s t q"), (60, "? l d u r n /"), (40, "? p l d u")],
)
def test_the_footer_names_the_keys_for_which_there_is_room(tell: Tell, columns: int, keys: str) -> None:
    """All of them on a wide terminal, and none is cut anywhere."""

    async def story(screen: Any) -> None:
        def shown() -> list[FooterKey]:
            return list(screen.app.screen.query(FooterKey))

        await screen.see("pia · cold start")
        await screen.until(lambda: keys.split() == [key.key_display for key in shown()] and shown()[-1].region, keys)
        assert max(key.region.right for key in shown()) <= columns

    tell("pia", story, size=(columns, 24))


def test_the_footer_follows_the_width(tell: Tell) -> None:
    """A terminal that is made wider shows more keys."""

    async def story(screen: Any) -> None:
        await screen.see("qin · cold start")
        await screen.pilot.resize_terminal(120, 24)
        await screen.until(lambda: 13 == len(screen.app.screen.query(FooterKey)))

    tell("qin", story, size=(60, 24))


def test_notifications_leave_the_reason_and_the_slate_to_be_read(tell: Tell) -> None:
    """They begin in the line at the top."""

    async def story(screen: Any) -> None:
        await screen.press("u")
        await screen.until(lambda: screen.app.screen.query("Toast"))
        [toast] = screen.app.screen.query("Toast")
        await screen.until(lambda: toast.region.height)
        assert (0, 1) == (toast.region.y, toast.region.height)
        assert toast.region.bottom <= screen.tracks.region.y < screen.app.screen.query_one("#reason").region.y

    tell("rob", story)


def test_no_line_of_a_narrow_terminal_ends_with_a_dot_that_nothing_follows(tell: Tell) -> None:
    """What is cut off before anything of it is seen takes its dot with it."""

    async def story(screen: Any) -> None:
        await screen.see("sue · cold start")
        for key in ("down",) * 9:
            lines = [line.rstrip(" │─╮╯") for line in screen.text.splitlines()]
            assert [] == [line for line in lines if re.search(r"·\s*\S?…?(\s+\d\.\d+)?$", line)]
            await screen.press(key)

    tell("sue", story, size=(40, 20))


def test_a_screen_that_changes_its_size_is_drawn_anew(tell: Tell) -> None:
    """Sentences where there is room, one line where there is little, and the cursor stays."""

    async def story(screen: Any) -> None:
        await screen.press("down")
        sentence = screen.tracks.current.pick.item.reason.sentence
        assert 2 == screen.text.count(sentence)
        await screen.pilot.resize_terminal(80, 24)
        await screen.until(lambda: 1 == screen.text.count(sentence))
        await screen.pilot.resize_terminal(40, 20)
        await screen.see("title, artists, taste, score")
        assert 1 == screen.tracks.highlighted

    tell("jon", story)


def test_light_and_dark_are_a_key_apart(tell: Tell) -> None:
    """There and back."""

    async def story(screen: Any) -> None:
        seen = []
        for _ in range(2):
            await screen.press("b")
            seen.append(screen.app.current_theme.dark)
        assert [False, True] == seen

    tell("kim", story)


def test_a_simulated_listener_takes_over_until_it_is_stopped(
    tell: Tell, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says of each track what the listener of that kind and seed thinks, slate after slate."""
    monkeypatch.setattr(listening, "_PACE", 0.0)  # no person has to follow
    listeners = []

    async def story(screen: Any) -> None:
        await screen.press("s", "tab", "backspace", "enter", "down", "enter", "7", "enter", "enter")
        await screen.see("separated, seed 7 takes over and wants", "separated, seed 7 · turn 2")
        await screen.press("s")
        await screen.see("stopped: separated, seed 7 · turn ")
        await screen.see("♥ liked  ✗ disliked  ✦ explored")
        listeners.append(screen.app.session.guest("separated", 7))

    tell("lea", story)
    said = ratings(client, "lea")
    assert len(said) >= 10
    tracks = TrackTable.of(client.get_track(track_id).track for track_id in said)
    assert [kind == feedback_pb2.VERDICT_LIKE for kind in said.values()] == listeners[0].ratings(tracks, 0).tolist()


def test_a_name_that_the_server_refuses_is_said_once(server: str, look: Any) -> None:
    """Another can be typed."""

    async def run() -> None:
        async with look(server, "x" * 200, slate=False) as screen:
            await screen.see("user_id")
            await screen.pilot.pause(2.5)  # until it has looked at the profile
            assert 1 == screen.text.count("user_id")
            await screen.press("w", *"mia", "enter")
            await screen.see("mia · cold start")

    asyncio.run(run())


def test_a_tiny_terminal_breaks_nothing(tell: Tell) -> None:
    """There is little to see, and every screen opens."""

    async def story(screen: Any) -> None:
        for key in ("question_mark", "w", "s", "m", "slash"):
            await screen.press(key, "escape")
        await screen.press("l")
        await screen.until(lambda: screen.tracks.lines[0].rating)

    tell("ned", story, size=(16, 6))


def test_leaving_in_the_midst_of_a_takeover_leaves_nothing_behind(tell: Tell) -> None:
    """No call under way breaks the end."""

    async def story(screen: Any) -> None:
        await screen.press("s", "enter")
        await screen.see("takes over")
        await screen.press("q")

    tell("olu", story)
