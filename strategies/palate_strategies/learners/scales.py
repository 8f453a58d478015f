"""What each feature counts for before any label: the more, the more genres differ in it."""

from typing import Final

import numpy as np

__all__ = ["GENRE_SHARES", "SCALES"]

GENRE_SHARES: Final = np.array([0.38, 0.42, 0.29, 0.08, 0.40, 0.51, 0.39, 0.09, 0.24])
"""Share of each feature's variance that lies between the genres of the bundled catalog, float64 ``(9,)``.

People like genres, or what sounds like them. What varies as much within a genre as between genres, as liveness and
tempo do, tells likes from dislikes worse, and adds noise to distances. The shares are omega squared of the normal
scores (Hays, *Statistics for Psychologists*, 1963).
"""

SCALES: Final = np.sqrt(np.sqrt(GENRE_SHARES) / np.sqrt(GENRE_SHARES).mean())
"""What normal scores are multiplied by before distances are taken, float64 ``(9,)``.

A feature counts in a squared distance by the square root of its share, half way between alike and in proportion: not
everybody's liking follows genres. The mean square is 1, so that distances keep their size.
"""

for _fixed in (GENRE_SHARES, SCALES):
    _fixed.setflags(write=False)
