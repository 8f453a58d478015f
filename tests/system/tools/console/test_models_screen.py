"""Training, watching the models change, and rolling back, from the console."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from palate.client import Client
from palate.store import open_store
from palate.v1 import feedback_pb2
from palate_tools.console.retraining import Trainer
from support.models import like, make_record, make_run

Serve = Callable[..., str]


@pytest.fixture
def address(serve: Serve) -> str:
    """Return the address of a server whose listener ana has judged 50 tracks: energetic ones well."""
    started = serve()
    with Client(started) as client:
        found = [*client.search_tracks("a", page_size=100, genre_cluster_id="electronica").tracks]
        found = sorted(found, key=lambda track: track.features.energy)
        ratings = {feedback_pb2.VERDICT_DISLIKE: found[:25], feedback_pb2.VERDICT_LIKE: found[-25:]}
        client.batch_record_feedback(
            feedback_pb2.RecordFeedbackRequest(user_id="ana", track_id=track.track_id, verdict=rating)
            for rating, tracks in ratings.items()
            for track in tracks
        )
    return started


@pytest.fixture
def trainer(catalog_path: Path, tmp_path: Path) -> Trainer:
    """Return a trainer of that server that knows logistic regression alone."""
    path = tmp_path / "palate.toml"
    training = '[training]\nallow = ["logistic"]\nfolds = 3\nrepeats = 1\n'
    path.write_text(f'[catalog]\npath = "{catalog_path}"\n{training}', encoding="utf-8")
    return Trainer(path, tmp_path)


def test_a_model_is_trained_and_watched(address: str, trainer: Trainer, look: Any) -> None:
    """The screen names what served before and the version that serves now; the slate marks what the latter chose."""

    async def run() -> None:
        async with look(address, "ana", trainer=trainer) as screen:
            await screen.press("t")
            await screen.see("done, esc goes back", "(common)", "ranking", "→")
            with Client(address) as client:
                [version] = [
                    model.model_version for model in client.list_models(user_id="ana").models if not model.taste_id
                ]
            assert f"logistic {version}" in screen.text
            await screen.press("escape")
            await screen.see(f"new neural {version.rpartition('-')[2]}", f"model {version}")

    asyncio.run(run())


def test_an_earlier_model_is_put_back_in_service(
    serve: Serve, tmp_path: Path, look: Any, make_file: Callable[..., bytes]
) -> None:
    """The one under the cursor; which serves is seen at once."""
    with closing(open_store(f"sqlite:///{tmp_path / 'palate.db'}")) as store:
        like(store)
        for version in ("v1", "v2"):
            file = make_file(version=version)
            record = make_record(version, sha256=sha256(file).hexdigest(), size_bytes=len(file))
            assert "" == store.models.publish(record, file, make_run(store, record))
        address = serve()

        async def run() -> None:
            async with look(address, "ana") as screen:
                await screen.press("m")
                await screen.see("v1", "v2", "serving", "retired", "0.750")
                await screen.press("down", "b")
                await screen.see("v1 serves again")
                assert "v1" == store.models.serving_versions("ana")["metal"].version
                await screen.press("escape")
                await screen.see("slate · ")

        asyncio.run(run())


def test_leaving_stops_the_trainer(trainer: Trainer, address: str, look: Any) -> None:
    """No process stays behind, and nothing was published."""

    async def run() -> None:
        async with look(address, "ana", trainer=trainer) as screen:
            await screen.press("t")
            await screen.see("training…")
            await screen.press("escape")
            await screen.see("slate · ")
        with Client(address) as client:
            assert 0 == len(client.list_models(user_id="ana").models)

    asyncio.run(run())
