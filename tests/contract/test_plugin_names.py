"""What plugins may import from `palate.plugins`."""

import palate.plugins


def test_the_public_names_are_these() -> None:
    """Third parties build on them, so a change here is a change of the contract."""
    assert [
        "CatalogIndex",
        "Choice",
        "Context",
        "Declined",
        "Reason",
        "ReasonKind",
        "Registered",
        "Registry",
        "Rows",
        "Scores",
        "SlateRequest",
        "Stage",
        "Strategy",
        "StrategyState",
        "TasteModel",
    ] == palate.plugins.__all__
    assert all(hasattr(palate.plugins, name) for name in palate.plugins.__all__)
