"""Who is to be trained now."""

from collections.abc import Iterable, Sequence
from contextlib import closing

from palate.app.config import Config
from palate.catalog.snapshot import Catalog
from palate.errors import NotFound
from palate.store import open_store

from palate_tools.training.due import common_direction, due_listeners
from palate_tools.training.fleet import Job

__all__ = ["training_jobs"]


def training_jobs(
    config: Config, users: Sequence[str] = (), tastes: tuple[str, ...] = (), *, dry_run: bool = False
) -> Sequence[Job]:
    """Return the training of some listeners, or of all who are due.

    Args:
        config: The configuration, with absolute paths.
        users: The listeners; all who are due when empty.
        tastes: Only these tastes' own models; all models when empty.
        dry_run: Whether to write nothing.

    Raises:
        NotFound: When there is no such listener.
    """
    with Catalog.open(config.catalog_path) as catalog:
        feature_map = catalog.feature_map
    with closing(open_store(config.store_url, create=False)) as store:
        for user_id in users:
            if store.header(user_id) is None:
                raise NotFound("profile", user_id, "is not there: nothing is known of this listener yet")
        chosen: Iterable[str] = users or due_listeners(store, config.training.interactions, feature_map.fingerprint)
        chosen = list(chosen)
        sample = config.training.other_listeners if chosen else 0
        common = common_direction(store, feature_map, sample)
    return [Job(config, user_id, common.without(user_id), tastes, dry_run) for user_id in chosen]
