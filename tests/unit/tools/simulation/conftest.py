"""What tests of simulated listeners share: the bundled catalog as they hear it."""

from collections.abc import Sequence

import numpy as np
import pytest
from palate.catalog.snapshot import Catalog
from palate_tools.simulation.tracks import Cluster, TrackTable, group_by_cluster


@pytest.fixture(scope="session")
def tracks(catalog: Catalog) -> TrackTable:
    """Return the tracks of the bundled catalog that may be recommended."""
    return TrackTable.from_catalog(catalog).take(
        np.flatnonzero(~np.isin(catalog.cluster, list(catalog.excluded_clusters)))
    )


@pytest.fixture(scope="session")
def clusters(tracks: TrackTable) -> Sequence[Cluster]:
    """Return the clusters of the bundled catalog."""
    return group_by_cluster(tracks)
