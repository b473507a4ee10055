"""JSON and YAML files of this package, as plain values; whatever is wrong with one is an error of one line."""

from pathlib import Path
from typing import Any

from sampleformer.errors import InputError, shown
from sampleformer.parsing import parse_json, parse_yaml
from sampleformer.reading import reading

MOST_YAML_BYTES = 2**20
MOST_JSON_BYTES = 2**30
MOST_INTEGER = 2**64


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The object in a JSON file.

    Args:
        path: Path of the file.
        what: Words for what the file should be, such as "a saved model". For messages.

    Raises:
        InputError: if the file is missing, not regular, too large, damaged, or holds anything else than an object.
    """
    values = parse_json(read_text(path, what, MOST_JSON_BYTES), path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {shown(values)}, expected a JSON object: {what}")
    _check_integers(values, path)
    return values


def read_yaml(path: Path, what: str) -> dict[str, Any]:
    """The settings in a YAML file.

    Args:
        path: Path of the file.
        what: Words for what the file should be. For messages.

    Raises:
        InputError: if the file is missing, not regular, too large, damaged, or holds anything else than settings.
    """
    values = parse_yaml(read_text(path, what, MOST_YAML_BYTES), path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: found {shown(values)}, expected {what}")
    _check_integers(values, path)
    return values


def read_text(path: Path, what: str, most_bytes: int) -> str:
    """The text of a file in UTF-8.

    Args:
        path: Path of the file.
        what: Words for what the file should be. For messages.
        most_bytes: Largest size that is read.

    Raises:
        InputError: if the file is missing, not regular, too large, or not UTF-8.
    """
    with reading(path, what):
        size = check_regular(path, what)
        if size > most_bytes:
            raise InputError(f"{path}: found {size:,} bytes, expected {what} of at most {most_bytes:,}")
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text (byte {error.start}), expected {what}") from error


def check_regular(path: Path, what: str) -> int:
    """The size of a regular file, in bytes.

    Args:
        path: Path of the file.
        what: Words for what the file should be. For messages.

    Raises:
        InputError: if the file is missing, or is a folder, a device or a pipe, which may hold anything or never end.
    """
    with reading(path, what):
        if not path.exists() and not path.is_symlink():
            raise InputError(f"{path}: no such file, expected {what}")
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"{path}: not a regular file, expected {what}")
        return size


def _check_integers(values: dict[str, Any], path: Path) -> None:
    """Refuses numbers of which no setting can be one, and which nothing can print: 0xff… of thousands of digits."""
    waiting: list[Any] = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int) and abs(value) > MOST_INTEGER:
            raise InputError(f"{path}: found the integer {shown(value)}, expected at most 64 bits")
