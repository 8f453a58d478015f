"""The commands of a listener, against a real server."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import Parse
from google.protobuf.message import Message
from palate.client import Client
from palate.v1 import catalog_pb2, feedback_pb2, profile_pb2, recommendation_pb2, strategy_pb2
from palate_tools.cli import main

Run = Callable[..., Result]
Serve = Callable[..., str]

NOBODY = ["--server", "localhost:1"]
PALATE = Path(sys.executable).with_name("palate")


@pytest.fixture
def run(server: str) -> Run:
    """Return a function that runs a command against the server."""
    return lambda *arguments, **options: CliRunner().invoke(main, [*arguments, "--server", server], **options)


@pytest.fixture(scope="module")
def client(server: str) -> Iterator[Client]:
    """Return a client of the server."""
    with Client(server) as opened:
        yield opened


@pytest.fixture
def track(client: Client) -> catalog_pb2.Track:
    """Return a track whose title no other has."""
    return client.search_tracks("Sokrates Must Die").tracks[0]


def test_a_new_listener_gets_a_slate_with_titles_and_reasons(run: Run, client: Client) -> None:
    """Ten lines in full: number, title, artists, taste, score, reason and id; then what they were made from."""
    slate = client.recommend("ana")
    result = run("recommend", "ana")
    assert 0 == result.exit_code
    heading, *lines = result.stdout.splitlines()
    assert ["#", "title", "artists", "taste", "score", "why", "track id"] == re.split(r"\s{2,}", heading.strip())
    for number, (line, item) in enumerate(zip(lines, slate.items, strict=False), 1):
        track = client.get_track(item.track_id).track
        cells = re.split(r"\s{2,}", line.strip())
        assert [str(number), track.title, item.reason.sentence, item.track_id] == [cells[0], cells[1], *cells[5:]]
    assert f"strategy cold_start · profile revision 0 · catalog {slate.catalog_version}" in lines[10]
    assert f"--page-token {slate.next_page_token}" in lines[11]
    assert "\x1b" not in result.stdout


def test_pages_are_numbered_on_and_repeat_nothing(run: Run) -> None:
    """Two pages at once, and the third by the token of the second."""
    two = run("recommend", "pia", "--page-size", "5", "--pages", "2").stdout
    token = re.findall(r"--page-token (\S+)", two)[-1]
    third = run("recommend", "pia", "--page-size", "5", "--page-token", token).stdout
    lines = [line for line in (two + third).splitlines() if re.match(r"\s*\d+ ", line)]
    assert [*range(1, 11), *range(1, 6)] == [int(line.split()[0]) for line in lines]
    assert 15 == len({line.split()[-1] for line in lines})


def test_excluded_tracks_stay_out(run: Run, client: Client) -> None:
    """--exclude takes the place of a track with another."""
    first = client.recommend("ana").items[0].track_id
    assert first not in run("recommend", "ana", "--exclude", first).stdout.split("strategy")[0]


def test_explored_tracks_are_marked_with_their_chance(run: Run, client: Client) -> None:
    """The mark, the probability, and a line that says what the mark means."""
    for item in client.recommend("max").items[:2]:
        client.like("max", item.track_id)
    slate = client.recommend("max", strategy="fallback", page_size=30)
    explored = [item for item in slate.items if item.exploration]
    output = run("recommend", "max", "--strategy", "fallback", "--page-size", "30").stdout
    assert explored
    for item in explored:
        assert f"✦ {item.propensity:.2g} {item.reason.sentence}" in output
    assert 1 == output.count("drawn by chance")


def test_tracks_are_liked_by_id_title_or_words(run: Run, client: Client, track: catalog_pb2.Track) -> None:
    """What is meant is clear, so that it is recorded, and said."""
    result = run("like", "eva", track.track_id)
    assert (
        f"liked Sokrates Must Die by Vreid: counts for {track.genre_cluster_id}; profile revision 1\n" == result.stdout
    )
    assert "revision 2" in run("dislike", "eva", "sokrates must die").stdout
    assert "revision 3" in run("like", "eva", "sokrates vreid").stdout
    assert 1 == client.get_profile("eva").profile.interaction_count


def test_the_only_exact_title_is_meant_where_others_begin_with_it(run: Run, client: Client) -> None:
    """A short title can be named although longer ones contain it."""
    titles = [track.title for track in client.search_tracks("love", page_size=50).tracks]
    assert 1 == [title.casefold() for title in titles].count("love")
    assert run("like", "leo", "love").stdout.startswith("liked Love by")


def test_words_that_fit_several_tracks_record_nothing_and_list_them(run: Run, client: Client) -> None:
    """The ids stand there to be copied."""
    result = run("like", "sam", "remix")
    assert 1 == result.exit_code
    assert "fits several tracks; name one by its id" in result.stderr
    for track in client.search_tracks("remix").tracks:
        assert f"{track.track_id}  {track.title}" in result.stderr
    assert "nothing is known" in run("profile", "sam").stderr


def test_one_unclear_track_of_several_records_none(run: Run, track: catalog_pb2.Track) -> None:
    """Ratings of one command are recorded together or not at all."""
    result = run("like", "sam", track.track_id, "no such words")
    assert 1 == result.exit_code
    assert "no track has the id 'no such words'" in result.stderr
    assert 1 == run("profile", "sam").exit_code


def test_a_profile_shows_each_taste(run: Run, client: Client, track: catalog_pb2.Track) -> None:
    """State, confidence, likes, dislikes, genres and the most typical track stand in one line."""
    client.like("kim", track.track_id)
    result = run("profile", "kim")
    [taste] = client.get_profile("kim").profile.tastes
    line = result.stdout.splitlines()[-1]
    for expected in (
        taste.display_name,
        "weak",
        "0.20",
        "black-metal 100%",
        "Sokrates Must Die by Vreid",
        taste.taste_id,
    ):
        assert expected in line
    assert "stage         fallback" in result.stdout


def test_a_rating_can_be_taken_back(run: Run, client: Client, track: catalog_pb2.Track) -> None:
    """Once; then there is none to take back."""
    client.like("ben", track.track_id)
    assert "retracted ben's rating of Sokrates Must Die" in run("profile", "retract", "ben", "Sokrates Must Die").stdout
    again = run("profile", "retract", "ben", "Sokrates Must Die")
    assert (1, f"Error: there is no like or dislike of track {track.track_id} to take back\n") == (
        again.exit_code,
        again.stderr,
    )


def test_an_export_shows_the_profile_and_its_log(run: Run, client: Client, track: catalog_pb2.Track) -> None:
    """One line for each thing that the listener did, oldest first."""
    client.like("joe", track.track_id)
    client.dislike("joe", track.track_id)
    *_, first, second = run("profile", "export", "joe").stdout.splitlines()
    assert ("1", "like") == (first.split()[0], first.split()[3])
    assert ("2", "dislike", track.track_id) == (second.split()[0], second.split()[3], second.split()[-1])


def test_deleting_asks_first(run: Run, client: Client, track: catalog_pb2.Track) -> None:
    """No is no; --yes does not ask."""
    taste = client.like("amy", track.track_id).taste_id
    refused = run("profile", "delete", "amy", "--taste", taste, input="n\n")
    assert (1, 1) == (refused.exit_code, client.get_profile("amy").profile.revision)
    assert f"deleted the taste {taste} of amy" in run("profile", "delete", "amy", "--taste", taste, "--yes").stdout
    assert "deleted everything that is stored of amy\n" == run("profile", "delete", "amy", "--yes").stdout
    assert "nothing is known of listener 'amy' yet" in run("profile", "amy").stderr


def test_ranking_puts_tracks_in_order_and_lists_the_unknown(run: Run, client: Client, track: catalog_pb2.Track) -> None:
    """Titles and ids may be mixed; with --allow-missing, what the catalog lacks is named."""
    client.like("zoe", track.track_id)
    lines = run("recommend", "zoe", "--rank", "love", "names acacia").stdout.splitlines()
    assert ["Names", "Love"] == [re.split(r"\s{2,}", line.strip())[1] for line in lines[1:3]]
    assert (
        "not in the catalog: nix" in run("recommend", "zoe", track.track_id, "nix", "--rank", "--allow-missing").stdout
    )


def test_the_catalog_can_be_searched(run: Run) -> None:
    """Matches come with ids; a cluster narrows them down; no match is said."""
    assert "Sokrates Must Die" in run("search", "sokrates", "vreid").stdout
    found = run("search", "love", "--cluster", "soundtrack-stage").stdout.splitlines()[1:]
    assert found
    assert all("soundtrack-stage" in line for line in found if not line.startswith("for more"))
    assert "no track has those words" in run("search", "zzzz").stdout
    assert "danceability" in run("catalog", "track", "Sokrates Must Die").stdout


@pytest.mark.parametrize("command", [("search", "love"), ("recommend", "mia")])
def test_one_line_says_how_to_see_more_however_many_pages_are_shown(run: Run, command: tuple[str, ...]) -> None:
    """By one page more, or with the token of the last page."""
    two = run(*command, "--page-size", "2", "--pages", "2").stdout.splitlines()
    [hint] = [line for line in two if line.startswith("for more")]
    assert (two[-1], True) == (hint, hint.startswith("for more: --pages 3, or --page-token "))
    on = run(*command, "--page-size", "2", "--page-token", hint.split()[-1]).stdout.splitlines()
    three = run(*command, "--page-size", "2", "--pages", "3").stdout.splitlines()
    assert on[1].split()[-1] == three[-len(on) + 1].split()[-1]


def test_clusters_and_strategies_are_listed(run: Run) -> None:
    """What the server has can be looked at."""
    assert "extreme-metal" in run("catalog", "clusters").stdout
    assert re.search(r"1\s+cold_start\s+loaded", run("strategies").stdout)


TRACK = "0o4r0WEOQcITh4vUrU7M4M"
COMMANDS: dict[str, type[Message]] = {
    "recommend jo": recommendation_pb2.RecommendResponse,
    f"recommend jo --rank {TRACK}": recommendation_pb2.RankResponse,
    f"like jo {TRACK}": feedback_pb2.RecordFeedbackResponse,
    f"dislike jo {TRACK}": feedback_pb2.RecordFeedbackResponse,
    "profile jo": profile_pb2.GetProfileResponse,
    "profile show jo": profile_pb2.GetProfileResponse,
    "profile export jo": profile_pb2.ExportProfileResponse,
    "profile delete jo --taste extreme-metal --yes": profile_pb2.DeleteTasteResponse,
    f"profile retract jo {TRACK}": feedback_pb2.RetractFeedbackResponse,
    "profile delete jo --yes": profile_pb2.DeleteProfileResponse,
    "search love": catalog_pb2.SearchTracksResponse,
    f"catalog track {TRACK}": catalog_pb2.GetTrackResponse,
    "catalog clusters": catalog_pb2.ListGenreClustersResponse,
    "strategies": strategy_pb2.ListStrategiesResponse,
    "strategies list": strategy_pb2.ListStrategiesResponse,
}


def test_every_command_prints_protobuf_json(run: Run) -> None:
    """Each line is one message of the contract, with the contract's names."""
    for command, message in COMMANDS.items():
        result = run(*command.split(), "--json")
        assert (0, "") == (result.exit_code, result.stderr), command
        for line in result.stdout.splitlines():
            Parse(line, message())
            assert json.loads(line).keys() <= {field.name for field in message.DESCRIPTOR.fields}
        assert result.stdout.splitlines(), command


