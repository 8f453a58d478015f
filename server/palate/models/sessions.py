"""The models that a worker has loaded, as many as its memory is meant to hold."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from palate.bursts import rest
from palate.lru import LruCache
from palate.models.artifact import UnusableModel
from palate.models.session import ServedModel
from palate.observer import UNOBSERVED, Observer

__all__ = ["SessionCache"]

_BYTES_PER_FAILURE: Final = 1024


class SessionCache:
    """Loads each version once and keeps the most recently used ones, as many as `max_bytes` holds.

    Who asks for a version that is being loaded waits for that load; nobody waits for the load of another version. Who
    has loaded one rests before going on with it; see `palate.bursts`. A version that cannot be used is remembered with
    its reason and not tried again: what replaces it has another version. A load that fails for any other reason, such
    as a store that cannot be reached, is tried anew by the next call.

    Args:
        load: Loads a version; raises UnusableModel when it can never be used.
        max_bytes: How much memory the sessions may take, as far as the models know what they take.
        on_broken: Called once with a version that cannot be used, and why; must not raise.
        observer: Is told of what comes and goes.
    """

    def __init__(
        self,
        load: Callable[[str], ServedModel],
        max_bytes: int,
        on_broken: Callable[[str, str], None],
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._load = load
        self._observer = observer
        self._on_broken = on_broken
        self._kept: LruCache[str, ServedModel | UnusableModel] = LruCache(max_bytes, _size)
        self._loading: dict[str, Future[ServedModel]] = {}
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """How much memory is taken by what is kept, estimated."""
        return self._kept.size_bytes

    def get(self, version: str) -> ServedModel:
        """Return a model, loaded now unless it is kept.

        Raises:
            UnusableModel: When it cannot be used.
            Exception: Whatever else `load` raises; nothing of it is remembered.
        """
        with self._lock:
            kept = self._kept.get(version)
            if kept is not None:
                return _model(kept)
            loading = self._loading.get(version)
            first = loading is None
            if loading is None:
                loading = self._loading[version] = Future()
        if first:
            self._settle(version, loading)
        return loading.result()

    def _settle(self, version: str, loading: Future[ServedModel]) -> None:
        """Load a version for everybody who waits for it."""
        try:
            model = self._load(version)
        except UnusableModel as error:
            self._keep(version, error)
            loading.set_exception(error)
            self._on_broken(version, str(error))
        except BaseException as error:  # noqa: BLE001 - it is raised by whoever waits
            self._keep(version, None)
            loading.set_exception(error)
        else:
            self._keep(version, model)
            loading.set_result(model)
            rest()

    def _keep(self, version: str, outcome: ServedModel | UnusableModel | None) -> None:
        with self._lock:
            del self._loading[version]
            if outcome is not None:
                evicted = self._kept.keep(version, outcome)
                self._observer.sessions_changed(
                    loaded=int(isinstance(outcome, ServedModel)),
                    evicted=sum(isinstance(other, ServedModel) for other in evicted),
                    size_bytes=self._kept.size_bytes,
                )


def _model(outcome: ServedModel | UnusableModel) -> ServedModel:
    if isinstance(outcome, UnusableModel):
        raise UnusableModel(*outcome.args)
    return outcome


def _size(outcome: ServedModel | UnusableModel) -> int:
    return outcome.size_bytes if isinstance(outcome, ServedModel) else _BYTES_PER_FAILURE
