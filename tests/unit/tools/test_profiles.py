"""`palate profile rebuild`: the log is the truth."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from palate.catalog.snapshot import Catalog
from palate.domain import Event, EventKind, RecordedTrack, apply
from palate.domain.features import FeatureMap
from palate.domain.profile import Profile
from palate.store import open_store
from palate_tools.profiles import profile
from palate_tools.rebuilding import rebuild_profile
from support.factories import make_feature_map, walk

Run = Callable[..., Result]


@pytest.fixture
def database(tmp_path: Path, catalog: Catalog) -> Path:
    """Return a database with two profiles that were made with the catalog's feature map."""
    path = tmp_path / "palate.db"
    with closing(open_store(f"sqlite:///{path}")) as store:
        with store.transaction() as transaction:
            walk(transaction, "ana", 40)
            walk(transaction, "ben", 40, seed=1)
        for user_id in ("ana", "ben"):
            rebuild_profile(store, user_id, catalog.feature_map)
    return path


@pytest.fixture
def run(database: Path, catalog_path: Path) -> Run:
    """Return a function that runs `palate profile rebuild` over the database."""

    def rebuild(*options: str) -> Result:
        arguments = ["rebuild", "--data-dir", str(database.parent), "--catalog", str(catalog_path), *options]
        return CliRunner().invoke(profile, arguments)

    return rebuild


def change(database: Path, statement: str) -> None:
    """Change a database behind the store's back."""
    with closing(sqlite3.connect(database)) as raw, raw:
        assert 0 < raw.execute(statement).rowcount


def stored(database: Path, user_id: str = "ana") -> Profile:
    """Return a stored profile."""
    with closing(open_store(f"sqlite:///{database}")) as store:
        found = store.profile(user_id)
    assert found is not None
    return found[0]


def test_profiles_that_equal_their_logs_pass(run: Run) -> None:
    """Verification ends with 0 and one line."""
    result = run("--verify")
    assert (0, "verified 2 profiles: all equal their logs\n") == (result.exit_code, result.stdout)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("UPDATE tastes SET state = replace(state, '\"count\":', '\"count\":1') WHERE taste_id = 'latin'", "'latin'"),
        ("DELETE FROM tastes WHERE user_id = 'ana' AND taste_id = 'latin'", "taste 'latin': missing"),
        ("UPDATE tastes SET taste_id = 'polka', state = replace(state, 'latin', 'polka')", "'polka': not in the log"),
        ("UPDATE profiles SET revision = revision + 1", "header: revision 41; the log ends at 40"),
        ("UPDATE profiles SET created_at = 5", "header: created at 5; the log begins at 0"),
        ("UPDATE profiles SET feature_map = 'another'", "feature map another"),
        ("DELETE FROM profiles", "there is a log, but no profile"),
        ("DELETE FROM ratings", "ratings: "),
        ("UPDATE tastes SET state = '{'", "cannot be read"),
        ("DELETE FROM feedback_log", "the log ends at 0"),
    ],
)
def test_what_differs_is_named_and_a_rebuild_mends_it(run: Run, database: Path, statement: str, finding: str) -> None:
    """Verification ends with 1, names listener and place, and writes nothing; after a rebuild it passes."""
    scope = " WHERE " if "WHERE" not in statement else " AND "
    latin = " AND taste_id = 'latin'" if "polka" in statement else ""
    change(database, f"{statement}{scope}user_id = 'ana'{latin}")
    for _ in range(2):
        result = run("--verify")
        assert 1 == result.exit_code
        assert "ana: " in result.stdout
        assert finding in result.stdout
        assert "ben: " not in result.stdout
        assert "verified 2 profiles: 1 differ\n" in result.stdout
    assert 0 == run().exit_code
    assert 0 == run("--verify").exit_code


def test_a_rebuild_restores_what_was_lost(run: Run, database: Path) -> None:
    """From the log alone come the same profiles, although everything else was deleted."""
    before = stored(database), stored(database, "ben")
    for statement in ("DELETE FROM tastes", "DELETE FROM ratings", "DELETE FROM profiles"):
        change(database, statement)
    result = run()
    assert (0, "rebuilt 2 profiles\n") == (result.exit_code, result.stdout)
    assert before == (stored(database), stored(database, "ben"))


def test_only_the_chosen_listeners_are_rebuilt(run: Run, database: Path) -> None:
    """`--user` leaves the others alone."""
    change(database, "DELETE FROM tastes")
    assert "rebuilt 1 profiles\n" == run("ana").stdout
    assert stored(database).tastes
    assert not stored(database, "ben").tastes
    assert 0 == run("--verify", "ana").exit_code
    assert 1 == run("--verify", "ben").exit_code


def test_an_unknown_listener_is_an_error(run: Run) -> None:
    """A mistyped name does not pass for a verified profile."""
    assert (2, True) == ((result := run("eve")).exit_code, "profile 'eve'" in result.stderr)


def test_a_missing_database_is_an_error_and_not_created(run: Run, tmp_path: Path) -> None:
    """A mistyped URL does not pass for an empty store."""
    url = f"sqlite:///{tmp_path / 'missing.db'}"
    assert (2, True) == ((result := run("--store", url)).exit_code, "cannot be used" in result.stderr)
    assert not (tmp_path / "missing.db").exists()


def test_the_catalog_that_is_served_by_default_is_the_default(run: Run, database: Path) -> None:
    """Without a catalog file in the data folder it is the bundled one, which the profiles were made with."""
    result = CliRunner().invoke(profile, ["rebuild", "--verify", "--data-dir", str(database.parent)])
    assert run("--verify").stdout == result.stdout
    assert 0 == result.exit_code


def test_feedback_that_arrives_during_the_replay_is_kept(database: Path) -> None:
    """A rebuild repeats the replay under the lock when the log has grown."""

    class LateFeatureMap(FeatureMap):
        """Records a like while the replay uses it for the first time."""

        arrived = False

        def normalize(self, features):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - the base says what
            if not self.arrived:
                self.arrived = True
                evidence = RecordedTrack((0.5,) * 9, ("late",))
                event = Event(41, EventKind.LIKE, "late", "metal", evidence)
                with store.transaction() as transaction:
                    tastes = transaction.current("ana", taste_id="metal").tastes
                    transaction.append("ana", event, apply(event, None, tastes, make_feature_map()), "map")
            return super().normalize(features)

    with closing(open_store(f"sqlite:///{database}")) as store:
        assert rebuild_profile(store, "ana", LateFeatureMap.from_bytes(make_feature_map().to_bytes()))
    assert 41 == stored(database).revision
    assert "late" in stored(database).ratings
