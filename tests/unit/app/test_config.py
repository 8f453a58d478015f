"""The configuration: one file, overridable, and strict."""

from pathlib import Path

import pytest
from palate.app.config import load_config
from palate.errors import ConfigError


def write(path: Path, text: str) -> Path:
    """Write a configuration file."""
    file = path / "palate.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_serve_locally() -> None:
    """Without a file, the server listens on localhost and keeps its state in one folder."""
    config = load_config()
    assert ("127.0.0.1", 50051) == (config.server.host, config.server.port)
    assert Path("palate-data/catalog.arrow") == config.catalog_path
    assert config.store_url.endswith("/palate-data/palate.db")


def test_the_environment_outranks_the_file_and_flags_outrank_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag beats a variable, a variable beats the file."""
    file = write(tmp_path, "[server]\nport = 1\nworkers = 2\nhost = '::1'")
    monkeypatch.setenv("PALATE_SERVER__PORT", "3")
    monkeypatch.setenv("PALATE_SERVER__WORKERS", "4")
    server = load_config(file, {"server.port": 5}).server
    assert (5, 4, "::1") == (server.port, server.workers, server.host)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[server]\nprot = 1", "server.prot: unknown key; did you mean server.port?"),
        ("[server]\nxyz = 1", "server.xyz: unknown key; valid are server.drain_seconds, server.host, "),
        ("[sever]\nport = 1", "sever: unknown key; did you mean server?"),
        ("[server]\nport = 'many'", "server.port: Input should be a valid integer"),
        ("[stages.ranking]\nmin_interactions = 3", "stages.ranking.min_confidence: is required"),
        ("[stages.ranking]\nmin_confidenc = 3", "did you mean stages.ranking.min_confidence?"),
        ("[[auth.tokens]]\nname = 'a'\nsha256 = 'b'", "auth.tokens.0.sha256"),
        ("server = [", "is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_what_would_be_right(tmp_path: Path, text: str, expected: str) -> None:
    """The message names the file, the key and the remedy."""
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(file) in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "text", ["[store]\nurl = ['postgresql://a:hunter2@b/c']", "[[auth.tokens]]\nname = 'a'\nsha256 = 'hunter2'"]
)
def test_a_mistake_where_a_password_may_stand_is_named_without_it(tmp_path: Path, text: str) -> None:
    """Error messages end up in logs."""
    with pytest.raises(ConfigError, match=r"store\.url|sha256") as caught:
        load_config(write(tmp_path, text))
    assert "hunter2" not in str(caught.value)


def test_the_database_url_is_not_shown_by_a_configuration() -> None:
    """A configuration that appears in a traceback does not give the password away."""
    assert "hunter2" not in repr(load_config(None, {"store.url": "postgresql://a:hunter2@b/c"}))


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PALATE_SERVER__PROT", "1", "PALATE_SERVER__PROT: unknown key; did you mean server.port?"),
        ("PALATE_SEVER__PORT", "1", "PALATE_SEVER__PORT: unknown; did you mean PALATE_SERVER?"),
        ("PALATE_FOO", "1", "PALATE_FOO: unknown; docs/reference/configuration.md lists every key"),
        ("PALATE_SERVER__PORT", "many", "PALATE_SERVER__PORT: Input should be a valid integer"),
        ("PALATE_AUTH__TOKENS", "x", "lists and tables are written as JSON"),
    ],
)
def test_a_mistake_in_the_environment_is_named_with_what_would_be_right(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    """Variables are held to the same rules as the file."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert expected in str(caught.value)


def test_what_kubernetes_says_of_a_service_called_palate_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets such variables in every pod of the namespace; nobody who deploys palate asked for them."""
    for service in ("PALATE", "PALATE_CANARY"):
        monkeypatch.setenv(f"{service}_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv(f"{service}_SERVICE_PORT", "50051")
        monkeypatch.setenv(f"{service}_SERVICE_PORT_GRPC", "50051")
        monkeypatch.setenv(f"{service}_PORT", "tcp://10.0.0.1:50051")
        monkeypatch.setenv(f"{service}_PORT_50051_TCP", "tcp://10.0.0.1:50051")
        monkeypatch.setenv(f"{service}_PORT_50051_TCP_ADDR", "10.0.0.1")
    assert 50051 == load_config().server.port
    monkeypatch.setenv("PALATE_PORT", "50052")
    with pytest.raises(ConfigError, match="PALATE_PORT: unknown"):
        load_config()


def test_variables_of_the_client_commands_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """PALATE_SERVER has the name of a table, and is none."""
    monkeypatch.setenv("PALATE_SERVER", "palate.example:443")
    monkeypatch.setenv("PALATE_TOKEN", "sesame")
    monkeypatch.setenv("PALATE_SERVER__PORT", "7")
    assert 7 == load_config().server.port


def test_a_table_of_an_older_version_is_refused_with_its_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the file and in the environment."""
    path = tmp_path / "palate.toml"
    path.write_text("[ladder.ranking]\nmin_confidence = 0.5\nmin_interactions = 5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="ladder: unknown key; it is called stages now"):
        load_config(path)
    monkeypatch.setenv("PALATE_LADDER", "{}")
    with pytest.raises(ConfigError, match=r"PALATE_LADDER: unknown; did you mean PALATE_STAGES\?"):
        load_config()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Asking for a file that is not there is an error, not the defaults."""
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "nowhere.toml")
