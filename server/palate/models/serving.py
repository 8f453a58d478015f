"""From a listener's serving versions to models that answer."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import structlog

from palate.errors import StoreUnavailable
from palate.models.artifact import UnusableModel
from palate.models.session import ServedModel
from palate.models.sessions import SessionCache
from palate.observer import UNOBSERVED, Observer
from palate.plugins.strategy import TasteModel
from palate.store.contract import ModelStore, ServingVersion

__all__ = ["ServedModels"]

_log = structlog.get_logger(__name__)


class ServedModels:
    """Finds the models that serve a listener, and marks in the store those that cannot be used.

    Close it before the store.

    Args:
        store: Where the models are.
        feature_map: Fingerprint of the catalog's feature map; models that were made for another are not used.
        max_bytes: How much memory the sessions may take.
        observer: Is told of models that serve, come, go and break.
    """

    def __init__(self, store: ModelStore, feature_map: str, max_bytes: int, observer: Observer = UNOBSERVED) -> None:
        self._store = store
        self._feature_map = feature_map
        self._observer = observer
        self._sessions = SessionCache(self._load, max_bytes, self._report, observer)
        self._reports = ThreadPoolExecutor(1, thread_name_prefix="broken-models")

    def serving_versions(self, user_id: str) -> Mapping[str, ServingVersion]:
        """Return which model serves each taste of a listener. StoreUnavailable when the store cannot be read."""
        return self._store.serving_versions(user_id)

    def of(self, user_id: str, serving_versions: Mapping[str, ServingVersion]) -> Mapping[str, TasteModel]:
        """Return the models that a listener's serving versions name, by taste_id.

        Each is looked for when it is first asked for, and stays the same from then on: make one such mapping for each
        answer, so that no answer mixes two versions of a taste's model. Where a serving version's
        model cannot be used, the one before serves; where neither can, there is none. Asking raises StoreUnavailable
        while the store cannot be read.
        """
        return _Models(lambda serving_version: self._find(user_id, serving_version), serving_versions)

    def close(self) -> None:
        """Finish the reports to the store."""
        self._reports.shutdown()

    def _find(self, user_id: str, serving_version: ServingVersion) -> TasteModel | None:
        for version in filter(None, (serving_version.version, serving_version.previous)):
            try:
                model = self._sessions.get(version)
            except UnusableModel:  # logged and reported when it was found out
                continue
            named = version != serving_version.version or model.sha256 == serving_version.sha256
            of = (model.metadata.user_id, model.metadata.taste_id, model.metadata.feature_map)
            if named and of == (user_id, serving_version.taste_id, self._feature_map):
                self._observer.model_served(model.learner)
                return model
        return None

    def _load(self, version: str) -> ServedModel:
        record, artifact = self._store.record(version), self._store.artifact(version)
        if record is None or artifact is None:
            raise UnusableModel("the store has no such model")
        model = ServedModel.load(artifact, record.sha256)
        said = model.metadata
        known = (record.version, record.user_id, record.taste_id, record.learner)
        if (said.version, said.user_id, said.taste_id, said.learner) != known:
            raise UnusableModel(f"its metadata is that of {said.version} of {said.user_id!r}, {said.taste_id!r}")
        return model

    def _report(self, version: str, reason: str) -> None:
        _log.error("model cannot be used", version=version, reason=reason)
        self._observer.model_broken()
        try:
            self._reports.submit(self._mark, version, reason)
        except RuntimeError:  # closed; the next worker that meets the model marks it
            _log.warning("broken model not marked", version=version, reason="the server is stopping")

    def _mark(self, version: str, reason: str) -> None:
        """Mark a model in a thread of its own, since writing waits for the disk and the answer should not."""
        try:
            self._store.mark_broken(version, reason)
        except StoreUnavailable as error:
            self._observer.store_unavailable()
            _log.warning("broken model not marked", version=version, reason=str(error))


class _Models(Mapping[str, TasteModel]):
    """Models by taste_id, each looked for once."""

    def __init__(
        self, find: Callable[[ServingVersion], TasteModel | None], serving_versions: Mapping[str, ServingVersion]
    ) -> None:
        self._find = find
        self._serving_versions = serving_versions
        self._found: dict[str, TasteModel | None] = {}

    def __getitem__(self, taste_id: str) -> TasteModel:
        serving_version = self._serving_versions[taste_id]
        if taste_id not in self._found:
            self._found.setdefault(taste_id, self._find(serving_version))
        model = self._found[taste_id]
        if model is None:
            raise KeyError(taste_id)
        return model

    def __bool__(self) -> bool:
        """Return whether there may be any, without loading one."""
        return bool(self._serving_versions)

    def __iter__(self) -> Iterator[str]:
        return (taste_id for taste_id in self._serving_versions if taste_id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
