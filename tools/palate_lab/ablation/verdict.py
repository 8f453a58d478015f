"""What a test says, and what it was asked."""

from dataclasses import dataclass, field

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one test.

    Attributes:
        number: The test's number.
        title: What is asked.
        criterion: What has to hold, as it stood before the run.
        passed: Whether it does.
        figures: What was measured, by name.
    """

    number: int
    title: str
    criterion: str
    passed: bool
    figures: dict[str, str] = field(default_factory=dict)
