"""What has been published, and whether answers name it."""

from collections.abc import Mapping, Sequence

from palate.v1 import recommendation_pb2

from palate_tools.bench.models.publishing import Publication
from palate_tools.bench.process import BenchmarkError

__all__ = ["Watch"]


class Watch:
    """Knows what has been published, and holds each answer against it.

    Args:
        published: What serves at the start, as `prepare` returns it.

    Attributes:
        publications: Everything that has been published, in the order of the acknowledgements.
    """

    def __init__(self, published: Sequence[Publication]) -> None:
        self.publications: list[Publication] = []
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
        """Check an answer to a call that was sent when `latest` was the state. Return the versions that it names.

        Raises:
            BenchmarkError: When it mixes two versions of one taste's model, names an older one than what had been
                acknowledged, or has an item that no model scored.
        """
        named: dict[str, str] = {}
        for item in recommendation_pb2.RecommendResponse.FromString(answer).items:
            version = named.setdefault(item.taste_id, item.model_version)
            if version != item.model_version:
                raise BenchmarkError(f"one answer mixes {version} and {item.model_version} of {item.taste_id!r}")
            if version < latest[item.taste_id]:
                raise BenchmarkError(f"{item.taste_id!r} came from {version!r} after {latest[item.taste_id]} was there")
            self._named[version] = user_id, item.taste_id
        if not named:
            raise BenchmarkError(f"an answer for {user_id!r} is empty")
        return named

    def require_latest(self, user_id: str, answer: bytes) -> None:
        """Check that an answer names the last acknowledged version of every taste that has items in it.

        Raises:
            BenchmarkError: When it names another one.
        """
        latest = self._latest[user_id]
        for taste_id, version in self.check(user_id, latest, answer).items():
            if version != latest[taste_id]:
                raise BenchmarkError(f"{user_id!r}, {taste_id!r} came from {version}, not from {latest[taste_id]}")

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
