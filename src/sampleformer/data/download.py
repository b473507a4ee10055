"""Downloads that are checked and kept."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from sampleformer.data.cache import cache_folder, make_folder, sha256
from sampleformer.data.progress import download_bar
from sampleformer.errors import InputError, one_line
from sampleformer.extras import require
from sampleformer.files import write_text

if TYPE_CHECKING:
    from requests import Response

logger = logging.getLogger("sampleformer")

_SECONDS = 60
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Download:
    """A file that is published at one or several addresses.

    Where no SHA-256 is published, the cache keeps that of the first download beside the file, and later uses and
    downloads are compared with it.

    Args:
        name: Name of the file in the cache. Letters, digits, ``_``, ``.``, ``+`` and ``-``.
        addresses: Addresses that have it, ``https``. The first that gives the right file is taken.
        sha256: SHA-256, as hexadecimal digits. None: none is published.
        md5: MD5, where that is what is published.
    """

    name: str
    addresses: Sequence[str]
    sha256: str | None = None
    md5: str | None = None

    def fetch(self, cache: str | None = None) -> Path:
        """The file's path in the cache; it is downloaded if it is not there.

        Args:
            cache: folder of the cache. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.

        Raises:
            InputError: if no address gives the right file; it says how to fetch it by hand. If the name could lead out
                of the cache.
        """
        if not is_file_name(self.name):
            raise InputError(f"{self.name!r}: expected the plain name of a file, which cannot lead out of the cache")
        folder = make_folder(cache_folder(cache) / "downloads")
        known = self._known_hash(folder)
        failures = []
        for address in self.addresses:
            try:
                path = self._fetch_from(address, folder, known)
            except (OSError, ValueError) as error:  # no connection, an HTTP error; another file than expected
                failures.append(f"{address}: {one_line(str(error), 200)}")
            else:
                self._record(path)
                return path
        hint = f" ({known.replace('sha256:', 'SHA-256 ').replace('md5:', 'MD5 ')})" if known else ""
        raise InputError(
            f"{self.name}: cannot download it; fetch it by hand from {self.addresses[0]}{hint} and give it as 'path'. "
            f"Tried: {'; '.join(failures)}"
        )

    def _known_hash(self, folder: Path) -> str | None:
        """Hash to compare with, as pooch reads it: the published SHA-256, that of the first download, the MD5."""
        if self.sha256 is not None:
            return f"sha256:{self.sha256}"
        record = self._record_of(folder / self.name)
        if record.is_file() and _HASH.fullmatch(recorded := record.read_text(errors="replace").strip()):
            return f"sha256:{recorded}"
        return None if self.md5 is None else f"md5:{self.md5}"

    def _record(self, path: Path) -> None:
        """Keeps the hash of a first download, if none is published."""
        record = self._record_of(path)
        if self.sha256 is None and not record.exists():
            write_text(record, f"{sha256(path)}\n")

    @staticmethod
    def _record_of(path: Path) -> Path:
        return path.with_name(f"{path.name}.sha256")

    def _fetch_from(self, address: str, folder: Path, known: str | None) -> Path:
        pooch = require("pooch", "train")
        _refuse_plain(address)
        pooch.get_logger().setLevel(logging.WARNING)
        if not (folder / self.name).exists():
            logger.info("downloading %s from %s", self.name, address)
            if known is None:
                logger.warning("%s: no hash is published; that of this first download is kept", self.name)
        with download_bar(self.name) as bar:
            downloader = pooch.HTTPDownloader(
                progressbar=bar, chunk_size=1 << 16, timeout=_SECONDS, hooks={"response": _refuse_plain_redirect}
            )
            return Path(pooch.retrieve(address, known, fname=self.name, path=folder, downloader=downloader))


def is_file_name(name: str) -> bool:
    """Whether a name is that of a file in any folder, and no way to another folder or address.

    Example:
        >>> is_file_name("MUTAG.zip"), is_file_name("../MUTAG.zip")
        (True, False)
    """
    return _NAME.fullmatch(name) is not None


def _refuse_plain(address: str) -> None:
    """Raises ValueError for what anybody on the way could change; only this machine may be asked without encryption."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")):
        raise ValueError(f"found an address of the kind {parts.scheme!r}, expected https")


def _refuse_plain_redirect(response: Response, *_: Any, **__: Any) -> None:
    if response.is_redirect:
        _refuse_plain(urljoin(response.url, response.headers["location"]))
