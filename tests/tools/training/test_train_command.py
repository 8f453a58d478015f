"""`palate train`: what is due, what is shown, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result
from palate.config import Config
from palate.errors import StoreUnavailable
from palate.store.contract import Store
from palate_tools.training.commands import train

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
    for text in ("(common): published", "log-loss", "electronica", "locked out"):
        assert text in first.stdout
    second = run()
    assert (0, "no listener is due: none has had 20 events since the last run\n") == (second.exit_code, second.stdout)
    tell("ana", 20)
    assert "ana" in run("--dry-run").stdout


def test_a_listener_who_is_named_is_trained_though_not_due(run: Run, tell: Callable[..., None], store: Store) -> None:
    """One that is not known is refused."""
    tell("ana", 15)
    assert 0 == run("--user", "ana").exit_code
    assert ["ana"] == [run.user_id for run in store.models.runs() if not run.taste_id]
    result = run("--user", "zoe")
    assert result.exception is not None
    assert "zoe" in str(result.exception)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--taste", "rock"], "--taste needs --user"),
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
    result = run("--user", "ana", "--user", "ben", "--taste", "electronica")
    assert 1 == result.exit_code
    assert "there is no taste 'electronica'" in result.stdout
    assert {"ana"} >= {run.user_id for run in store.models.runs()}


def test_a_trainer_that_watches_outlives_a_store_that_is_away(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and looks again; one that finds no store when it starts ends at once."""
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
    told = [line for line in result.stdout.splitlines() if "no listener is due" in line or "looking again" in line]
    assert [False, True, False] == ["looking again in 7 seconds" in line for line in told]
    away.unlink(missing_ok=True)
    path.unlink()
    assert isinstance(run("--watch").exception, StoreUnavailable)


def test_a_trainer_that_is_killed_while_it_watches_leaves_a_store_that_the_next_one_uses(
    arguments: list[str], tell: Callable[..., None], store: Store
) -> None:
    """SIGKILL in the midst of training loses nothing but the training."""
    tell("ana", 60)
    command = [sys.executable, "-c", "from palate_tools.cli import main; main()", "train", *arguments]
    with subprocess.Popen(
        [*command, "--watch", "--interval", "0.05", "--jobs", "1"], stdout=subprocess.DEVNULL
    ) as watch:
        deadline = time.monotonic() + 60
        while not store.models.runs() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(watch.pid, signal.SIGKILL)
    subprocess.run([*command, "--jobs", "1", "--user", "ana"], check=True, stdout=subprocess.DEVNULL)
    assert "" in store.models.last_runs("ana")
    assert store.models.pointers("ana").keys() <= {"", "electronica", "techno-trance"}
