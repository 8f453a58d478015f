"""Listeners made by a seed, who use palate as anybody does: over its public API."""
