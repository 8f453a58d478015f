"""What strategies need to make slates: shares, draws, and a builder that keeps the promises of a slate."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.plugins.strategy import CatalogIndex, Context, Rows, SlateRequest

__all__ = [
    "SlateBuilder",
    "Source",
    "draw",
    "eligible_clusters",
    "interleave",
    "share_slots",
    "shown_by_cluster",
    "widening",
    "without_excluded",
]

T = TypeVar("T")
_WIDENING = 4


Source: TypeAlias = Callable[[], int | None]
"""Adds its next track to a slate and returns the row; None when it has none that the slate admits now."""


class SlateBuilder:
    """A slate in the making, slot by slot in the order to show it: which tracks it has and which may come next.

    It never takes an excluded or a repeated track. Among `SlateRequest.artists_span` slots in a row, those before the
    slate included, it takes at most `SlateRequest.artists_limit` tracks of one main artist.

    Args:
        request: What is asked for.
        catalog: The catalog.

    Attributes:
        request: What is asked for.
        room: How many more tracks it takes.
    """

    def __init__(self, request: SlateRequest, catalog: CatalogIndex) -> None:
        self.request = request
        self.room = request.limit
        self._main_artist = catalog.main_artist
        self._rows: set[int] = set()
        self._slots: defaultdict[int, deque[int]] = defaultdict(partial(deque, maxlen=request.artists_limit))
        for slot, artist in enumerate(request.artists, start=-len(request.artists)):
            self._slots[artist].append(slot)

    def open(self, rows: Rows) -> Rows:
        """Return those of the rows that may come next, in the order given."""
        rows = without_excluded(self.request, rows)
        rows = rows[_absent(rows, self._rows)]
        full = {artist for artist in self._slots if self._is_full(artist)}
        return rows[_absent(self._main_artist[rows], full)]

    def admits(self, row: int) -> bool:
        """Return whether a row that is not excluded may come next."""
        return row not in self._rows and not self._is_full(int(self._main_artist[row]))

    def add(self, row: int) -> None:
        """Put a row into the next slot."""
        self._slots[int(self._main_artist[row])].append(len(self._rows))
        self._rows.add(row)
        self.room -= 1

    def _is_full(self, artist: int) -> bool:
        """Return whether the next slot takes no track of an artist."""
        slots = self._slots.get(artist)
        if slots is None or len(slots) < self.request.artists_limit:
            return False
        return len(self._rows) - slots[0] < self.request.artists_span

    def best_first(self, rows: Iterator[int]) -> Source:
        """Return a source of rows that are not excluded, best first.

        It adds the first that the slate admits. A row that is not admitted comes as soon as its artist may.
        """
        postponed: list[int] = []

        def add_next() -> int | None:
            for place, row in enumerate(postponed):
                if self.admits(row):
                    self.add(row)
                    return postponed.pop(place)
            for row in rows:
                if self.admits(row):
                    self.add(row)
                    return row
                postponed.append(row)
            return None

        return add_next

    def fill(self, order: Iterable[int], sources: Sequence[Source]) -> list[tuple[int, int]]:
        """Fill the slate from several sources.

        A slot that its source cannot fill goes to the source after it in the order, and so on from the beginning.

        Args:
            order: For each slot the position of its source in `sources`.
            sources: What adds tracks to this builder.

        Returns:
            Pairs of a position in `sources` and a row, in the order to show them.
        """
        filled: list[tuple[int, int]] = []
        left = deque(order)
        while left and self.room:
            position = left.popleft()
            row = sources[position]()
            if row is not None:
                filled.append((position, row))
                left.append(position)
        return filled


def share_slots(weights: Sequence[float], slots: int) -> list[int]:
    """Share slots in proportion to weights, at least one each.

    The method of largest remainders; then whoever has none gets one from whoever has most. With fewer slots
    than weights the largest weights get one each. Equal claims are settled in the order given.

    Args:
        weights: One for each taste, none negative; when all are 0 they count as equal.
        slots: How many there are to share.

    Returns:
        The slots of each, which add up to `slots`; nothing without weights.

    Source:
        Hamilton's method: Balinski and Young, *Fair Representation*, 1982; the minimum of one seat is the
        rule for the states in the House of Representatives.
    """
    if not weights:
        return []
    claims = np.array(weights, dtype=np.float64)
    if slots < len(weights):
        shares = np.zeros(len(weights), dtype=np.int64)
        shares[np.argsort(-claims, kind="stable")[:slots]] = 1
        return [int(share) for share in shares]
    claims = claims if claims.any() else np.ones_like(claims)
    quotas = slots * claims / claims.sum()
    shares = quotas.astype(np.int64)
    shares[np.argsort(shares - quotas, kind="stable")[: slots - shares.sum()]] += 1
    for position in np.flatnonzero(shares == 0):
        shares[shares.argmax()] -= 1
        shares[position] = 1
    return [int(share) for share in shares]


def interleave(*parts: Sequence[T]) -> list[T]:
    """Spread parts evenly over a whole, each in its own order.

    The k-th of n elements of a part stands at ``(k - 1/2) / n`` of the whole; equal places go in the order given.
    """
    places = [((k + 0.5) / len(part), number, k) for number, part in enumerate(parts) for k in range(len(part))]
    return [parts[number][k] for _, number, k in sorted(places)]


def draw(generator: np.random.Generator, weights: ArrayLike) -> tuple[int, float]:
    """Draw a position with a probability proportional to its weight.

    Args:
        generator: The source of chance; make it once for a slate, from the request's seed.
        weights: At least one, all positive.

    Returns:
        The position and the probability that it had, in (0, 1].
    """
    claims = np.asarray(weights, dtype=np.float64)
    bounds = claims.cumsum()
    position = int(bounds.searchsorted(generator.random() * bounds[-1], side="right"))
    position = min(position, len(claims) - 1)
    return position, float(claims[position] / bounds[-1])


def eligible_clusters(catalog: CatalogIndex) -> list[int]:
    """Return the clusters that tracks may be recommended from: those that have tracks and are not excluded."""
    return [
        number
        for number, cluster in enumerate(catalog.clusters)
        if not cluster.excluded and len(catalog.popular(number))
    ]


def shown_by_cluster(request: SlateRequest, context: Context) -> NDArray[np.int64]:
    """Return how many tracks of each cluster are excluded without being rated: what earlier pages showed.

    What the caller excluded counts as shown. With it a strategy without state goes on where the last page
    stopped.

    Returns:
        int64 ``(clusters,)``.
    """
    cluster, size = context.catalog.cluster, len(context.catalog.clusters)
    shown = np.bincount(cluster[request.excluded], minlength=size)
    for rated in (*context.liked.values(), *context.disliked.values()):
        shown -= np.bincount(cluster[rated], minlength=size)
    return np.maximum(shown, 0)


def without_excluded(request: SlateRequest, rows: Rows) -> Rows:
    """Return the rows that a request does not exclude, in the order given."""
    excluded = request.excluded
    if len(excluded) == 0:
        return rows
    place = np.searchsorted(excluded, rows)
    place[place == len(excluded)] = 0
    kept: Rows = rows[excluded[place] != rows]
    return kept


def widening(
    catalog: CatalogIndex, cluster: int, direction: NDArray[np.float32], affinity: NDArray[np.float32], limit: int
) -> Iterator[Rows]:
    """Iterate over ever larger sets of candidates until the cluster is used up.

    The first is `CatalogIndex.nearest` itself and nearly always enough; the others serve listeners who have
    rated, or callers who exclude, most of what is near. Every set holds the ones before it.

    Args:
        catalog: The catalog.
        cluster: As in `CatalogIndex.nearest`.
        direction: As in `CatalogIndex.nearest`.
        affinity: As in `CatalogIndex.nearest`.
        limit: The size of the first set.
    """
    while True:
        rows = catalog.nearest(cluster, direction, affinity, limit)
        yield rows
        if len(rows) < limit:
            return
        limit *= _WIDENING


def _absent(values: NDArray[np.int32], members: AbstractSet[int]) -> NDArray[np.bool_]:
    """Return which values are not members; quicker than `numpy.isin` for the few members of a slate."""
    if not members:
        return np.ones(len(values), dtype=np.bool_)
    ordered = np.array(sorted(members), dtype=np.int32)
    place = ordered.searchsorted(values)
    place[place == len(ordered)] = 0
    absent: NDArray[np.bool_] = ordered[place] != values
    return absent
