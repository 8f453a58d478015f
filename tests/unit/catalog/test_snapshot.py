"""The snapshot file: what is written is what is served, and a bad file is refused with advice."""

import json
import resource
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from palate.catalog.layout import HEADER_KEY, SnapshotHeader
from palate.catalog.snapshot import Catalog
from palate.catalog.writer import SnapshotWriter, write_catalog
from palate.domain.features import FeatureMap
from palate.domain.track import FEATURES, GenreCluster
from palate.errors import CatalogError
from palate.plugins.strategy import CatalogIndex

MakeTracks = Callable[..., pa.Table]


def test_every_track_is_served_as_it_was_written(snapshot: Catalog, tracks: pa.Table) -> None:
    """Each track has the values that it came with."""
    expected = {track.pop("track_id"): track for track in tracks.to_pylist()}
    served = [snapshot.track(row) for row in range(len(snapshot))]
    actual = {
        track.track_id: {
            "title": track.title,
            "artists": list(track.artists),
            "genres": list(track.genres),
            "popularity": track.popularity,
            "features": list(track.features),
            "cluster": track.cluster_id,
        }
        for track in served
    }
    assert expected == actual
    assert {"sleep"} == {track.cluster_id for track in served if track.excluded}


def test_a_catalog_is_what_strategies_ask(snapshot: Catalog) -> None:
    """The catalog satisfies the strategies' protocol, and its arrays agree with its tracks."""
    index: CatalogIndex = snapshot
    track = snapshot.track(17)
    assert track.cluster_id == index.clusters[index.cluster[17]].cluster_id
    assert track.popularity == index.popularity[17]
    assert np.float32 == index.features.dtype
    assert (3_000, 9) == index.features.shape
    np.testing.assert_array_equal(snapshot.feature_map.normalize(index.features), index.normalized)
    assert not any(values.flags.writeable for values in (index.features, index.normalized, index.main_artist))


def test_clusters_that_do_not_say_whether_they_are_occasional_are_known_by_id() -> None:
    """Files from before clusters said so hold an id, a name and whether it is excluded."""
    clusters = GenreCluster("children", "Children", excluded=False), GenreCluster("rock", "Rock", excluded=False)
    feature_map = FeatureMap.fit(np.zeros((1, len(FEATURES)), dtype=np.float32))
    document = json.loads(SnapshotHeader("1", "0.1.0", "", clusters, feature_map, {}).to_json())
    for cluster in document["clusters"]:
        del cluster["occasional"]
    read = SnapshotHeader.from_json(json.dumps(document).encode())
    assert [True, False] == [cluster.occasional for cluster in read.clusters]


def test_a_track_is_occasional_by_its_cluster_or_by_a_genre(tmp_path: Path, make_tracks: MakeTracks) -> None:
    """Of three tracks without a word for it, only those of an occasional cluster count."""
    clusters = [GenreCluster(name, name, excluded=False, occasional=name == "kids") for name in ("jazz", "kids")]
    genres = [["bebop"], ["bebop", "christmas"], [], ["swing"]]
    tracks = make_tracks(4, cluster=["jazz", "jazz", "jazz", "kids"], genres=genres)
    write_catalog(tmp_path / "catalog.arrow", tracks, clusters, source="")
    with Catalog.open(tmp_path / "catalog.arrow") as opened:
        occasional = {opened.genre_names(row) for row in np.flatnonzero(opened.occasional).tolist()}
        assert {("bebop", "christmas"), ("swing",)} == occasional
        assert not opened.occasional.flags.writeable


def test_tracks_share_a_main_artist_number_exactly_when_they_share_its_name(snapshot: Catalog) -> None:
    """`main_artist` numbers names one to one."""
    pairs = {(int(snapshot.main_artist[row]), snapshot.artists(row)[0]) for row in range(len(snapshot))}
    assert len(pairs) == len({number for number, _ in pairs}) == len({name for _, name in pairs})


def test_ids_find_their_rows(snapshot: Catalog, tracks: pa.Table) -> None:
    """Every id is found, alone and among others, and an unknown one is not."""
    ids = tracks.column("track_id").to_pylist()
    rows = snapshot.rows([*ids, "unknown", ""])
    assert [*ids] == snapshot.track_ids(rows[:-2])
    assert [-1, -1] == rows[-2:].tolist()
    assert [snapshot.row(track_id) for track_id in ids[:50]] == rows[:50].tolist()
    assert snapshot.row("unknown") is None
    assert 0 == len(snapshot.rows([]))


