"""The suite of strategies, over every strategy of this repository."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from palate.plugins.strategy import Declined, Strategy
from palate.testing.catalog import Listener
from palate.testing.strategy import StrategySuite, slate
from palate_strategies.cold_start import ColdStart
from palate_strategies.fallback import Fallback
from palate_strategies.model_strategies import Gbdt, Logistic, Neural
from palate_strategies.ranking import Ranking
from support.linear import Linear, served


class TestColdStart(StrategySuite):
    """Cold start keeps the contract."""

    strategy = ColdStart


class TestFallback(StrategySuite):
    """Fallback keeps the contract."""

    strategy = Fallback


class TestFallbackThatOnlyExplores(StrategySuite):
    """Fallback keeps the contract when every slot is explored."""

    strategy = Fallback
    options: ClassVar = {"exploration": 1.0}


class TestRanking(StrategySuite):
    """Ranking keeps the contract."""

    strategy = Ranking


class ModelStrategySuite(StrategySuite):
    """What holds for every stage: its contract, met by listeners whom models serve."""

    def prepared(self, listener: Listener) -> Listener:
        """Give a listener models."""
        return served(listener, {taste_id: Linear(f"{taste_id} 1") for taste_id in self.modelled(listener)})

    def modelled(self, listener: Listener) -> Sequence[str]:
        """Return the tastes that have models."""
        return sorted(listener.profile.tastes) or [""]

    def test_a_taste_that_the_catalog_no_longer_knows_does_no_harm(self, subject: Strategy, listener: Listener) -> None:
        """A listener all of whose models are of such tastes is left to the stage below."""
        if "" in listener.context.models:
            super().test_a_taste_that_the_catalog_no_longer_knows_does_no_harm(subject, listener)
            return
        tastes = {f"gone-{taste_id}": taste for taste_id, taste in listener.profile.tastes.items()}
        models = {f"gone-{taste_id}": model for taste_id, model in listener.context.models.items()}
        profile = replace(listener.profile, tastes={name: replace(t, taste_id=name) for name, t in tastes.items()})
        with pytest.raises(Declined):
            slate(subject, served(replace(listener, profile=profile), models), 20)


class TestLogistic(ModelStrategySuite):
    """Logistic keeps the contract where every taste has a model, and the listeners without tastes a common one."""

    strategy = Logistic


class TestNeural(ModelStrategySuite):
    """Neural keeps the contract where one taste has a model and the others are ranked."""

    strategy = Neural

    def modelled(self, listener: Listener) -> Sequence[str]:
        """Return the first taste."""
        return sorted(listener.profile.tastes)[:1] or [""]


class TestGbdt(ModelStrategySuite):
    """Gbdt keeps the contract where all tastes share the common model."""

    strategy = Gbdt

    def modelled(self, listener: Listener) -> Sequence[str]:  # noqa: ARG002 - the same for all
        """Return the common model's key."""
        return [""]
