"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path

from sampleformer.errors import InputError


def check_writable(path: Path, option: str) -> None:
    """Raises InputError if a file cannot be written, before anything is done for it.

    Args:
        path: of the file, which may exist.
        option: that names it, for the message.
    """
    if path.is_dir():
        raise InputError(f"{option}: {path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"{option}: {path}: there is no folder {path.parent}, expected a file in a folder that exists")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"{option}: {path} cannot be written: {error.strerror}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file beside its place and moves it there, so that no reader ever sees half of it.

    Raises:
        InputError: if it cannot be written; what was there before is then still there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
