"""Downloads that are checked and kept."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sampleformer.data.cache import cache_folder, make_folder
from sampleformer.data.progress import download_bar
from sampleformer.errors import InputError

logger = logging.getLogger("sampleformer")

_SECONDS = 60


@dataclass(frozen=True)
class Download:
    """A file that is published at one or several addresses.

    Args:
        name: what it is called in the cache.
        addresses: where it can be had; the first that gives the right file is taken.
        sha256: its SHA-256, as hexadecimal digits. None: none is published.
        md5: its MD5, where that is what is published. If neither is known, the log says that the file was not checked.
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
            InputError: if no address gives the right file; it says how to fetch it by hand.
        """
        failures = []
        for address in self.addresses:
            try:
                return self._fetch_from(address, make_folder(cache_folder(cache) / "downloads"))
            except (OSError, ValueError) as error:  # no connection, an HTTP error; another file than expected
                failures.append(f"{address}: {' '.join(str(error).split())[:200]}")
        raise InputError(
            f"{self.name}: cannot download it; fetch it by hand from {self.addresses[0]}{self._hash_in_words} and "
            f"give it as 'path'. Tried: {'; '.join(failures)}"
        )

    @property
    def _hash_in_words(self) -> str:
        if self.sha256 is not None:
            return f" (SHA-256 {self.sha256})"
        return "" if self.md5 is None else f" (MD5 {self.md5})"

    @property
    def _known_hash(self) -> str | None:
        """What the file is checked against, as pooch reads it."""
        if self.sha256 is not None:
            return f"sha256:{self.sha256}"
        return None if self.md5 is None else f"md5:{self.md5}"

    def _fetch_from(self, address: str, folder: Path) -> Path:
        import pooch

        pooch.get_logger().setLevel(logging.WARNING)
        if not (folder / self.name).exists():
            logger.info("downloading %s from %s", self.name, address)
            if self._known_hash is None:
                logger.warning("%s: no hash is published, so the download cannot be checked", self.name)
        with download_bar(self.name) as bar:
            downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=_SECONDS)
            return Path(pooch.retrieve(address, self._known_hash, fname=self.name, path=folder, downloader=downloader))
