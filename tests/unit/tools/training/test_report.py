"""What `palate train` says of a taste."""

import io

from palate_tools.training.report import Figures, ListenerReport, Outcome, TasteReport, print_listener
from rich.console import Console


def line(model: float, ranking: float) -> str:
    """Return the line about a model that was published with a log-loss."""
    figures = {"model": Figures(0.9, model), "ranking": Figures(0.9, ranking)}
    taste = TasteReport("ana", "", Outcome.PUBLISHED, "", 5, 9, learner="neural", version="v1", **figures)
    told = io.StringIO()
    print_listener(Console(file=told, width=200), ListenerReport("ana", (taste,)), dry_run=False)
    return told.getvalue().rstrip("\n")


def test_a_model_that_is_published_against_its_own_labels_says_why() -> None:
    """A worse log-loss beside "published" would read as a mistake."""
    better, worse = line(0.3, 0.4), line(0.5, 0.4)
    assert "ana  (common): published; neural, log-loss 0.300 against 0.400 by ranking; v1" == better
    assert "log-loss 0.500 against 0.400 by ranking, on so few labels that the gain of such models" in worse
