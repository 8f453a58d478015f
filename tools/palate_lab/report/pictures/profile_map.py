"""The catalog as a map on which a listener's tastes lie."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from numpy.typing import NDArray
from palate.domain.track import FEATURES
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from palate_lab.report.lettering import fitted
from palate_lab.report.theme import CATALOG, INK, MUTED, PAPER, Sheet, colours_of
from palate_lab.report.values import Labelled, Listener, Taste

__all__ = ["Projection", "draw_profile_map", "project"]

_WIDTH: Final = 8.1
_COLUMNS: Final = 3
_LINE: Final = 0.095
_PLANE: Final = 2
_NAMED: Final = 2
_SPREAD: Final = 1.5
_FEWEST_FOR_SPREAD: Final = 3
_OUTSIDE: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Nine features on a plane.

    Attributes:
        method: How the plane was found, in words.
        centre: float64 ``(9,)``, what lies at the origin.
        axes: float64 ``(9, 2)``.
        meaning: What tracks to the right, and further up, have more of.
    """

    method: str
    centre: NDArray[np.float64]
    axes: NDArray[np.float64]
    meaning: tuple[str, str]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where tracks lie, float64 ``(n, 2)``."""
        return np.asarray((features.reshape(-1, len(FEATURES)) - self.centre) @ self.axes)


def project(listener: Listener) -> Projection:
    """Find the plane on which the clusters of the active tastes lie furthest apart.

    It is that of linear discriminant analysis over the catalog's tracks of these clusters, which knows nothing of
    what the listener said; with fewer than three of them, that of the two principal components of the catalog.
    """
    active = [taste.taste_id for taste in listener.tastes if taste.active]
    chosen = np.isin(listener.catalog_tastes, active)
    if len(np.unique(listener.catalog_tastes[chosen])) > _PLANE:
        found = LinearDiscriminantAnalysis(solver="eigen", n_components=_PLANE)
        found.fit(listener.catalog[chosen], listener.catalog_tastes[chosen])
        method, axes = "linear discriminants of the tastes' genre clusters", found.scalings_[:, :_PLANE]
    else:
        method, axes = "the two principal components of the catalog", PCA(_PLANE).fit(listener.catalog).components_.T
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(_PLANE)])
    centre = listener.catalog.mean(axis=0)
    return Projection(method, centre, axes, _meaning(listener.catalog, (listener.catalog - centre) @ axes))


def draw_profile_map(listener: Listener, projection: Projection) -> Figure:
    """Draw the tastes on the map: what is liked, what is not, centroids and how far a taste reaches."""
    sheet = Sheet.of(
        f"The tastes of {listener.user_id}",
        "Every dot is a track of the catalog; likes are filled, dislikes are crosses, rings are centroids.",
        height=7.25,
    )
    axes = sheet.panel(0.45, 1.05, _WIDTH, 5.75)
    catalog = projection(listener.catalog)
    axes.scatter(catalog[:, 0], catalog[:, 1], s=5, color=CATALOG, alpha=0.45, linewidths=0, rasterized=True)
    colours = colours_of(listener.tastes)
    active = [taste for taste in listener.tastes if taste.active]
    for taste in [*(one for one in listener.tastes if not one.active), *active]:
        _draw_rated(axes, projection, listener.labelled, taste.taste_id, colours[taste.taste_id])
    for taste in active:
        _draw_centroid(axes, projection, taste, colours[taste.taste_id])
    _frame(axes, _extent(catalog, projection, listener), projection, -(-len(active) // _COLUMNS))
    _name(axes, projection, active, colours)
    return sheet.figure


def _draw_rated(axes: Axes, projection: Projection, labelled: Labelled, taste_id: str, colour: str) -> None:
    own = labelled.tastes == taste_id
    liked, disliked = (projection(labelled.features[own & side]) for side in (labelled.liked, ~labelled.liked))
    if len(liked) >= _FEWEST_FOR_SPREAD:
        axes.add_patch(_ellipse(liked, colour))
    axes.scatter(disliked[:, 0], disliked[:, 1], s=34, marker="x", color=colour, linewidths=1.5, zorder=4)
    axes.scatter(liked[:, 0], liked[:, 1], s=42, color=colour, edgecolors=PAPER, linewidths=0.8, zorder=5)


def _draw_centroid(axes: Axes, projection: Projection, taste: Taste, colour: str) -> None:
    if len(taste.centroid):
        ((x, y),) = projection(taste.centroid)
        axes.scatter(x, y, s=330, facecolors="none", edgecolors=PAPER, linewidths=5.5, zorder=6)
        axes.scatter(x, y, s=330, facecolors="none", edgecolors=colour, linewidths=2.8, zorder=7)


def _ellipse(points: NDArray[np.float64], colour: str) -> Ellipse:
    values, vectors = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * _SPREAD * np.sqrt(np.maximum(values, 0))
    angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    x, y = points.mean(axis=0)
    return Ellipse((x, y), width, height, angle=angle, facecolor=colour, edgecolor="none", alpha=0.13, zorder=2)


def _extent(catalog: NDArray[np.float64], projection: Projection, listener: Listener) -> NDArray[np.float64]:
    """Return the lower left and the upper right corner of what must be seen, float64 ``(2, 2)``."""
    labelled = listener.labelled
    corners = [np.percentile(catalog, [_OUTSIDE, 100 - _OUTSIDE], axis=0), projection(labelled.features)]
    for taste in listener.tastes:
        liked = projection(labelled.features[(labelled.tastes == taste.taste_id) & labelled.liked])
        if len(liked) >= _FEWEST_FOR_SPREAD:
            reach = _SPREAD * liked.std(axis=0, ddof=1)
            corners.append(np.stack([liked.mean(axis=0) - reach, liked.mean(axis=0) + reach]))
    seen = np.concatenate(corners)
    return np.stack([seen.min(axis=0), seen.max(axis=0)])


def _frame(axes: Axes, extent: NDArray[np.float64], projection: Projection, lines: int) -> None:
    low, high = extent
    room = 0.04 * (high - low)
    axes.set_xlim(low[0] - room[0], high[0] + room[0])
    axes.set_ylim(low[1] - room[1], high[1] + (1 + 3.6 * lines) * room[1])
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(f"{projection.meaning[0]}  →", loc="right")
    axes.set_ylabel(f"{projection.meaning[1]}  →", loc="top")


def _name(axes: Axes, projection: Projection, active: list[Taste], colours: dict[str, str]) -> None:
    """Write the names at the upper edge, in the order of the centroids from left to right."""
    named = sorted((taste for taste in active if len(taste.centroid)), key=lambda one: projection(one.centroid)[0, 0])
    columns = max(min(len(named), _COLUMNS), 1)
    room = _WIDTH / columns - 0.15
    for place, taste in enumerate(named):
        options: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "ha": "left"}
        left, top = place % columns / columns, 1.0 - place // columns * _LINE
        name = fitted(taste.name, room, 10.5, "bold")
        axes.text(left, top, name, color=colours[taste.taste_id], weight="bold", size=10.5, **options)
        said = f"{taste.likes} likes, {taste.dislikes} dislikes, confidence {taste.confidence:.2f}"
        axes.text(left, top - 0.038, fitted(said, room, 9.5), color=MUTED, size=9.5, **options)
    if not named:
        axes.text(0.5, 0.5, "no taste is active yet", ha="center", color=INK, transform=axes.transAxes)


def _meaning(catalog: NDArray[np.float64], places: NDArray[np.float64]) -> tuple[str, str]:
    """Say which features an axis goes with most, over the catalog."""
    features = (catalog - catalog.mean(axis=0)) / np.maximum(catalog.std(axis=0), 1e-9)
    scores = (places - places.mean(axis=0)) / np.maximum(places.std(axis=0), 1e-9)
    correlation = features.T @ scores / len(catalog)
    words = []
    for column in correlation.T:
        strongest = np.argsort(-np.abs(column), kind="stable")[:_NAMED]
        words.append(", ".join(f"{'more' if column[n] > 0 else 'less'} {FEATURES[n]}" for n in strongest.tolist()))
    return words[0], words[1]
