"""The models that a worker has opened, as many as its memory is meant to hold."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

import structlog
from cachetools import LRUCache

from palate.domain import read_only
from palate.errors import StoreUnavailable
from palate.metrics import Metrics
from palate.models.artifact import UnusableModel
from palate.models.session import ServedModel
from palate.plugins.strategy import TasteModel
from palate.store.contract import ModelStore, ServingVersion

__all__ = ["ModelCache"]

_BYTES_PER_FAILURE: Final = 1024
_Outcome: TypeAlias = ServedModel | UnusableModel
_log = structlog.get_logger(__name__)


class ModelCache:
    """Opens the models that serve listeners, each version once, and marks in the store those that cannot be used.

    One thread reads artifacts and opens sessions, one after the other, so that the event loop never does; whoever
    asks for a version that is being opened awaits the same outcome. A version that cannot be used is cached with its
    reason and not tried again: what replaces it has another version. When the store cannot be read nothing is cached.
    Use it on one event loop, and close it before the store.

    Args:
        store: Where the models are.
        feature_map: Fingerprint of the catalog's feature map; models that were made for another are not used.
        max_bytes: How much memory the sessions may take, as far as the models know what they take.
        metrics: Counts models that are opened, evicted and broken.
    """

    def __init__(self, store: ModelStore, feature_map: str, max_bytes: int, metrics: Metrics) -> None:
        self._store = store
        self._feature_map = feature_map
        self._metrics = metrics
        self._cache: LRUCache[str, _Outcome] = LRUCache(max_bytes, getsizeof=_size)
        self._opening: dict[str, asyncio.Task[_Outcome]] = {}
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")

    @property
    def size_bytes(self) -> int:
        """How much memory the cached sessions take, estimated."""
        return int(self._cache.currsize)

    async def open(self, user_id: str, serving_versions: Mapping[str, ServingVersion]) -> Mapping[str, TasteModel]:
        """Return the models that serve a listener, by taste_id, all opened: a read-only view.

        Where a version cannot be used, the one before serves; where neither can, the taste has none.

        Raises:
            StoreUnavailable: When the store cannot be read.
        """
        models: dict[str, TasteModel] = {}
        for taste_id, serving in serving_versions.items():
            model = await self._usable(user_id, serving)
            if model is not None:
                models[taste_id] = model
        return read_only(models)

    def close(self) -> None:
        """Finish what the loader thread has begun."""
        self._loader.shutdown()

    async def _usable(self, user_id: str, serving: ServingVersion) -> ServedModel | None:
        for version in filter(None, (serving.version, serving.previous)):
            outcome = self._cache.get(version) or await self._opened(version)
            if isinstance(outcome, UnusableModel):  # logged and marked when it was found out
                continue
            published = version != serving.version or outcome.sha256 == serving.sha256
            said = outcome.metadata
            known = (user_id, serving.taste_id, self._feature_map)
            if published and (said.user_id, said.taste_id, said.feature_map) == known:
                return outcome
        return None

    async def _opened(self, version: str) -> _Outcome:
        task = self._opening.get(version)
        if task is None:
            task = self._opening[version] = asyncio.create_task(self._open_and_cache(version))
        return await asyncio.shield(task)  # a caller who leaves does not stop it for the others

    async def _open_and_cache(self, version: str) -> _Outcome:
        try:
            outcome = await asyncio.get_running_loop().run_in_executor(self._loader, self._load, version)
        finally:
            del self._opening[version]
        before = len(self._cache)
        if _size(outcome) <= self._cache.maxsize:
            self._cache[version] = outcome
            self._metrics.sessions_evicted.inc(before + 1 - len(self._cache))
        self._metrics.session_bytes.set(self.size_bytes)
        return outcome

    def _load(self, version: str) -> _Outcome:
        """Open a version, in the loader thread; mark it in the store when it cannot be used."""
        record, artifact = self._store.record(version), self._store.artifact(version)
        try:
            if record is None or artifact is None:
                raise UnusableModel("the store has no such model")
            model = ServedModel.load(artifact, record.sha256)
            said = model.metadata
            known = (record.version, record.user_id, record.taste_id, record.learner)
            if (said.version, said.user_id, said.taste_id, said.learner) != known:
                raise UnusableModel(f"its metadata is that of {said.version} of {said.user_id!r}, {said.taste_id!r}")
        except UnusableModel as error:
            _log.error("model cannot be used", version=version, reason=str(error))
            self._metrics.models_broken.inc()
            try:
                self._loader.submit(self._mark, version, str(error))
            except RuntimeError:  # closed; the next worker that meets the model marks it
                _log.warning("broken model not marked", version=version, reason="the server is stopping")
            return error
        self._metrics.sessions_opened.inc()
        return model

    def _mark(self, version: str, reason: str) -> None:
        """Mark a model as broken; the answer does not wait for it, since writing waits for the disk."""
        try:
            self._store.mark_broken(version, reason)
        except StoreUnavailable as error:
            self._metrics.store_unavailable.inc()
            _log.warning("broken model not marked", version=version, reason=str(error))


def _size(outcome: _Outcome) -> int:
    return outcome.size_bytes if isinstance(outcome, ServedModel) else _BYTES_PER_FAILURE