@pytest.mark.parametrize("command", ["recommend jo", f"like jo {TRACK}", "profile export jo"])
def test_a_server_that_is_not_there_is_said_in_one_sentence(command: str) -> None:
    """Exit code 1, what to do, and no traceback."""
    result = CliRunner().invoke(main, [*command.split(), *NOBODY])
    assert (1, "") == (result.exit_code, result.stdout)
    assert re.fullmatch(
        r"Error: no palate server answers at localhost:1; start one with `palate serve`.*\n", result.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["profile", "nobody"], "nothing is known of listener 'nobody' yet"),
        (["recommend", "ana", "--strategy", "nix"], "there is no strategy 'nix'"),
        (["recommend", "ana", "--page-size", "1000"], "page_size: is 1000; 1 to 100 are allowed"),
        (["recommend", ""], "user_id: is required"),
        (["recommend", "\udcff"], "is not valid UTF-8"),
        (["search", "love", "--cluster", "nix"], "there is no genre cluster 'nix'"),
    ],
)
def test_what_is_refused_is_said_in_one_sentence(run: Run, arguments: list[str], sentence: str) -> None:
    """Exit code 1 and the reason."""
    result = run(*arguments)
    assert (1, "", 1) == (result.exit_code, result.stdout, len(result.stderr.splitlines()))
    assert sentence in result.stderr


