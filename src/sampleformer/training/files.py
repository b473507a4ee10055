"""Files that are whole or absent."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
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


def write_text(path: Path, text: str) -> None:
    """Writes a file beside its place and moves it there, so that no reader ever sees half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


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
