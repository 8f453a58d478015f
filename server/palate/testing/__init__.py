"""Suites and fixtures for those who extend palate."""
