"""The server that is measured: palate's own, and beside it calls that answer nothing but a fixed payload.

Run as ``python -m palate_lab.bench.server CATALOG DATA_DIR PAYLOAD_BYTES [KEY=VALUE ...]``, with
further values of the configuration. Prints its port once it serves.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from palate.app.config import Config, load_config
from palate.app.logs import set_up_logs
from palate.app.scraping import answering_scrapes
from palate.app.server import Server
from palate.metrics import Metrics

from palate_lab.bench.traffic import BARE, INTERCEPTED

__all__ = ["main"]


def _empty_methods(payload: bytes) -> list[grpc.GenericRpcHandler]:
    async def answer(_: Any, __: Any) -> bytes:
        return payload

    bare: Any = grpc.unary_unary_rpc_method_handler(answer)
    intercepted: Any = grpc.unary_unary_rpc_method_handler(answer, request_deserializer=Empty.FromString)
    return [_handler(BARE, bare), _handler(INTERCEPTED, intercepted)]


def _handler(method: str, behaviour: Any) -> grpc.GenericRpcHandler:
    service, name = method.strip("/").split("/")
    return grpc.method_handlers_generic_handler(service, {name: behaviour})


async def _serve(config: Config, payload: bytes, metrics: Metrics) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = Server(config, metrics=metrics)
    server.grpc_server.add_generic_rpc_handlers(_empty_methods(payload))
    async with server:
        print(server.port, flush=True)  # noqa: T201 - what the benchmark waits for
        await stop.wait()


def main(catalog: Path, data_dir: Path, payload_bytes: int, overrides: Mapping[str, str]) -> None:
    """Serve until SIGTERM, on a free port."""
    config = load_config(None, {"data_dir": data_dir, "catalog.path": catalog, "server.port": 0, **overrides})
    set_up_logs(config.log)
    with answering_scrapes(config.server) as metrics:
        asyncio.run(_serve(config, bytes(payload_bytes), metrics))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), dict(pair.split("=", 1) for pair in sys.argv[4:]))
