"""Comparing ways to recommend: baselines, metrics and their intervals."""
