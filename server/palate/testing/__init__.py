"""Suites and fixtures for those who extend palate."""

import pytest

pytest.register_assert_rewrite("palate.testing.learner", "palate.testing.strategy")
