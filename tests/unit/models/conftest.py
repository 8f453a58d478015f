"""Files of models, sound ones and others, and an event loop."""

from support.artifacts import make_file, make_metadata, make_model
from support.loops import run

__all__ = ["make_file", "make_metadata", "make_model", "run"]
