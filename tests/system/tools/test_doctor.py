"""`palate doctor`: what it finds right and wrong, and that it changes nothing."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from palate_tools.cli import main

Check = Callable[..., Result]
Serve = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path, catalog_path: Path) -> Path:
    """Return a configuration file that names the catalog and the data folder."""
    path = tmp_path / "palate.toml"
    path.write_text(f'data_dir = "{tmp_path}"\n[catalog]\npath = "{catalog_path}"\n', encoding="utf-8")
    return path


@pytest.fixture
def check(config: Path) -> Check:
    """Return a function that runs the doctor on that configuration."""
    return lambda *options: CliRunner().invoke(main, ["doctor", "--config", str(config), *options])


def test_all_is_well_with_a_server_and_its_state(check: Check, serve: Serve, catalog_path: Path) -> None:
    """Each check is a line that begins with ok."""
    address = serve()
    result = check("--server", address)
    assert 0 == result.exit_code, result.output
    lines = result.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    for expected in (f"{catalog_path}: 2,775 tracks", "0 profiles, tables up to date", f"{address} is SERVING"):
        assert any(line.endswith(expected) or expected in line for line in lines)
    assert {"cold_start", "gbdt"} <= {line.split()[2] for line in lines if line.split()[1] in ("strategy", "learner")}


def test_only_the_server_can_be_checked(serve: Serve) -> None:
    """As a probe does, without a configuration."""
    address = serve()
    result = CliRunner().invoke(main, ["doctor", "--only", "server", "--server", address])
    assert (0, f"ok      server         {address} is SERVING\n") == (result.exit_code, result.stdout)


def test_a_server_that_does_not_answer_is_a_failure() -> None:
    """The line says how to start one."""
    result = CliRunner().invoke(main, ["doctor", "--only", "server", "--server", "localhost:1"])
    assert 1 == result.exit_code
    assert result.stdout.startswith("failed  server         no palate server answers at localhost:1; start one with")


def test_state_that_is_not_there_or_broken_is_named(check: Check, config: Path, tmp_path: Path) -> None:
    """The store is missing, and the catalog is no catalog; nothing is made."""
    broken = tmp_path / "broken.catalog"
    broken.write_bytes(b"no catalog")
    config.write_text(f'data_dir = "{tmp_path}"\n[catalog]\npath = "{broken}"\n', encoding="utf-8")
    before = sorted(tmp_path.iterdir())
    result = check("--only", "state")
    assert 1 == result.exit_code
    first, catalog, store = result.stdout.splitlines()
    assert first.startswith("ok      configuration")
    assert catalog.startswith(f"failed  catalog        {broken}")
    assert f"there is no palate.db in {tmp_path}; start a server with `palate serve`" in store
    assert before == sorted(tmp_path.iterdir())


def test_a_store_of_an_older_version_is_named_and_left_as_it_is(check: Check, serve: Serve, tmp_path: Path) -> None:
    """Only a start of the server migrates it."""
    serve()
    with closing(sqlite3.connect(tmp_path / "palate.db")) as database, database:
        assert 1 == database.execute("UPDATE alembic_version SET version_num = '0001'").rowcount
    assert "`palate serve` brings them up to date" in check("--only", "state").stdout
    with closing(sqlite3.connect(tmp_path / "palate.db")) as database:
        assert [("0001",)] == database.execute("SELECT version_num FROM alembic_version").fetchall()


def test_a_configuration_that_cannot_be_read_is_named(check: Check, config: Path) -> None:
    """What depends on it is not checked."""
    config.write_text("[ladder.ranking]\nmin_confidence = 0.5\n", encoding="utf-8")
    result = check("--only", "state", "--only", "plugins")
    assert (1, f"failed  configuration  {config}: ladder: unknown key; it is called stages now\n") == (
        result.exit_code,
        result.stdout,
    )


def test_a_plugin_that_fails_to_load_is_named_with_its_distribution_and_the_reason(
    config: Path, tmp_path: Path
) -> None:
    """Strategies and learners alike; the others are fine."""
    metadata = tmp_path / "site" / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n", encoding="utf-8")
    plugins = "[palate.strategies]\nnix = nowhere:Nix\n[palate.learners]\nnix = nowhere:Nix\n"
    (metadata / "entry_points.txt").write_text(plugins, encoding="utf-8")
    palate = Path(sys.executable).with_name("palate")
    ended = subprocess.run(
        [palate, "doctor", "--only", "plugins", "--config", config],
        env={**os.environ, "PYTHONPATH": str(metadata.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [line for line in ended.stdout.splitlines() if line.startswith("failed")]
    assert (1, 2) == (ended.returncode, len(failed)), ended.stdout + ended.stderr
    for line, kind in zip(failed, ("strategy", "learner"), strict=True):
        assert kind == line.split()[1]
        assert "nix of broken 1.0: " in line
        assert "nowhere" in line
