"""`palate models …` against a real server."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from palate.store import open_store
from palate.store.contract import Store
from palate.testing.models import like, make_artifact, publish
from palate_tools.models import models

Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return the server's store with two models of one taste, the second in service."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as opened:
        like(opened)
        publish(opened, "v1")
        publish(opened, "v2")
        yield opened


@pytest.fixture
def run(serve: Callable[..., str], store: Store) -> Run:  # noqa: ARG001 - fills the database
    """Return a function that runs a command against a server on that store."""
    address = serve()
    return lambda name, *rest: CliRunner().invoke(models, [name, "--server", address, *rest])


def test_models_are_listed_newest_first(run: Run) -> None:
    """Each with its state and figures."""
    lines = run("list", "--user", "ana").stdout.splitlines()
    assert ["v2", "v1"] == [line.split()[0] for line in lines[1:]]
    assert "serving" in lines[1]
    assert "retired" in lines[2]
    assert "0.750" in lines[1]
    assert "there are no models" in run("list", "--user", "zoe").stdout


def test_a_model_is_shown(run: Run) -> None:
    """With everything that its record has."""
    shown = run("show", "v1").stdout
    for text in ("retired", "logistic", "0.7500, ranking 0.5000", "100 bytes"):
        assert text in shown


def test_a_model_is_exported_as_it_is_stored(run: Run, tmp_path: Path) -> None:
    """Byte for byte; a file that cannot be written is refused."""
    assert 0 == run("export", "v1", str(tmp_path / "model.onnx")).exit_code
    assert make_artifact("v1") == (tmp_path / "model.onnx").read_bytes()
    refused = run("export", "v1", str(tmp_path / "nowhere" / "model.onnx"))
    assert 1 == refused.exit_code
    assert "cannot write" in refused.output


def test_a_taste_is_rolled_back_and_its_model_pinned(run: Run, store: Store) -> None:
    """The earlier model serves again; pinned, training cannot replace it."""
    assert "v1 serves" in run("rollback", "--user", "ana", "--taste", "metal").stdout
    assert "v1" == store.models.pointers("ana")["metal"].version
    assert 0 == run("pin", "v1").exit_code
    assert "pinned" in publish(store, "v3")
    assert "serving, pinned" in run("list").stdout
    assert 0 == run("unpin", "v1").exit_code
    assert "" == publish(store, "v4")


def test_runs_are_listed_newest_first(run: Run) -> None:
    """Each with what came of it."""
    lines = run("runs", "--user", "ana").stdout.splitlines()
    assert ["v2", "v1"] == [line.split()[-1] for line in lines[1:]]


@pytest.mark.parametrize("arguments", [("show", "v9"), ("pin", "v9"), ("rollback", "--user", "ana", "--to", "v9")])
def test_a_model_that_is_not_there_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    """In one sentence, with 1."""
    result = run(*arguments)
    assert 1 == result.exit_code
    assert "Error: " in result.output
