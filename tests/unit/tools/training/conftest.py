"""Listeners whose likes follow a rule, and what trains them."""

from support.training import config, store, tell, workshop

__all__ = ["config", "store", "tell", "workshop"]
