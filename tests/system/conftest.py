"""What tests of whole processes share."""

from support.artifacts import make_file, make_metadata, make_model
from support.plugins import install

__all__ = ["install", "make_file", "make_metadata", "make_model"]
