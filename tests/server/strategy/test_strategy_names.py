"""What plugins may import from `palate.strategy`."""

import palate.strategy


def test_the_public_names_are_these() -> None:
    """Third parties build on them, so a change here is a change of the contract."""
    assert [
        "CatalogIndex",
        "Choice",
        "Context",
        "Declined",
        "Placed",
        "Reason",
        "ReasonKind",
        "Registered",
        "Registry",
        "Router",
        "Rows",
        "Scores",
        "Slate",
        "SlateRequest",
        "Stage",
        "Strategy",
        "StrategyState",
        "TasteModel",
    ] == palate.strategy.__all__
    assert all(hasattr(palate.strategy, name) for name in palate.strategy.__all__)
