"""The suite of learners, over every learner of this repository."""

from palate.testing.learner import LearnerSuite
from palate_strategies.learners.gbdt import Gbdt
from palate_strategies.learners.logistic import Logistic
from palate_strategies.learners.neural import Neural


class TestLogistic(LearnerSuite):
    """Logistic keeps the contract."""

    learner = Logistic


class TestNeural(LearnerSuite):
    """Neural keeps the contract."""

    learner = Neural


class TestGbdt(LearnerSuite):
    """Gbdt keeps the contract."""

    learner = Gbdt