def test_a_token_is_sent(serve: Serve) -> None:
    """Without it the server refuses; the sentence says what is missing."""
    address = serve(auth__tokens=[{"name": "shop", "sha256": sha256(b"sesame").hexdigest()}])
    arguments = ["recommend", "ana", "--server", address]
    assert "send it with PALATE_TOKEN, --token-file FILE or --token TOKEN" in CliRunner().invoke(main, arguments).stderr
    assert 0 == CliRunner().invoke(main, [*arguments, "--token", "sesame"]).exit_code


def test_a_narrow_terminal_gets_lines_that_fit(server: str) -> None:
    """In a real terminal of 40 columns each track is a block of lines, all of it there."""
    output = on_terminal(["recommend", "ana", "--server", server], columns=40)
    blocks = output.split("strategy cold_start")[0]
    assert 40 >= max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", blocks).splitlines())
    assert 10 == blocks.count("title   ") == blocks.count("track id")


@pytest.mark.parametrize("command", ["recommend bo", "search love", "profile export bo", "recommend bo --rank love"])
def test_eighty_columns_show_whole_track_ids(
    server: str, client: Client, track: catalog_pb2.Track, command: str
) -> None:
    """On a real terminal each line that ends in an id can be copied into `palate like`; nothing is wider."""
    client.like("bo", track.track_id)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal([*command.split(), "--server", server], columns=80)).splitlines()
    ids = [found[0] for line in lines if (found := re.search(r"\b[0-9A-Za-z]{22}$", line.rstrip()))]
    assert ids
    assert ids == [client.get_track(track_id).track.track_id for track_id in ids]
    rows = lines[: next((n for n, line in enumerate(lines) if line.startswith(("strategy", "for more"))), len(lines))]
    assert 80 >= max(map(len, rows))


