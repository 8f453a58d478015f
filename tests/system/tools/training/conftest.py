"""Listeners whose likes follow a rule, and what trains them."""

from support.training import config, resources, store, tell

__all__ = ["config", "resources", "store", "tell"]
