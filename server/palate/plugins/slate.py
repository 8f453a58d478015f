"""What strategies need to make slates: shares, draws, and a builder that keeps the promises of a slate."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.plugins.strategy import CatalogIndex, Context, Rows, SlateRequest

__all__ = [
    "SlateBuilder",
    "draw",
    "eligible_clusters",
    "interleave",
    "share_slots",
    "shown_by_cluster",
    "widening",
    "without_excluded",
]

_WIDENING = 4


class SlateBuilder:
    """A slate in the making: which tracks it has and which may still join it.

    It never takes an excluded or a repeated track, nor more tracks of one main artist than allowed. Artists
    that the request names count as used up.

    Args:
        request: What is asked for.
        catalog: The catalog.
        artists_limit: How many tracks of one main artist it takes.
        artists_span: Among how many tracks that are put in one after the other; among all when None.

    Attributes:
        request: What is asked for.
        room: How many more tracks it takes.
    """

    def __init__(
        self, request: SlateRequest, catalog: CatalogIndex, artists_limit: int = 1, artists_span: int | None = None
    ) -> None:
        self.request = request
        self._main_artist = catalog.main_artist
        self._artists_span = artists_span if artists_span is not None and artists_span < request.limit else None
        self._rows: set[int] = set()
        self._artists: defaultdict[int, deque[int]] = defaultdict(partial(deque, maxlen=artists_limit))
        self._artists_limit = artists_limit
        self.room = request.limit

    def open(self, rows: Rows) -> Rows:
        """Return those of the rows that could join the slate now, in the order given."""
        rows = without_excluded(self.request, rows)
        rows = rows[_absent(rows, self._rows)]
        full = {artist for artist in (*self.request.artists, *self._artists) if self._is_full(artist)}
        return rows[_absent(self._main_artist[rows], full)]

    def admits(self, row: int) -> bool:
        """Return whether a row that is not excluded could join the slate now."""
        return row not in self._rows and not self._is_full(int(self._main_artist[row]))

    def add(self, row: int) -> None:
        """Put a row into the slate."""
        self._artists[int(self._main_artist[row])].append(len(self._rows))
        self._rows.add(row)
        self.room -= 1

    def _is_full(self, artist: int) -> bool:
        """Return whether the slate takes no track of an artist now."""
        if artist in self.request.artists:
            return True
        places = self._artists.get(artist)
        if places is None or len(places) < self._artists_limit:
            return False
        return self._artists_span is None or len(self._rows) - places[0] < self._artists_span

    def _add_next(self, candidates: "_Candidates") -> int | None:
        """Add the first candidate that the slate admits, and return it; None when there is none."""
        row = candidates.next_admitted(self.admits)
        if row is not None:
            self.add(row)
        return row

    def allocate(self, candidates: Sequence[Iterator[int]], shares: Sequence[int]) -> list[tuple[int, int]]:
        """Fill slots with the candidates of several tastes, each taste by its share, interleaved.

        What a taste cannot fill of its share goes round among the others.

        Args:
            candidates: For each taste its rows that are not excluded, best first.
            shares: For each taste its number of slots, together no more than there is room for.

        Returns:
            Pairs of a position in `candidates` and a row, in the order to show them.
        """
        filled: list[tuple[int, int]] = []
        left = [_Candidates(rows, retry=self._artists_span is not None) for rows in candidates]
        order = deque([*interleave(shares), *(position for position, share in enumerate(shares) if not share)])
        while order and len(filled) < sum(shares):
            position = order.popleft()
            row = self._add_next(left[position])
            if row is not None:
                filled.append((position, row))
                order.append(position)
        return filled


class _Candidates:
    """Rows, best first, of which some may be put off until their artist may come again.

    Args:
        rows: The rows.
        retry: Whether rows that are not admitted now may be later.
    """

    def __init__(self, rows: Iterator[int], *, retry: bool) -> None:
        self._rows = rows
        self._retry = retry
        self._put_off: list[int] = []

    def next_admitted(self, admits: Callable[[int], bool]) -> int | None:
        """Take out the first row that is admitted; None when there is none."""
        for place, row in enumerate(self._put_off):
            if admits(row):
                return self._put_off.pop(place)
        for row in self._rows:
            if admits(row):
                return row
            if self._retry:
                self._put_off.append(row)
        return None


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


def interleave(shares: Sequence[int]) -> list[int]:
    """Spread shares evenly over a slate: whose each slot is, as positions in `shares`.

    The k-th of n slots of one share stands at ``(k - 1/2) / n`` of the slate; equal places go in the order
    given.
    """
    places = [((k + 0.5) / share, position) for position, share in enumerate(shares) for k in range(share)]
    return [position for _, position in sorted(places)]


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