def test_eighty_columns_show_whole_taste_ids(server: str, client: Client, track: catalog_pb2.Track) -> None:
    """`palate profile delete --taste` takes them."""
    taste = client.like("bo", track.track_id).taste_id
    assert re.search(rf"\b{taste}\b", on_terminal(["profile", "bo", "--server", server], columns=80))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["love"], "go with --rank"),
        (["--allow-missing"], "go with --rank"),
        (["--rank"], "--rank takes TRACKs"),
        (["love", "--rank", "--pages", "2"], "--rank takes TRACKs"),
    ],
)
def test_ranking_and_recommending_have_options_of_their_own(run: Run, options: list[str], sentence: str) -> None:
    """What would have no effect is refused."""
    result = run("recommend", "ana", *options)
    assert 2 == result.exit_code
    assert sentence in result.stderr


def test_a_terminal_without_unicode_shows_what_it_can(server: str) -> None:
    """Letters that its encoding lacks are replaced, not fatal."""
    command: list[str | Path] = [PALATE, "search", "白色風車", "--server", server]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "????  Jay Chou" in outcome.stdout


def on_terminal(arguments: list[str], columns: int) -> str:
    """Return what a command writes to a terminal."""
    terminal, far_end = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm"}
    process = subprocess.Popen([PALATE, *arguments], stdout=far_end, env=environment)
    os.close(far_end)
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        written = b""
        try:
            while part := screen.read(4096):
                written += part
        except OSError:  # how Linux says that the far end was closed
            pass
    assert 0 == process.wait()
    return written.decode()
