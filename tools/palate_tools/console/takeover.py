"""A simulated listener at the console: says what it thinks of each track, and keeps count."""

from palate.v1 import catalog_pb2

from palate_tools.console.session import DISLIKE, LIKE, Rating
from palate_tools.simulation.listener import SimulatedListener
from palate_tools.simulation.tracks import TrackTable

__all__ = ["Takeover"]


class Takeover:
    """One stay of a simulated listener.

    Args:
        name: What kind it is, and its seed, to show to people.
        listener: The listener.
    """

    def __init__(self, name: str, listener: SimulatedListener) -> None:
        self.name = name
        self._listener = listener
        self._turn = 0
        self._liked = 0
        self._judged = 0

    def __str__(self) -> str:
        return f"{self.name} · turn {self._turn + 1} · liked {self._liked} of {self._judged}"

    @property
    def wanted(self) -> list[str]:
        """Ids of the genre clusters that it has a taste in now."""
        return [taste.cluster_id for taste in self._listener.tastes if taste.holds(self._turn)]

    def judge(self, track: catalog_pb2.Track) -> Rating:
        """Return what it thinks of a track."""
        [liked] = self._listener.ratings(TrackTable.of([track]), self._turn).tolist()
        self._judged += 1
        self._liked += liked
        return LIKE if liked else DISLIKE

    def end_turn(self) -> None:
        """Go on to the next slate."""
        self._turn += 1
