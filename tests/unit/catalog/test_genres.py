"""Genre clusters: the file, and where names and tracks go."""

from pathlib import Path

import pytest
from palate.catalog.genre_rules import is_occasional
from palate.catalog.genres import GenreClusters
from palate.errors import CatalogError

SEEDS = """
acoustic afrobeat alt-rock alternative ambient anime black-metal bluegrass blues bossanova brazil breakbeat british
cantopop chicago-house children chill classical club comedy country dance dancehall death-metal deep-house
detroit-techno disco disney drum-and-bass dub dubstep edm electro electronic emo folk forro french funk garage german
gospel goth grindcore groove grunge guitar happy hard-rock hardcore hardstyle heavy-metal hip-hop holidays honky-tonk
house idm indian indie indie-pop industrial iranian j-dance j-idol j-pop j-rock jazz k-pop kids latin latino malay
mandopop metal metal-misc metalcore minimal-techno movies mpb new-age new-release opera pagode party philippines-opm
piano pop pop-film post-dubstep power-pop progressive-house psych-rock punk punk-rock r-n-b rainy-day reggae reggaeton
road-trip rock rock-n-roll rockabilly romance sad salsa samba sertanejo show-tunes singer-songwriter ska sleep
songwriter soul soundtracks spanish study summer swedish synth-pop tango techno trance trip-hop turkish work-out
world-music
""".split()  # noqa: SIM905 - a text is easier to compare with its source

FREE_FORM = {
    "canadian contemporary country": "country",
    "melodic deathcore": "extreme-metal",
    "neo mellow": "pop",
    "turkish hip hop": "hip-hop",
    "turkish pop": "middle-east",
    "arabesk": "middle-east",
    "synthwave": "electronica",
    "indietronica": "indie-alternative",
    "folktronica": "electronica",
    "trap latino": "latin-pop",
    "uk drill": "hip-hop",
    "technical deathgrind": "extreme-metal",
    "progressive psytrance": "techno-trance",
    "mexican classic rock": "rock",
    "pop punk": "punk",
    "punk rock": "punk",
    "country pop": "country",
    "jazz piano": "jazz",
    "russian choir": "classical",
    "children's choir": "children",
    "dutch pop": "europe",
    "ambient pop": "indie-alternative",
    "funk carioca": "brazil",
    "metal gaucho": "metal",
    "bagpipe marching band": "folk",
    "cumbia sonidera": "latin-dance",
}

FILE = """
[clusters.loud]
display_name = "Loud"
seeds = ["metal"]
styles = ["*core", "black metal"]
places = ["norw*"]

[clusters.quiet]
display_name = "Quiet"
excluded = true
styles = ["ambient"]
broad = ["music"]

[clusters.other]
display_name = "Other"
names = ["norwegian reggae"]
styles = ["hardcore", "reggae"]
"""


@pytest.fixture(scope="module")
def clusters() -> GenreClusters:
    return GenreClusters.load()


def load(folder: Path, content: str) -> GenreClusters:
    path = folder / "clusters.toml"
    path.write_text(content, encoding="utf-8")
    return GenreClusters.load(path)


def test_every_seed_genre_is_placed(clusters: GenreClusters) -> None:
    """All 126 seed genres have a cluster."""
    assert 126 == len(SEEDS)
    assert [] == [seed for seed in SEEDS if clusters.place_genre(seed) is None]


def test_every_cluster_holds_a_seed_genre(clusters: GenreClusters) -> None:
    """No cluster stands empty on a catalog that names the seed genres only."""
    assert {cluster.cluster_id for cluster in clusters.clusters} == {clusters.place_genre(seed) for seed in SEEDS}


def test_only_background_music_is_excluded(clusters: GenreClusters) -> None:
    """Of the seed genres, ambient, new-age and sleep are excluded; study and chill are not."""
    assert ["ambient", "new-age", "sleep"] == [s for s in SEEDS if clusters.place_genre(s) in clusters.excluded]


@pytest.mark.parametrize(
    "name", ["White Noise", "nature sounds", "rain sounds", "lullaby", "background music", "deep sleep"]
)
def test_kinds_of_background_music_are_excluded(clusters: GenreClusters, name: str) -> None:
    """White noise, nature sounds, lullabies and their like are never learned nor recommended."""
    assert clusters.place_genre(name) in clusters.excluded


@pytest.mark.parametrize(("name", "expected"), FREE_FORM.items())
def test_free_form_names_find_their_cluster(clusters: GenreClusters, name: str, expected: str) -> None:
    """Names that nobody listed go where their words say."""
    assert expected == clusters.place_genre(name)


@pytest.mark.parametrize("name", ["R&B", "r-n-b", "R 'n' B", "r’n’b", "Rnb", "r and b", "R+B"])  # noqa: RUF001 - typed so
def test_spelling_does_not_matter(clusters: GenreClusters, name: str) -> None:
    """Case, hyphens, apostrophes and the ways to write "and" do not matter."""
    assert "r-n-b-soul" == clusters.place_genre(name)


def test_accents_do_not_matter(clusters: GenreClusters) -> None:
    """Accents do not matter, composed or combining."""
    assert "latin-dance" == clusters.place_genre("NORTEÑO") == clusters.place_genre("norten\u0303o")


@pytest.mark.parametrize("name", ["", "   ", "!!!", "zzyzx", "x" * 100_000])
def test_unknown_names_are_not_placed(clusters: GenreClusters, name: str) -> None:
    """A name without a known word has no cluster."""
    assert clusters.place_genre(name) is None


def test_the_strongest_word_decides_before_the_last(tmp_path: Path) -> None:
    """A style outranks a place, and a place outranks a broad word, wherever they stand."""
    clusters = load(tmp_path, FILE)
    assert "quiet" == clusters.place_genre("ambient norwegian")
    assert "loud" == clusters.place_genre("norwegian music")


