"""Where downloads and generated data are kept between runs, and how files get there whole or not at all."""

import hashlib
import os
from pathlib import Path

import platformdirs

from sampleformer.errors import InputError


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """The folder for downloaded and generated data.

    Args:
        folder: the user's choice. None: the environment variable ``SAMPLEFORMER_CACHE``, else the user's cache folder.

    Returns:
        The folder's path; it need not exist yet.
    """
    chosen = folder or os.environ.get("SAMPLEFORMER_CACHE") or platformdirs.user_cache_dir("sampleformer")
    return Path(chosen).expanduser()


def make_folder(folder: Path) -> Path:
    """Creates a folder and its parents.

    Raises:
        InputError: if the folder cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot create the folder ({error.strerror})") from error
    return folder


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
