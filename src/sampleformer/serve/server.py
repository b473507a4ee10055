"""The program that serves."""

from __future__ import annotations

import socket

import uvicorn

from sampleformer.errors import InputError
from sampleformer.serve.app import make_app
from sampleformer.serve.connections import hurried
from sampleformer.serve.settings import ServeSettings
from sampleformer.training.predictor import Predictor


def listen(host: str, port: int) -> socket.socket:
    """A socket on which requests come.

    Args:
        host: Name or address of this machine.
        port: Number of the port; 0: a free one.

    Raises:
        InputError: if the address is none of this machine, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)  # who comes before the service has started waits
    except (OSError, UnicodeError, OverflowError) as error:
        words = getattr(error, "strerror", None) or error
        raise InputError(f"--host {host} --port {port}: cannot be listened on ({words})") from error
    return found


def address_of(listening: socket.socket) -> str:
    """The address under which a browser finds a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(predictor: Predictor, listening: socket.socket, settings: ServeSettings | None = None) -> None:
    """Answers requests until the process is interrupted or terminated.

    Args:
        predictor: Trained model.
        listening: Socket, see `listen`.
        settings: Limits. None: those that `ServeSettings` begins with.
    """
    uvicorn.Server(configuration(predictor, settings or ServeSettings())).run(sockets=[listening])


def configuration(predictor: Predictor, settings: ServeSettings) -> uvicorn.Config:
    """How uvicorn runs a service."""
    return uvicorn.Config(
        make_app(predictor, settings),
        http=hurried(settings.max_seconds),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
