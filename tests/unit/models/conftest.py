"""Files of models, sound ones and others."""

from support.artifacts import make_file, make_metadata, make_model

__all__ = ["make_file", "make_metadata", "make_model"]
