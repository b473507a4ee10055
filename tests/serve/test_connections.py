"""Requests that come slowly."""

import socket

import pytest

pytest.importorskip("uvicorn")

from sampleformer.serve.settings import ServeSettings
from sampleformer.training import Predictor
from tests.serve.services import served
from tests.serve.untrained import text_run

HEAD = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(text_run(tmp_path_factory.mktemp("texts")).path)


def until_closed(address: str, *parts: bytes) -> bytes:
    """All that a service sends on a connection until it closes it."""
    port = int(address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
        found = b""
        while part := connection.recv(1 << 16):
            found += part
        return found


@pytest.mark.parametrize("parts", [(), (b"POST /pre",), (HEAD[:-2],)], ids=str)
def test_a_head_that_does_not_come_is_not_waited_for(predictor: Predictor, parts: tuple[bytes, ...]) -> None:
    with served(predictor, ServeSettings(max_seconds=0.2)) as address:
        assert until_closed(address, *parts) == b""


def test_a_second_head_that_does_not_come_is_not_waited_for(predictor: Predictor) -> None:
    with served(predictor, ServeSettings(max_seconds=0.2)) as address:
        found = until_closed(address, b"GET /health HTTP/1.1\r\nHost: here\r\n\r\nGET /heal")
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert found.count(b"HTTP/1.1") == 1


def test_a_body_that_does_not_come_is_answered(predictor: Predictor) -> None:
    with served(predictor, ServeSettings(max_seconds=0.2)) as address:
        found = until_closed(address, HEAD + b'{"sample')
    assert found.startswith(b"HTTP/1.1 408 ")
    assert found.endswith(b'{"error":"the body did not come within 0.2 seconds"}')
