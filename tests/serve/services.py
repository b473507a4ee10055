"""Services in threads of the tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sampleformer.serve.server import address_of, configuration, listen
from sampleformer.serve.settings import ServeSettings
from sampleformer.training import Predictor


@contextmanager
def served(predictor: Predictor, settings: ServeSettings | None = None) -> Iterator[str]:
    """The address of a service that runs until the context ends."""
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(configuration(predictor, settings or ServeSettings()))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield address_of(listening)
        finally:
            server.should_exit = True
            thread.join()
