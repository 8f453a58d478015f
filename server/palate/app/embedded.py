"""A server inside this process, for tests and experiments."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from palate.app.config import Config
from palate.app.scraping import answering_scrapes
from palate.app.server import Server
from palate.metrics import Metrics

__all__ = ["running_server"]


@contextmanager
def running_server(config: Config) -> Iterator[str]:
    """Run a server in a thread and yield its address, ``HOST:PORT``; drain it at the end.

    Where the configuration has a `metrics_port`, its metrics are answered there.

    Raises:
        PalateError: When the server cannot serve.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="palate-server")
    thread.start()

    async def start(metrics: Metrics) -> Server:
        return await Server(config, metrics=metrics).__aenter__()

    try:
        with answering_scrapes(config.server) as metrics:
            server = asyncio.run_coroutine_threadsafe(start(metrics), loop).result()
            try:
                yield config.server.model_copy(update={"port": server.port}).address
            finally:
                asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
