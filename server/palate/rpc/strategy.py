"""StrategyService."""

from palate.plugins.registry import Registry
from palate.rpc.convert import strategy_message
from palate.rpc.interceptor import CallContext
from palate.v1 import strategy_pb2, strategy_pb2_grpc

__all__ = ["StrategyServicer"]


class StrategyServicer(strategy_pb2_grpc.StrategyServiceServicer):
    """Tells which strategies are there."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ListStrategies(
        self,
        request: strategy_pb2.ListStrategiesRequest,
        context: CallContext,
    ) -> strategy_pb2.ListStrategiesResponse:
        """List every installed strategy."""
        return strategy_pb2.ListStrategiesResponse(
            strategies=[strategy_message(registered) for registered in self._registry.listing()]
        )
