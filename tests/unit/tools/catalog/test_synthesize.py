"""Synthetic catalogs resemble their sample, and the same seed makes the same bytes."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from palate.catalog.intake import INPUT_SCHEMA
from palate.catalog.snapshot import Catalog
from palate.catalog.writer import write_catalog
from palate.domain.track import FEATURES, GenreCluster
from palate.errors import CatalogError
from palate_tools.catalog.synthesize import synthesize

_GENRES = {"bebop": ("jazz", 55, 0.8), "metal": ("loud", 20, -0.6), "swing": ("jazz", 80, 0.0)}
_TRACKS = 400


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog of three genres with distributions and correlations of their own."""
    random = np.random.default_rng(8)
    parts = [_genre(random, number, *described) for number, described in enumerate(_GENRES.items())]
    path = tmp_path_factory.mktemp("sample") / "sample.arrow"
    clusters = [GenreCluster("jazz", "Jazz", excluded=False), GenreCluster("loud", "Loud", excluded=False)]
    write_catalog(path, pa.concat_tables(parts), clusters, source="made up")
    with Catalog.open(path) as catalog:
        yield catalog


@pytest.fixture(scope="module")
def synthetic(sample: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return 30,000 tracks made from the sample."""
    path = tmp_path_factory.mktemp("synthetic") / "synthetic.arrow"
    synthesize(sample, 30_000, 11, path)
    with Catalog.open(path) as catalog:
        yield catalog


def _genre(random: np.random.Generator, number: int, genre: str, described: tuple[str, int, float]) -> pa.Table:
    """Make a genre: skewed features, of which the first two are correlated, and a third that is often 0."""
    cluster, popularity, correlation = described
    covariance = np.eye(len(FEATURES))
    covariance[0, 1] = covariance[1, 0] = correlation
    scores = random.multivariate_normal(np.zeros(len(FEATURES)), covariance, size=_TRACKS)
    features = 1 / (1 + np.exp(-scores - number / 2))
    features[:, 6] = np.where(scores[:, 6] < 0, 0, features[:, 6])
    sizes = random.choice([1, 1, 1, 2, 5], size=_TRACKS)
    artists = np.repeat(np.arange(_TRACKS), sizes)[:_TRACKS]
    return pa.table(
        {
            "track_id": [f"{genre}-{track}" for track in range(_TRACKS)],
            "title": [f"{genre.capitalize()} Tune {chr(65 + track % 26)}ness" for track in range(_TRACKS)],
            "artists": [[f"{genre} Band {artist}", "Guest"][: 1 + (artist % 4 == 0)] for artist in artists],
            "genres": [[genre, "live"][: 1 + (track % 5 == 0)] for track in range(_TRACKS)],
            "popularity": np.clip(random.normal(popularity, 10, _TRACKS), 0, 100).astype(np.uint8),
            "features": list(features.astype(np.float32)),
            "cluster": [cluster] * _TRACKS,
        },
        schema=INPUT_SCHEMA.append(pa.field("cluster", pa.string())),
    )


def _rows(catalog: Catalog, genre: str) -> NDArray[np.int64]:
    """Return the tracks with a primary genre."""
    return np.array([row for row in range(len(catalog)) if catalog.genre_names(row)[0] == genre])


def _assert_alike(measure: Callable[[Catalog], Any], sample: Catalog, synthetic: Catalog, within: float) -> None:
    """Assert that a figure, or an array of them, differs by so much at the most."""
    np.testing.assert_allclose(measure(sample), measure(synthetic), rtol=0, atol=within)


@pytest.mark.parametrize("genre", _GENRES)
def test_each_genre_keeps_its_distributions(genre: str, sample: Catalog, synthetic: Catalog) -> None:
    """Means, spreads, quartiles, correlations and popularity are those of the sample's genre."""
    quartiles = (0.25, 0.5, 0.75)
    features: dict[Catalog, NDArray[np.float32]] = {c: c.features[_rows(c, genre)] for c in (sample, synthetic)}
    popularity = {c: c.popularity[_rows(c, genre)] for c in (sample, synthetic)}
    _assert_alike(lambda c: features[c].mean(axis=0), sample, synthetic, 0.02)
    _assert_alike(lambda c: features[c].std(axis=0), sample, synthetic, 0.02)
    _assert_alike(lambda c: np.quantile(features[c], quartiles, axis=0), sample, synthetic, 0.03)
    _assert_alike(lambda c: np.corrcoef(features[c], rowvar=False), sample, synthetic, 0.1)
    _assert_alike(lambda c: np.quantile(popularity[c], quartiles), sample, synthetic, 1.5)


def test_genres_keep_their_shares_and_places(sample: Catalog, synthetic: Catalog) -> None:
    """Clusters, numbers of genres and the tracks of each genre stand in the sample's proportions."""
    assert sample.clusters == synthetic.clusters
    assert [20_000, 10_000] == list(synthetic.track_counts)
    _assert_alike(lambda c: np.mean([len(c.genre_names(row)) > 1 for row in range(len(c))]), sample, synthetic, 0.01)


def test_artists_keep_their_sizes(sample: Catalog, synthetic: Catalog) -> None:
    """As many artists have one track, two and five, and as many tracks have a guest, as in the sample."""

    def sizes(catalog: Catalog) -> NDArray[np.float64]:
        counts = np.bincount(np.unique(catalog.main_artist, return_counts=True)[1], minlength=6)[:6]
        return np.asarray(counts / counts.sum(), dtype=np.float64)

    _assert_alike(sizes, sample, synthetic, 0.03)
    _assert_alike(lambda c: np.mean([len(c.artists(row)) > 1 for row in range(len(c))]), sample, synthetic, 0.04)


def test_titles_ids_and_names_are_unique_and_made_of_the_samples_words(synthetic: Catalog) -> None:
    """Ids have 22 characters, no title occurs twice, and the sample's words find tracks."""
    table = synthetic.table()
    ids, titles = table.column("track_id").to_pylist(), table.column("title").to_pylist()
    assert {22} == {len(track_id) for track_id in ids}
    assert 30_000 == len(set(ids)) == len(set(titles))
    assert all(len(set(names)) == len(names) for names in table.column("artists").to_pylist()[::100])
    rows, more = synthetic.search("bebop tune", 10)
    assert 10 == len(rows)
    assert more


def test_values_stay_in_the_samples_range_and_precision(sample: Catalog, synthetic: Catalog) -> None:
    """No value lies outside the sample's, zeros stay zeros, and fractions have three digits."""
    precision = 0.0005
    assert (synthetic.features >= sample.features.min(axis=0) - precision).all()
    assert (synthetic.features <= sample.features.max(axis=0) + precision).all()
    _assert_alike(lambda c: np.mean(c.features[:, 6] == 0), sample, synthetic, 0.02)
    digits = {float(f"{value:.3g}") for value in synthetic.features[:500, 0].tolist()}
    assert {np.float32(value) for value in digits} == set(synthetic.features[:500, 0])


def test_the_same_seed_makes_the_same_bytes(sample: Catalog, tmp_path: Path) -> None:
    """Seed and number decide everything; another seed decides otherwise."""
    paths = [tmp_path / name for name in ("one", "two", "three")]
    for path, seed in zip(paths, (4, 4, 5), strict=True):
        synthesize(sample, 2_000, seed, path)
    one, two, three = (path.read_bytes() for path in paths)
    assert one == two
    assert one != three


@pytest.mark.parametrize("tracks", [1, 2, 7])
def test_few_tracks_can_be_made(tracks: int, sample: Catalog, tmp_path: Path) -> None:
    """Fewer tracks than groups leave some groups empty."""
    synthesize(sample, tracks, 0, tmp_path / "few.arrow")
    with Catalog.open(tmp_path / "few.arrow") as few:
        assert tracks == len(few)


def test_no_tracks_are_refused(sample: Catalog, tmp_path: Path) -> None:
    """A catalog needs at least one track."""
    with pytest.raises(CatalogError, match="at least one track"):
        synthesize(sample, 0, 0, tmp_path / "none.arrow")


def test_a_sample_of_one_track_is_enough(sample: Catalog, tmp_path: Path) -> None:
    """One track gives copies of its features under names that differ."""
    write_catalog(tmp_path / "one.arrow", sample.table().slice(0, 1), sample.clusters, source="made up")
    with Catalog.open(tmp_path / "one.arrow") as one:
        synthesize(one, 500, 3, tmp_path / "many.arrow")
    with Catalog.open(tmp_path / "many.arrow") as many:
        assert 500 == len(set(many.table().column("title").to_pylist()))


def test_progress_adds_up(sample: Catalog, tmp_path: Path) -> None:
    """What is reported adds up to the number of tracks."""
    reports: list[int] = []
    synthesize(sample, 1_000, 0, tmp_path / "reported.arrow", reports.append)
    assert 1_000 == sum(reports)
    assert all(count > 0 for count in reports)


def test_popularity_follows_the_sample_over_its_whole_range(sample: Catalog, synthetic: Catalog) -> None:
    """Percentiles of a cluster's popularity agree within two points, and rise."""

    def percentiles(catalog: Catalog) -> list[list[float]]:
        return [[catalog.popularity_quantile(cluster, share / 20) for share in range(1, 20)] for cluster in range(2)]

    _assert_alike(percentiles, sample, synthetic, 2)
    assert all(low <= high for low, high in pairwise(percentiles(synthetic)[0]))
