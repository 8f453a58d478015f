"""What tests of whole processes share."""

from support.artifacts import make_file, make_metadata, make_model

__all__ = ["make_file", "make_metadata", "make_model"]
