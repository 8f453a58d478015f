"""`palate train`: what is due, what is shown, and how it ends."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result
from palate.app.config import Config
from palate.errors import ConfigError
from palate.store.contract import Store
from palate_tools.cli import main
from palate_tools.operating import train
from support.waiting import eventually

Run = Callable[..., Result]


@pytest.fixture
def arguments(config: Config, store: Store, tmp_path: Path) -> list[str]:  # noqa: ARG001 - makes the database
    """Return the options that name the configuration."""
    path = tmp_path / "palate.toml"
    path.write_text(
        f'[catalog]\npath = "{config.catalog_path}"\n[training]\nallow = ["logistic"]\nfolds = 3\nrepeats = 1\n'
        "interactions = 20\n",
        encoding="utf-8",
    )
    return ["--config", str(path), "--data-dir", str(tmp_path)]


@pytest.fixture
def run(arguments: list[str]) -> Run:
    """Return a function that runs `palate train` in this process."""
    return lambda *more: CliRunner().invoke(train, [*arguments, "--jobs", "1", *more])


def test_listeners_who_are_due_are_trained_and_then_no_longer_due(
    run: Run, tell: Callable[..., None], store: Store
) -> None:
    """The table has every taste with its figures; the second run finds nothing to do and ends with 0 as well."""
    tell("ana", 60)
    tell("ben", 25)
    tell("cleo", 19)
    first = run()
    assert 0 == first.exit_code, first.output
    assert {"ana", "ben"} == {run.user_id for run in store.models.runs()}
    for text in ("(common): published", "log-loss", "electronica", "too little data"):
        assert text in first.stdout
    second = run()
    told = "no listener is due: none has had 20 events since the last run; "
    told += "`palate train USER` trains one all the same\n"
    assert (0, told) == (second.exit_code, second.stdout)


def test_a_dry_run_says_what_would_be_published(run: Run, tell: Callable[..., None], store: Store) -> None:
    """It names no version, since there is none, and nothing is called published."""
    tell("ana", 60)
    told = run("--dry-run").stdout
    assert "ana  (common): would be published; logistic, log-loss " in told
    assert "1 would be published" in told.splitlines()[-1]
    assert 0 == told.replace("would be published", "").count("published")
    assert [] == list(store.models.runs())
    version = re.compile(r"[0-9a-f]{14}-")
    assert (None, True) == (version.search(told), version.search(run().stdout) is not None)


def test_tastes_with_too_little_data_for_one_reason_are_one_line(run: Run, tell: Callable[..., None]) -> None:
    """The table has none of them; a listener with too little data has a line that counts what there is."""
    tell("ana", 60, clusters=("electronica", "techno-trance", "rock", "brazil"))
    tell("ben", 20, liking={"rock": 1.0})
    tell("cleo", 21, liking={"rock": 0.0})
    lines = run().stdout.splitlines()
    without = [line for line in lines if ": too little data; " in line]
    assert 3 == len(without)
    assert any(line.startswith("ben  (common): too little data; 20 likes and 0 dislikes of tracks") for line in without)
    assert any(line.startswith("cleo  (common): too little data; 0 likes and 21 dislikes of") for line in without)
    assert any(line.startswith("ana  ") and "begins at 8 likes and 8 dislikes" in line for line in without)
    heading = next(number for number, line in enumerate(lines) if line.startswith("listener "))
    table = lines[heading + 1 : lines.index("", heading) - 1]
    assert ["ana"] == sorted({line.split()[0] for line in table})
    assert lines[heading].split() == list(dict.fromkeys(lines[heading].split()))


def test_a_folder_without_a_servers_data_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    """The sentence says how to come by one."""
    result = CliRunner().invoke(main, ["train", "--data-dir", str(tmp_path / "none")])
    assert 2 == result.exit_code
    assert "is no data folder: there is no palate.db in it. Start a server with `palate serve`" in result.output
    assert [] == list(tmp_path.iterdir())


def test_a_listener_who_is_named_is_trained_though_not_due(run: Run, tell: Callable[..., None], store: Store) -> None:
    """One that is not known is refused."""
    tell("ana", 15)
    assert 0 == run("ana").exit_code
    assert ["ana"] == [run.user_id for run in store.models.runs() if not run.taste_id]
    result = run("zoe")
    assert "profile 'zoe' is not there: nothing is known of this listener yet" == str(result.exception)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--taste", "rock"], "--taste needs USER"),
        (["--jobs", "0"], "--jobs must not be 0"),
        (["--backend", "abacus"], "is not one of"),
    ],
)
def test_options_that_make_no_sense_are_refused(run: Run, options: list[str], sentence: str) -> None:
    """The sentence says what would."""
    result = run(*options)
    assert 2 == result.exit_code
    assert sentence in result.output


def test_a_failed_training_ends_with_1_and_the_others_are_trained(
    run: Run, tell: Callable[..., None], store: Store
) -> None:
    """A taste that is gone fails its listener alone."""
    tell("ana", 40)
    tell("ben", 40, clusters=("rock",))
    result = run("ana", "ben", "--taste", "electronica")
    assert 1 == result.exit_code
    assert "taste 'electronica' is none of ben's; valid are " in result.stdout
    assert {"ana"} >= {run.user_id for run in store.models.runs()}


def test_a_trainer_that_watches_outlives_a_store_that_is_away(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and tries again; one that finds no store when it starts ends at once."""
    path, away = tmp_path / "palate.db", tmp_path / "away.db"
    assert [] == list(store.user_ids())
    store.close()

    class Pauses:
        """Takes the store away in the first pause, brings it back in the second, and ends the third."""

        events: ClassVar = iter([lambda: path.rename(away), lambda: away.rename(path), signal.default_int_handler])

        def wait(self, _: float) -> bool:
            event: Any = next(self.events)
            event(*([2, None] if event is signal.default_int_handler else []))
            return False

    monkeypatch.setattr("palate_tools.training.commands.Event", Pauses)
    result = run("--watch", "--interval", "7")
    assert 0 == result.exit_code, result.output
    told = [line for line in result.stdout.splitlines() if "no listener is due" in line or "trying again" in line]
    assert [False, True, False] == ["trying again in 7 seconds" in line for line in told]
    away.unlink(missing_ok=True)
    path.unlink()
    assert isinstance(run("--watch").exception, ConfigError)


def test_a_trainer_that_watches_stops_as_services_are_stopped(
    arguments: list[str], tell: Callable[..., None], store: Store
) -> None:
    """SIGTERM ends it and the processes that trained, without a word of what was left behind."""
    tell("ana", 60)
    command = [sys.executable, "-c", "from palate_tools.cli import main; main()", "train", *arguments]
    with subprocess.Popen(
        [*command, "--watch", "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watch:
        eventually(lambda: bool(store.models.runs()))
        watch.terminate()
        out, err = watch.communicate(timeout=60)
    assert (0, "stopped", "") == (watch.returncode, out.splitlines()[-1], err)
