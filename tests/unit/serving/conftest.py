"""An event loop, and files of models."""

from support.artifacts import make_file
from support.loops import run

__all__ = ["make_file", "run"]
