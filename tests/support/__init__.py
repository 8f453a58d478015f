"""What tests of several folders share."""

import pytest

pytest.register_assert_rewrite("support.model_store_suite", "support.store_suite")
