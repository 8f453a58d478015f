"""Slates, rankings and reasons as callers read them."""

import pytest
from palate.domain.track import FEATURES
from palate.plugins.strategy import Reason, ReasonKind
from palate.serving.encode import sentence

HOLY_WARS = ("Holy Wars", "Megadeth")
THREE = (("energy", 0.3), ("valence", 0.2), ("tempo", 0.1))
LEVELS = {"energy": 1.2, "valence": -0.8, "tempo": 0.4, "loudness": 1.0, "acousticness": -1.5}


@pytest.mark.parametrize(
    ("reason", "taste_name", "nearest", "expected"),
    [
        (Reason(ReasonKind.POPULAR), "Salsa", None, "Popular in Salsa."),
        (Reason(ReasonKind.POPULAR), "", None, "Popular with many listeners."),
        (
            Reason(ReasonKind.SIMILAR, 1, THREE[:2]),
            "Metal",
            HOLY_WARS,
            "Sounds like “Holy Wars” by Megadeth, which you liked: energetic and dark.",
        ),
        (
            Reason(ReasonKind.SIMILAR, 1, (("energy", 0.3), ("loudness", -0.1))),
            "Metal",
            ("Holy Wars", ""),
            "Sounds like “Holy Wars”, which you liked: energetic.",
        ),
        (Reason(ReasonKind.SIMILAR, 1), "", HOLY_WARS, "Sounds like “Holy Wars” by Megadeth, which you liked."),
        (
            Reason(ReasonKind.SIMILAR, None, THREE),
            "Metal",
            None,
            "Fits your taste in Metal: energetic, dark and fast.",
        ),
        (Reason(ReasonKind.SIMILAR), "", None, "Fits what you like."),
        (
            Reason(ReasonKind.EXPLORATION, 1, THREE),
            "Metal",
            HOLY_WARS,
            "Something new near “Holy Wars” by Megadeth, to learn more about what you like.",
        ),
        (Reason(ReasonKind.EXPLORATION), "Bebop", None, "Something new in Bebop, to learn more about what you like."),
        (Reason(ReasonKind.EXPLORATION), "", None, "Something new for you, to learn more about what you like."),
        (
            Reason(ReasonKind.MODEL, 1, (("acousticness", 0.4), ("a feature of its own", 0.1))),
            "Metal",
            HOLY_WARS,
            "Predicted from your likes and dislikes in Metal; it sounds like “Holy Wars” by Megadeth: electric.",
        ),
        (Reason(ReasonKind.MODEL), "", None, "Predicted from your likes and dislikes."),
    ],
)
def test_a_reason_reads_as_a_sentence(
    reason: Reason, taste_name: str, nearest: tuple[str, str] | None, expected: str
) -> None:
    """Whatever is missing, the sentence is whole."""
    assert expected == sentence(reason, taste_name=taste_name, nearest=nearest, levels=LEVELS)


def test_every_feature_has_words_for_little_and_for_much() -> None:
    """What a track has little of is never said as if it had much of it."""
    for feature in FEATURES:
        reason = Reason(ReasonKind.SIMILAR, None, ((feature, 0.1),))
        little, much = (sentence(reason, taste_name="", nearest=None, levels={feature: level}) for level in (-1.0, 1.0))
        assert ":" in little
        assert little != much
