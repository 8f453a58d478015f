"""The encoding of a file is found by reading it."""

from pathlib import Path

import pytest
from palate.errors import CatalogError
from palate_tools.catalog.encoding import detect_encoding

_TEXT = "title,artist\n" + "Déjà vu,Beyoncé\nÁrbol,Mañana\n" * 10


@pytest.mark.parametrize(
    ("text", "written_as", "found"),
    [
        ("title\nplain\n", "ascii", "utf-8"),
        (_TEXT, "utf-8", "utf-8"),
        (_TEXT, "utf-8-sig", "utf-8-sig"),
        (_TEXT, "utf-16", "utf-16"),
        (_TEXT, "latin-1", "latin-1"),
        (_TEXT + "100 €\n", "cp1252", "cp1252"),
    ],
)
def test_encoding_is_detected(tmp_path: Path, text: str, written_as: str, found: str) -> None:
    """What was written is found, with a byte order mark and without."""
    path = tmp_path / "tracks.csv"
    path.write_bytes(text.encode(written_as))

    encoding = detect_encoding(path)

    assert (found, False) == (encoding.name, encoding.damaged)


def test_damaged_bytes_do_not_make_utf8_something_else(tmp_path: Path) -> None:
    """A few bytes that do not decode are damage, not another encoding."""
    path = tmp_path / "tracks.csv"
    path.write_bytes(_TEXT.encode() + b"\xff\n")

    encoding = detect_encoding(path)

    assert ("utf-8", True) == (encoding.name, encoding.damaged)


def test_file_cut_off_within_a_character_is_utf8(tmp_path: Path) -> None:
    """The last character may be half a one, even when it is the only one beyond ASCII."""
    path = tmp_path / "tracks.csv"
    path.write_bytes("title\nplain\né".encode()[:-1])

    encoding = detect_encoding(path)

    assert ("utf-8", True) == (encoding.name, encoding.damaged)


@pytest.mark.parametrize(
    ("name", "message"), [("klingon", "unknown"), ("base64", "unknown"), ("utf-8", "near byte 14")]
)
def test_wrong_explicit_encoding_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """An encoding that does not exist, makes no text or does not fit is an error that says where."""
    path = tmp_path / "tracks.csv"
    path.write_bytes(_TEXT.encode("latin-1"))

    with pytest.raises(CatalogError, match=message):
        detect_encoding(path, name)
