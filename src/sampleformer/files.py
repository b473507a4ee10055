"""Files that are whole or absent."""

import csv
import io
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sampleformer.errors import InputError


def check_output(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """A path that may be written to.

    Args:
        path: of a file to be made.
        force: whether it may exist already.

    Raises:
        InputError: if it exists, or its folder does not.
    """
    path = Path(path)
    if path.is_dir() or (path.exists() and not force):
        raise InputError(f"{path}: exists already and is not overwritten; give another name")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent} to write it in")
    return path


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


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside a file's own, which takes its name when the block ends well, so that no reader sees half of it.

    Raises:
        InputError: if it cannot be written; what was there before is then still there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a whole file."""
    with written_whole(path) as part:
        part.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Writes a whole file, in UTF-8 and with the line ends that the text has."""
    write_bytes(path, text.encode())


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes values as JSON; not-a-number becomes null."""
    write_text(path, json.dumps(_plain(values), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows as CSV; what a row lacks is left empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
