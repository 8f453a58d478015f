"""`palate models …` against a real server."""

from collections.abc import Callable, Iterator
from contextlib import closing
from math import nan
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from palate.store import open_store
from palate.store.contract import Metric, Store
from palate_tools.models import models
from support.models import like, make_artifact, publish

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
    lines = run("list", "ana").stdout.splitlines()
    assert ["v2", "v1"] == [line.split()[0] for line in lines[1:]]
    assert "serving" in lines[1]
    assert "retired" in lines[2]
    assert "0.750" in lines[1]
    assert "there are no models" in run("list", "zoe").stdout


def test_a_model_is_shown(run: Run, store: Store) -> None:
    """With everything that its record has, and a dash for figures that there are none of."""
    shown = run("show", "v1").stdout
    for text in ("retired", "logistic", "0.7500, ranking 0.5000, in service then 0.6250", "100 bytes"):
        assert text in shown
    publish(store, "v3", metrics=(Metric("auc", nan, 0.5, nan),))
    assert "-, ranking 0.5000, in service then -" in run("show", "v3").stdout
    assert "nan" not in run("list").stdout


def test_a_model_is_exported_as_it_is_stored(run: Run, tmp_path: Path) -> None:
    """Byte for byte; a file that cannot be written is refused, and one that exists unless it may be replaced."""
    path = tmp_path / "model.onnx"
    assert 0 == run("export", "v1", str(path)).exit_code
    assert make_artifact("v1") == path.read_bytes()
    kept = run("export", "v2", str(path))
    assert (1, make_artifact("v1")) == (kept.exit_code, path.read_bytes())
    assert "model.onnx exists; name another file, or replace it with --force" in kept.output
    assert 0 == run("export", "v2", str(path), "--force").exit_code
    assert make_artifact("v2") == path.read_bytes()
    refused = run("export", "v1", str(tmp_path / "nowhere" / "model.onnx"))
    assert 1 == refused.exit_code
    assert "cannot write" in refused.output


def test_a_taste_is_rolled_back_and_its_model_pinned(run: Run, store: Store) -> None:
    """The earlier model serves again; pinned, training cannot replace it."""
    assert "v1 serves" in run("rollback", "ana", "--taste", "metal").stdout
    assert "v1" == store.models.serving_versions("ana")["metal"].version
    assert 0 == run("pin", "v1").exit_code
    assert "pinned" in publish(store, "v3")
    assert "serving, pinned" in run("list").stdout
    assert 0 == run("unpin", "v1").exit_code
    assert "" == publish(store, "v4")


def test_runs_are_listed_newest_first(run: Run) -> None:
    """Each with what came of it."""
    lines = run("runs", "ana").stdout.splitlines()
    assert ["v2", "v1"] == [line.split()[-1] for line in lines[1:]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("ana", "--taste", "mettal"), "has no model of taste 'mettal'; did you mean metal?"),
        (("ana",), "has no common model; name one of the tastes with --taste: metal"),
        (("zoe", "--taste", "metal"), "listener 'zoe' has no models; `palate models list` lists those"),
        (("ana", "--taste", "metal", "--to", "v0"), "there is no model 'v0'; `palate models list` lists"),
    ],
)
def test_a_rollback_of_what_has_no_model_names_the_mistake(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    """And what would be right."""
    result = run("rollback", *arguments)
    assert 1 == result.exit_code
    assert sentence in result.output


def test_a_rollback_of_a_taste_to_a_listener_with_the_common_model_alone_says_so(run: Run, store: Store) -> None:
    """There is no taste to suggest."""
    like(store, "ben")
    publish(store, "v5", user_id="ben", taste_id="")
    assert "only the common one; leave --taste out for it" in run("rollback", "ben", "--taste", "metal").output


def test_more_pages_are_offered_once_behind_the_last_one_shown(run: Run, store: Store) -> None:
    """With the number that shows one more; nothing is offered where there is none, nor in JSON."""
    publish(store, "v3")
    for name in ("list", "runs"):
        told = [run(name, "--page-size", "1", "--pages", str(count)).stdout for count in (1, 2, 3)]
        assert ["for more: --pages 2", "for more: --pages 3"] == [text.splitlines()[-1] for text in told[:2]]
        assert [1, 1, 0] == [text.count("for more") for text in told]
        assert "for more" not in run(name, "--page-size", "1", "--json").stdout


@pytest.mark.parametrize("arguments", [("show", "v9"), ("pin", "v9"), ("export", "v9", "model.onnx")])
def test_a_model_that_is_not_there_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    """In one sentence that says where to look, with 1."""
    result = run(*arguments)
    assert 1 == result.exit_code
    assert "there is no model 'v9'; `palate models list` lists those that there are" in result.output
