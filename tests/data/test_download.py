"""Downloads, from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sampleformer.data.download import Download
from sampleformer.errors import InputError

CONTENT = b"the right file" * 10_000
HASH = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves the right file, a wrong one, and nothing else."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        content = {"/right": CONTENT, "/wrong": b"something else"}.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def test_file_is_downloaded_once(server: str, tmp_path: Path) -> None:
    download = Download("a.bin", [f"{server}/right"], HASH)
    path = download.fetch(str(tmp_path))
    assert path.read_bytes() == CONTENT
    assert download.fetch(str(tmp_path)) == path
    assert Handler.requests == ["/right"]


def test_next_address_is_tried(server: str, tmp_path: Path) -> None:
    addresses = [f"{server}/missing", f"{server}/wrong", f"{server}/right"]
    assert Download("a.bin", addresses, HASH).fetch(str(tmp_path)).read_bytes() == CONTENT


def test_damaged_file_in_the_cache_is_replaced(server: str, tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "a.bin").write_bytes(CONTENT[:100])
    assert Download("a.bin", [f"{server}/right"], HASH).fetch(str(tmp_path)).read_bytes() == CONTENT


def test_error_says_what_to_fetch_by_hand(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        Download("a.bin", [f"{server}/wrong", "http://127.0.0.1:9/nobody"], HASH).fetch(str(tmp_path))
    message = str(caught.value)
    assert f"fetch it by hand from {server}/wrong (SHA-256 {HASH}) and give it as 'path'" in message
    assert "127.0.0.1:9/nobody" in message
    assert "\n" not in message
    assert list((tmp_path / "downloads").iterdir()) == []


def test_md5_where_that_is_what_is_published(server: str, tmp_path: Path) -> None:
    md5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
    addresses = [f"{server}/wrong", f"{server}/right"]
    assert Download("a.bin", addresses, md5=md5).fetch(str(tmp_path)).read_bytes() == CONTENT
    with pytest.raises(InputError, match=r"fetch it by hand from .*/missing \(MD5 0000\) and give it as 'path'"):
        Download("b.bin", [f"{server}/missing"], md5="0000").fetch(str(tmp_path))


def test_a_download_that_cannot_be_checked_says_so(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger="sampleformer"):
        assert Download("a.bin", [f"{server}/right"]).fetch(str(tmp_path)).read_bytes() == CONTENT
    assert "a.bin: no hash is published, so the download cannot be checked" in caplog.text
