"""Recommend as the model rows call it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
from palate.v1 import recommendation_pb2

from palate_lab.bench.methods import RECOMMEND
from palate_lab.bench.process import BenchmarkError, ServerProcess

__all__ = ["Asking", "asking"]

Asking: TypeAlias = Callable[[str], Awaitable[bytes]]
"""Asks for a listener's ten items; BenchmarkError when the call fails."""


@asynccontextmanager
async def asking(server: ServerProcess) -> AsyncIterator[Asking]:
    """Connect to a server for the time of the block."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        method: Any = channel.unary_unary(RECOMMEND)

        async def ask(user_id: str) -> bytes:
            request = recommendation_pb2.RecommendRequest(user_id=user_id).SerializeToString()
            try:
                answer: bytes = await method(request)
            except grpc.aio.AioRpcError as error:
                raise BenchmarkError(f"{RECOMMEND} failed: {error.code().name}: {error.details()}") from error
            return answer

        yield ask
