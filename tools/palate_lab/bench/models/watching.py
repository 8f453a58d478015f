"""Recommend as the model rows call it: what has been published, and whether answers name it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import grpc
from palate.v1 import recommendation_pb2

from palate_lab.bench.models.publishing import Publication
from palate_lab.bench.process import BenchmarkError, ServerProcess
from palate_lab.bench.traffic import RECOMMEND

__all__ = ["STAGE", "Asking", "Watch", "ask_until_current", "asking"]

Asking: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Asks for a listener's ten items; BenchmarkError when the call fails."""
STAGE: Final = "gbdt"
"""The strategy that serves the listeners of these rows. It uses models of all families."""
_ATTEMPTS: Final = 10


@asynccontextmanager
async def asking(server: ServerProcess) -> AsyncIterator[Asking]:
    """Connect to a server for the time of the block."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        method: Any = channel.unary_unary(RECOMMEND)

        async def ask(user_id: str) -> bytes:
            request = recommendation_pb2.RecommendRequest(user_id=user_id).SerializeToString()
            try:
                answer: bytes = await method(request)
            except grpc.aio.AioRpcError as error:
                raise BenchmarkError(f"{RECOMMEND} failed: {error.code().name}: {error.details()}") from error
            return answer

        yield ask


class Watch:
    """Knows what has been published, and holds each answer against it.

    Args:
        published: What serves at the start, as `prepare` returns it.

    Attributes:
        publications: Everything that has been published, in the order of the acknowledgements.
        degraded: How many answers came from a stage below `STAGE`, which had run out of time.
    """

    def __init__(self, published: Sequence[Publication]) -> None:
        self.publications: list[Publication] = []
        self.degraded = 0
        self._latest: dict[str, dict[str, str]] = {}
        self._named: dict[str, tuple[str, str]] = {}
        for publication in published:
            self.note(publication)

    def note(self, publication: Publication) -> None:
        """Remember that a version has been acknowledged."""
        self.publications.append(publication)
        known = self._latest.get(publication.user_id, {})
        self._latest[publication.user_id] = known | {publication.taste_id: publication.version}

    def latest(self, user_id: str) -> Mapping[str, str]:
        """Return the last acknowledged version of each taste; the mapping does not change afterwards."""
        return self._latest[user_id]

    @property
    def user_ids(self) -> Sequence[str]:
        """All listeners of whom something was published."""
        return list(self._latest)

    def check(self, user_id: str, latest: Mapping[str, str], answer: bytes) -> Mapping[str, str]:
        """Check an answer to a call that was sent when `latest` was the state.

        An answer from a stage below may use other models of the listener, so that only mixing is looked for there.

        Returns:
            The version of each taste that has items in the answer; nothing for an answer from a stage below.

        Raises:
            BenchmarkError: When it mixes two versions of one taste's model, names an older one than what had been
                acknowledged, has an item that no model scored, or has no items.
        """
        slate = recommendation_pb2.RecommendResponse.FromString(answer)
        named: dict[str, str] = {}
        for item in slate.items:
            version = named.setdefault(item.taste_id, item.model_version)
            if version != item.model_version:
                raise BenchmarkError(f"one answer mixes {version} and {item.model_version} of {item.taste_id!r}")
        if not named:
            raise BenchmarkError(f"an answer for {user_id!r} is empty")
        if slate.strategy != STAGE:
            self.degraded += 1
            return {}
        for taste_id, version in named.items():
            if version < latest[taste_id]:
                raise BenchmarkError(f"{taste_id!r} came from {version!r} after {latest[taste_id]} was acknowledged")
            self._named[version] = user_id, taste_id
        return named

    def settle(self) -> None:
        """Check that every version that was named is one that was published for that very taste.

        A version may be seen before its acknowledgement, so this comes last.
        """
        owners = {publication.version: (publication.user_id, publication.taste_id) for publication in self.publications}
        for version, owner in self._named.items():
            if owners.get(version) != owner:
                raise BenchmarkError(
                    f"{owner} was answered by {version}, which was published for {owners.get(version)}"
                )


async def ask_until_current(recommend: Asking, watch: Watch, user_id: str) -> Mapping[str, str]:
    """Ask until an answer comes from `STAGE`, and check that it names what was acknowledged last.

    Returns:
        The version of each taste that has items in the answer.

    Raises:
        BenchmarkError: When it names another version, or when a stage below goes on answering.
    """
    latest = watch.latest(user_id)
    for _ in range(_ATTEMPTS):
        named = watch.check(user_id, latest, await recommend(user_id))
        for taste_id, version in named.items():
            if version != latest[taste_id]:
                raise BenchmarkError(f"{user_id!r}, {taste_id!r} came from {version}, not from {latest[taste_id]}")
        if named:
            return named
    raise BenchmarkError(f"{user_id!r} was answered by a stage below {STAGE!r} {_ATTEMPTS} times")
