"""The paths of the methods that are called."""

from typing import Final

__all__ = ["BARE", "BATCH", "INTERCEPTED", "RANK", "RECOMMEND", "RECORD"]

BARE: Final = "/palate.bench.EmptyService/Answer"
"""Goes straight to its handler: the server stack and nothing of palate."""

INTERCEPTED: Final = "/palate.v1.EmptyService/Answer"
"""Goes through what every call of palate goes through: admission, parsing, errors, the log."""

RECOMMEND: Final = "/palate.v1.RecommendationService/Recommend"
RANK: Final = "/palate.v1.RecommendationService/Rank"
RECORD: Final = "/palate.v1.FeedbackService/RecordFeedback"
BATCH: Final = "/palate.v1.FeedbackService/BatchRecordFeedback"
