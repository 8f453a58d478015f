"""How a store is named and opened."""

import sys
from contextlib import closing
from pathlib import Path

import pytest
from palate.errors import ConfigError, StoreUnavailable
from palate.store import open_store
from sqlalchemy import make_url
from support.factories import assert_writable


@pytest.mark.parametrize("name", ["palate.db", "with space.db", "100% #1.db", "häßlich.db"])
def test_a_file_is_created_where_the_url_says(tmp_path: Path, name: str) -> None:
    """Any file name that a URL can hold works."""
    with closing(open_store(f"sqlite:///{tmp_path / name}")) as store:
        assert_writable(store)
    assert [name] == [path.name for path in tmp_path.iterdir()]


def test_a_relative_file_starts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes name a relative file, and a later change of directory does not matter."""
    monkeypatch.chdir(tmp_path)
    with closing(open_store("sqlite:///palate.db")) as store:
        monkeypatch.chdir("/")
        assert_writable(store)
    assert (tmp_path / "palate.db").exists()


def test_a_missing_file_is_not_created_when_the_caller_expects_one(tmp_path: Path) -> None:
    """A tool that is pointed at the wrong file says so instead of making an empty one."""
    with pytest.raises(StoreUnavailable, match=r"palate\.db"):
        open_store(f"sqlite:///{tmp_path / 'palate.db'}", create=False)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "palate.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a.db?cache=shared",
        "sqlite:///a.db?mode=write",
        "sqlite:///a.db?timeout=soon",
        "sqlite:///a.db?timeout=nan",
        "sqlite:///a.db?timeout=-1",
        "postgresql://host",
        "postgresql+psycopg2://host/palate",
        "postgresql://host/palate?timeout=soon",
        "postgresql://host/palate?sslmod=require",
        "mysql://host/palate",
        "nonsense://host/palate",
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error shows how a URL is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"sqlite:///FILE|seconds|postgresql://USER|sslmod"):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:hunter2@host/palate",
        "postgresql:/user:hunter2@host/palate",
        "postgresql://user:hunter2/@host/palate",
        "postgresql://user:hunter2@host:port/palate",
        "postgresql://user:hunter2@host/",
        "postgresql://user:hunter2@host/palate?sslmod=require",
        "postgresql://user:hunter2@localhost:9/palate",
        "sqlite://user:hunter2@host/palate.db?mode=write",
    ],
)
def test_a_password_in_a_url_is_not_shown(url: str) -> None:
    """Error messages end up in logs."""
    with pytest.raises((ConfigError, StoreUnavailable)) as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


def test_a_driver_that_is_not_installed_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is an extra; who asks for it without is told what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "palate.store.postgres", raising=False)
    with pytest.raises(ConfigError, match=r"palate\[postgres\]"):
        open_store("postgresql://host/palate")


def test_a_database_without_tables_is_left_alone_when_the_caller_expects_some(store_url: str) -> None:
    """A tool that is pointed at the wrong database says so instead of making tables there."""
    if (file := make_url(store_url)).get_backend_name() == "sqlite":
        Path(file.database or "").touch()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="no tables of palate"):
            open_store(store_url, create=False)
    open_store(store_url).close()
    open_store(store_url, create=False).close()
