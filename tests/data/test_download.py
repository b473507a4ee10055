"""Downloads, from a server on this machine."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sampleformer import data
from sampleformer.data.download import Download
from sampleformer.data.graph.tu_dataset import TuDataset
from sampleformer.errors import InputError

CONTENT = b"the right file" * 10_000
HASH = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves the right file, a wrong one, and nothing else."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        content = {"/right": CONTENT, "/wrong": b"something else"}.get(self.path)
        self.send_response(302 if self.path == "/moved" else 404 if content is None else 200)
        if self.path == "/moved":
            self.send_header("Location", "http://example.org/right")
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


@pytest.mark.parametrize("md5", [None, hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()])
def test_a_file_without_a_published_hash_is_compared_with_the_first_one(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, md5: str | None
) -> None:
    download = Download("a.bin", [f"{server}/right"], md5=md5)
    with caplog.at_level("WARNING", logger="sampleformer"):
        path = download.fetch(str(tmp_path))
    assert ("a.bin: no hash is published; that of this first download is kept" in caplog.text) == (md5 is None)
    assert (tmp_path / "downloads" / "a.bin.sha256").read_text() == f"{HASH}\n"
    path.write_bytes(b"changed")
    assert download.fetch(str(tmp_path)).read_bytes() == CONTENT
    path.unlink()
    with pytest.raises(InputError, match=rf"cannot download it; fetch it by hand .* \(SHA-256 {HASH}\)"):
        Download("a.bin", [f"{server}/wrong"]).fetch(str(tmp_path))


@pytest.mark.parametrize("name", ["../a", "a/b", "/a", "..", ".", "", ".a", "a\\b", "a\0b", "a?b", "a\n", "a b"])
def test_a_name_cannot_lead_out_of_the_cache(server: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot lead out of the cache"):
        Download(name, [f"{server}/right"], HASH).fetch(str(tmp_path / "cache"))
    with pytest.raises(InputError, match="dataset: found .*, expected the name of a set"):
        TuDataset(name)
    assert list(tmp_path.iterdir()) == []
    assert Handler.requests == []


@pytest.mark.parametrize("address", ["http://example.org/a", "ftp://example.org/a", "file:///etc/passwd", "a"])
def test_plain_http_is_not_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="found an address of the kind '.*', expected https"):
        Download("a.bin", [address], HASH).fetch(str(tmp_path))


def test_https_does_not_lead_to_plain_http(server: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found an address of the kind 'http', expected https"):
        Download("a.bin", [f"{server}/moved"], HASH).fetch(str(tmp_path))
    assert Handler.requests == ["/moved"]


def test_every_published_address_is_encrypted() -> None:
    published = Path(data.__file__).parent
    assert not [path for path in published.rglob("*.py") if "http://" in path.read_text(encoding="utf-8")]