def test_ids_with_equal_hashes_are_told_apart(
    tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """A hit is verified: of ids that collide, each finds its own row, and an absent one finds none."""
    colliding = ["plumless", "buckeroo"]
    assert 1 == len({crc32(track_id.encode()) for track_id in colliding})
    path = tmp_path / "catalog.arrow"
    write_catalog(path, make_tracks(3, track_id=[*colliding, "third"]), clusters, source="made up")
    with Catalog.open(path) as catalog:
        assert colliding == catalog.track_ids(catalog.rows(colliding))
        assert colliding == [catalog.track_id(catalog.row(track_id) or 0) for track_id in colliding]
    write_catalog(path, make_tracks(2, track_id=[colliding[0], "third"]), clusters, source="made up")
    with Catalog.open(path) as catalog:
        assert -1 == catalog.rows(colliding[1:])[0]
        assert catalog.row(colliding[1]) is None


def test_clusters_know_their_tracks_and_genres(snapshot: Catalog) -> None:
    """Counts, genres and exclusion agree with the tracks; clusters stand in the order of their ids."""
    ids = [cluster.cluster_id for cluster in snapshot.clusters]
    assert ["jazz", "rock", "sleep", "unused"] == ids
    assert np.bincount(snapshot.cluster, minlength=4).tolist() == list(snapshot.track_counts)
    expected = [["bebop", "swing"], ["indie", "punk"], ["sleep"], []]
    assert expected == [snapshot.genres_of_cluster(number) for number in range(4)]
    assert frozenset({2}) == snapshot.excluded_clusters
    assert [2, None] == [snapshot.cluster_number(name) for name in ("sleep", "polka")]


def test_the_same_tracks_make_the_same_bytes(
    tmp_path: Path, tracks: pa.Table, clusters: list[GenreCluster], snapshot_path: Path
) -> None:
    """Writing is deterministic, whatever the order in which clusters are given."""
    write_catalog(tmp_path / "again.arrow", tracks, clusters[::-1], source="made up")
    assert snapshot_path.read_bytes() == (tmp_path / "again.arrow").read_bytes()


@pytest.mark.parametrize("column", ["title", "artists", "genres", "popularity", "features", "cluster"])
def test_the_version_changes_with_the_content(
    column: str, tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """Any other value makes another version; another source does not."""
    tracks = make_tracks(50)
    other = {column: tracks.column(column).to_pylist()[::-1]}
    versions = []
    for variant, source in [(tracks, "one"), (tracks, "two"), (make_tracks(50, **other), "one")]:
        write_catalog(tmp_path / "catalog.arrow", variant, clusters, source=source, feature_map=_map(tracks))
        with Catalog.open(tmp_path / "catalog.arrow") as catalog:
            versions.append(catalog.version)
    assert versions[0] == versions[1]
    assert versions[0] != versions[2]


def test_any_arrow_tool_reads_the_file(snapshot_path: Path, tracks: pa.Table) -> None:
    """The file is plain Arrow: one batch, a row for each track, and names decoded."""
    with pa.ipc.open_file(snapshot_path) as reader:
        assert 1 == reader.num_record_batches
        table = reader.read_all()
    assert sorted(tracks.column("title").to_pylist()) == sorted(table.column("title").to_pylist())
    assert set(tracks.column("cluster").to_pylist()) == set(table.column("cluster").to_pylist())


def test_tracks_without_genres_are_served(
    tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """A catalog without any genre has clusters, popular tracks and candidates all the same."""
    tracks = make_tracks(40, genres=[[]] * 40, cluster=["jazz"] * 40)
    write_catalog(tmp_path / "catalog.arrow", tracks, clusters, source="made up")
    with Catalog.open(tmp_path / "catalog.arrow") as catalog:
        assert () == catalog.track(3).genres
        assert [] == list(catalog.genres)
        weights = catalog.genre_weights({"polka": 1.0})
        assert 40 == len(catalog.nearest(0, np.ones(9, dtype=np.float32), weights, 40))


def test_reading_outlives_replacing(tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]) -> None:
    """Who has a file open keeps its content when another takes its place."""
    path = tmp_path / "catalog.arrow"
    write_catalog(path, make_tracks(30), clusters, source="made up")
    with Catalog.open(path) as old:
        title = old.track(0).title
        write_catalog(path, make_tracks(10, title=["other"] * 10), clusters, source="made up")
        assert title == old.track(0).title
        with Catalog.open(path) as new:
            assert "other" == new.track(0).title


def _map(tracks: pa.Table) -> FeatureMap:
    """Fit a feature map to tracks."""
    return FeatureMap.fit(np.array(tracks.column("features").to_pylist(), dtype=np.float32))


def _rewritten(source: Path, target: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """Write a changed copy of a snapshot with plain Arrow."""
    with pa.ipc.open_file(source) as reader:
        table = change(reader.read_all())
    with pa.ipc.new_file(target, table.schema) as writer:
        writer.write_table(table)
    return target


def _with_nan(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("features")
    values = np.array(table.column(place).combine_chunks().flatten())
    values[4_000] = np.nan
    return table.set_column(place, table.field(place), pa.FixedSizeListArray.from_arrays(values, 9))


def _of_another_format(table: pa.Table) -> pa.Table:
    metadata = table.schema.metadata
    return table.replace_schema_metadata({HEADER_KEY: metadata[HEADER_KEY].replace(b'"format": 1', b'"format": 99')})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_with_nan, "not numbers"),
        (_of_another_format, "format 99"),
        (lambda table: table.drop_columns(["title"]), "title"),
        (lambda table: table.replace_schema_metadata({}), "no palate catalog"),
        (lambda table: table.slice(0, 0), "batches"),
    ],
)
def test_a_foreign_file_is_refused(
    change: Callable[[pa.Table], pa.Table], complaint: str, snapshot_path: Path, tmp_path: Path
) -> None:
    """NaN features, another format, missing columns and foreign Arrow files are refused with a way out."""
    path = _rewritten(snapshot_path, tmp_path / "bad.arrow", change)
    with pytest.raises(CatalogError, match=complaint) as caught:
        Catalog.open(path)
    assert str(path) in str(caught.value)
    assert "palate catalog build" in str(caught.value)


def test_a_damaged_file_is_refused(snapshot_path: Path, tmp_path: Path) -> None:
    """A file cut off anywhere, an empty one, a text, a folder and a missing one are refused with a way out."""
    path = tmp_path / "bad.arrow"
    whole = snapshot_path.read_bytes()
    for content in [whole[:-1], whole[:-100], whole[: len(whole) // 2], whole[:8], b"", b"track_id,title\n1,a\n"]:
        path.write_bytes(content)
        with pytest.raises(CatalogError, match=r"bad\.arrow.*palate catalog build"):
            Catalog.open(path)
    for missing in (tmp_path / "none.arrow", tmp_path):
        with pytest.raises(CatalogError, match="palate catalog build"):
            Catalog.open(missing)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"track_id": ["one", "two", "one"]}, "more than one track has the id 'one'"),
        ({"track_id": ["one", "two", ""]}, "1 to 128 bytes"),
        ({"track_id": ["one", "two", "é" * 65]}, "1 to 128 bytes"),
        ({"artists": [["a"], [], ["b"]]}, "at least one artist"),
        ({"popularity": [1, 101, 3]}, "popularity"),
        ({"features": [[0.5] * 9, [0.5] * 9, [float("nan")] * 9]}, "within their ranges"),
        ({"features": [[0.5] * 9, [0.5] * 9, [1.5] * 9]}, "within their ranges"),
        ({"features": [[0.5] * 9, None, [0.5] * 9]}, "missing"),
        ({"title": ["a", None, "b"]}, "missing"),
        ({"artists": [["a"], [None], ["b"]]}, "missing"),
        ({"cluster": ["jazz", "polka", "jazz"]}, "'polka'"),
    ],
)
def test_tracks_with_impossible_values_are_refused(
    columns: dict[str, object], complaint: str, tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """The writer names what is wrong, and leaves nothing behind."""
    with pytest.raises(CatalogError, match=complaint):
        write_catalog(tmp_path / "catalog.arrow", make_tracks(3, **columns), clusters, source="made up")
    assert [] == list(tmp_path.iterdir())


def test_a_table_that_cannot_be_a_catalog_is_refused(
    tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """No tracks, missing columns, and clusters that are repeated are refused."""
    path, tracks = tmp_path / "catalog.arrow", make_tracks(3)
    for column in ("title", "cluster"):
        with pytest.raises(CatalogError, match=column):
            write_catalog(path, tracks.drop_columns([column]), clusters, source="made up")
    with pytest.raises(CatalogError, match="at least one track"):
        write_catalog(path, tracks.slice(0, 0), clusters, source="made up")
    with pytest.raises(CatalogError, match="each of them once"):
        write_catalog(path, tracks, [*clusters, *clusters], source="made up")
    with pytest.raises(CatalogError, match="choose another folder"):
        write_catalog(tmp_path / "missing" / "catalog.arrow", tracks, clusters, source="made up")


def test_groups_out_of_order_are_refused(tmp_path: Path, make_tracks: MakeTracks, clusters: list[GenreCluster]) -> None:
    """Rows of one cluster stand together, so a cluster cannot come back."""
    tracks = make_tracks(3)
    with SnapshotWriter(tmp_path / "catalog.arrow", clusters, _map(tracks), source="made up") as writer:
        writer.append("rock", tracks)
        with pytest.raises(CatalogError, match="too late"):
            writer.append("jazz", tracks)


def test_a_full_disk_leaves_the_old_catalog(
    tmp_path: Path, tracks: pa.Table, make_tracks: MakeTracks, clusters: list[GenreCluster]
) -> None:
    """When the system refuses to write on, the file in place stays whole and nothing is left beside it."""
    path = tmp_path / "catalog.arrow"
    write_catalog(path, make_tracks(10), clusters, source="made up")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (50_000, 300_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(CatalogError, match="free space"):
                write_catalog(path, tracks, clusters, source="made up")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert [path] == list(tmp_path.iterdir())
        assert before == path.read_bytes()


def test_blocks_cover_each_cluster_in_order(snapshot: Catalog) -> None:
    """Rows are sorted by cluster, and within it by primary genre."""
    assert (np.diff(snapshot.cluster.astype(int)) >= 0).all()
    primary = [snapshot.genre_names(row)[0] for row in range(len(snapshot))]
    changes = sum(one != other for one, other in pairwise(primary))
    assert len(set(primary)) - 1 == changes


def test_a_table_can_be_taken_out_and_written_again(
    snapshot: Catalog, tmp_path: Path, clusters: list[GenreCluster]
) -> None:
    """What `table` returns makes the same catalog again."""
    write_catalog(tmp_path / "again.arrow", snapshot.table(), clusters, source="made up")
    with Catalog.open(tmp_path / "again.arrow") as again:
        assert sorted(snapshot.track_ids(np.arange(3_000, dtype=np.int32))) == sorted(
            again.track_ids(np.arange(3_000, dtype=np.int32))
        )
        assert pc.sum(snapshot.table().column("popularity")) == pc.sum(again.table().column("popularity"))


def test_a_cluster_is_described_by_its_tracks(catalog: Catalog) -> None:
    """Mean and variance of its normal scores, and a share above 0 of every genre, most for its own."""
    number = catalog.cluster_number("latin-dance") or 0
    tracks = catalog.normalized[catalog.cluster == number].astype(np.float64)
    np.testing.assert_allclose(tracks.mean(axis=0), catalog.cluster_mean[number], atol=1e-5)
    np.testing.assert_allclose(tracks.var(axis=0), catalog.cluster_variance[number], atol=1e-4)
    shares = catalog.genre_share(number)
    assert pytest.approx(1.0, abs=1e-5) == shares.sum()
    assert shares.min() > 0
    assert catalog.genres[int(shares.argmax())] in catalog.genres_of_cluster(number)


def test_the_tracks_of_artists_are_found(catalog: Catalog) -> None:
    """All of them, artist by artist; of no artists none."""
    artists = np.unique(catalog.main_artist)[[3, 700]]
    expected = np.concatenate([np.flatnonzero(catalog.main_artist == artist) for artist in artists])
    assert expected.tolist() == catalog.by_artists(artists).tolist()
    assert [] == catalog.by_artists(artists[:0]).tolist()
