"""Listeners who are made of several playlists."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from palate.errors import CatalogError
from palate.plugins.strategy import Rows

from palate_lab.comparison.baselines import History

__all__ = ["PlaylistListener", "draw_listeners"]


@dataclass(frozen=True, slots=True)
class PlaylistListener:
    """One listener: a few playlists, half of each told and half held out.

    Attributes:
        user_id: Names the listener.
        likes: The told tracks of all playlists in mixed order, int32, distinct.
        held: By playlist, the tracks to find, int32, distinct; none of them is told.
    """

    user_id: str
    likes: Rows
    held: Mapping[str, Rows]

    @property
    def relevant(self) -> Rows:
        """All tracks to find, each once."""
        return np.unique(np.concatenate(list(self.held.values())))

    @property
    def history(self) -> History:
        """The likes, and nothing else."""
        return History.of_likes(self.likes)


def draw_listeners(
    playlists: Mapping[str, Rows], per_listener: int, listeners: int, seed: int
) -> list[PlaylistListener]:
    """Draw listeners; the same seed draws the same ones, whatever their number.

    Of a track that is in two of a listener's playlists, told in one and held out in another, only the like counts.

    Args:
        playlists: The tracks of each.
        per_listener: How many playlists a listener is made of.
        listeners: How many listeners to draw.
        seed: Of the draws.

    Raises:
        CatalogError: When there are too few playlists.
    """
    if len(playlists) < per_listener:
        raise CatalogError(
            f"there are {len(playlists)} playlists with enough tracks, too few for listeners of {per_listener}; "
            "name a smaller number with --playlists-per-listener or --least"
        )
    names = sorted(playlists)
    generators = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(listeners))
    return [
        _draw(f"listener-{seed}-{number}", names, playlists, per_listener, generator)
        for number, generator in enumerate(generators)
    ]


def _draw(
    user_id: str, names: list[str], playlists: Mapping[str, Rows], count: int, generator: np.random.Generator
) -> PlaylistListener:
    chosen = [names[position] for position in generator.choice(len(names), count, replace=False)]
    shuffled = {name: generator.permutation(playlists[name]) for name in chosen}
    likes = np.unique(np.concatenate([tracks[: (len(tracks) + 1) // 2] for tracks in shuffled.values()]))
    held = {name: np.setdiff1d(tracks[(len(tracks) + 1) // 2 :], likes) for name, tracks in shuffled.items()}
    return PlaylistListener(user_id, generator.permutation(likes), held)
