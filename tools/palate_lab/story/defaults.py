"""What the story is told of, unless somebody asks for another one."""

from typing import Final

__all__ = ["SEED", "TURNS"]

TURNS: Final = 36
"""How many slates the listener is shown."""

SEED: Final = 10
"""What the listener is drawn from; docs/report.md says how it was chosen."""