def test_of_equal_words_the_last_decides(tmp_path: Path) -> None:
    """The noun of an English name stands last."""
    clusters = load(tmp_path, FILE)
    assert "quiet" == clusters.place_genre("black metal ambient")
    assert "loud" == clusters.place_genre("ambient black metal")


def test_a_word_spelled_out_outranks_a_pattern(tmp_path: Path) -> None:
    """A word that a cluster lists as such is not caught by another cluster's wildcard."""
    clusters = load(tmp_path, FILE)
    assert "other" == clusters.place_genre("hardcore")
    assert "loud" == clusters.place_genre("softcore")


def test_a_listed_name_outranks_its_words(tmp_path: Path) -> None:
    """A name in the file goes where the file says."""
    clusters = load(tmp_path, FILE.replace('"norwegian reggae"', '"ambient black metal"'))
    assert "other" == clusters.place_genre("Ambient Black Metal")


def test_a_track_goes_where_most_of_its_genres_go(clusters: GenreClusters) -> None:
    """The majority wins, and genres without a cluster do not vote."""
    assert "hip-hop" == clusters.place(["pop", "rap", "zzyzx", "trap"])


def test_of_equally_many_genres_the_first_decides(clusters: GenreClusters) -> None:
    """Ties go to the genre named first."""
    assert "jazz" == clusters.place(["jazz", "pop"])
    assert "pop" == clusters.place(["pop", "jazz"])


@pytest.mark.parametrize(
    ("genres", "expected"),
    [
        (["ambient"], "background"),
        (["ambient", "techno"], "techno-trance"),
        (["ambient", "sleep", "techno"], "background"),
        (["ambient", "sleep", "techno", "house"], "techno-trance"),
        (["ambient", "zzyzx"], "background"),
    ],
)
def test_a_track_is_excluded_only_by_the_majority_of_its_genres(
    clusters: GenreClusters, genres: list[str], expected: str
) -> None:
    """Half of the placed genres is not enough to exclude a track."""
    assert expected == clusters.place(genres)


def test_music_for_children_is_occasional(clusters: GenreClusters) -> None:
    """Nobody of whom nothing is known gets it first."""
    assert ["children"] == [cluster.cluster_id for cluster in clusters.clusters if cluster.occasional]


@pytest.mark.parametrize(
    ("genre", "occasional"),
    [("kids", True), ("Children's music", True), ("vintage Christmas", True), ("disney", True), ("kidcore", False)],
)
def test_the_words_of_a_genre_tell_whether_it_is_occasional(genre: str, occasional: bool) -> None:
    """Whole words count."""
    assert occasional == is_occasional(genre)


@pytest.mark.parametrize("genres", [[], ["zzyzx"]])
def test_a_track_without_known_genres_has_no_cluster(clusters: GenreClusters, genres: list[str]) -> None:
    """Such tracks are left to their features."""
    assert clusters.place(genres) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("excluded", "exclude", "clusters.quiet.exclude: is no key of this table; did you mean excluded?"),
        ("[clusters.loud]", "[cluster.loud]", "cluster: is no key of this table; did you mean clusters?"),
        ('display_name = "Loud"', "", "clusters.loud.display_name: is missing"),
        ('"Loud"', '" "', "clusters.loud.display_name: is missing"),
        ("excluded = true", 'excluded = "yes"', "clusters.quiet.excluded: must be true or false"),
        ("excluded = true", "occasional = 1", "clusters.quiet.occasional: must be true or false"),
        ("[clusters.loud]", "[clusters.Very_Loud]", "clusters.Very_Loud: must be lower-case letters"),
        (
            '["metal"]',
            '["metal", "Norwegian-Reggae"]',
            "clusters.other.names: 'norwegian reggae' stands in clusters.loud.seeds",
        ),
        ('["ambient"]', '["ambient", "REGGAE"]', "clusters.other.styles: 'reggae' stands in clusters.quiet.styles"),
        ('["ambient"]', '"ambient"', "clusters.quiet.styles: must be a list of strings"),
        ('["ambient"]', '["am*bient"]', "clusters.quiet.styles: 'am*bient' may have * only at the start or the end"),
        ('["ambient"]', '["dark *ambient*"]', "clusters.quiet.styles: 'dark *ambient*' may have * only"),
        ('["ambient"]', '["*ambient*"]', "clusters.quiet.styles: '*ambient*' may have * at one end only"),
        ('["ambient"]', '["dark ambient*"]', "clusters.quiet.styles: 'dark ambient*' may have * only"),
        ('["ambient"]', '["*"]', "clusters.quiet.styles: '*' has no letters to look for"),
        ('["metal"]', '["?"]', "clusters.loud.seeds: '?' has no letters to look for"),
        ('["ambient"]', "[ambient]", "is not TOML in UTF-8"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """The error names the file, the key and what to do."""
    with pytest.raises(CatalogError) as caught:
        load(tmp_path, FILE.replace(old, new))
    assert str(caught.value).startswith(f"{tmp_path / 'clusters.toml'}: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize("content", ["", "[clusters]", "clusters = 1", "[clusters]\nloud = 1"])
def test_a_file_without_clusters_is_refused(tmp_path: Path, content: str) -> None:
    """A file needs at least one cluster."""
    with pytest.raises(CatalogError, match="clusters"):
        load(tmp_path, content)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(CatalogError, match=r"nowhere\.toml: cannot be read"):
        GenreClusters.load(tmp_path / "nowhere.toml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are refused like any other broken file."""
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[clusters.x]\ndisplay_name = "M\xe9tal"\n')
    with pytest.raises(CatalogError, match="is not TOML in UTF-8"):
        GenreClusters.load(path)
