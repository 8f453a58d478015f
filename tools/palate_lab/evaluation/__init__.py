"""Measuring palate on real labels."""
