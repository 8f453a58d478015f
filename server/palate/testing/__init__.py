"""Suites and fixtures for those who extend palate."""

from importlib.util import find_spec

if find_spec("pytest"):  # the server and the demo use parts of this package where no pytest is installed
    import pytest

    suites = ("model_store", "learner", "store", "strategy")
    pytest.register_assert_rewrite(*(f"palate.testing.{suite}" for suite in suites))
