"""Rooms of S3DIS from their original text files."""

import io
import re
from pathlib import Path

import numpy as np

from sampleformer.data.point_cloud.cloud import Cloud
from sampleformer.data.point_cloud.text_rows import text_rows, to_numbers
from sampleformer.errors import InputError
from sampleformer.reading import reading
from sampleformer.tables.values import LARGEST
from sampleformer.unpacking import read_bytes
from sampleformer.wording import count

CLASSES = (
    *("ceiling", "floor", "wall", "beam", "column", "window", "door"),
    *("table", "chair", "sofa", "bookcase", "board", "clutter"),
)
_COLUMNS = 6  # x y z red green blue
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r")
_TO_BLANKS = bytes.maketrans(_CONTROL, b" " * len(_CONTROL))


def room_folders(path: Path) -> list[Path]:
    """The folders of all rooms, in the order of their names."""
    return sorted(folder.parent for folder in path.glob("Area_*/*/Annotations") if folder.is_dir())


def is_room(path: Path) -> bool:
    """Whether a path is the folder of annotations of a room."""
    return path.name == "Annotations" and path.is_dir()


def read_room(path: Path) -> Cloud:
    """The points of a room, with their colours in [0, 1] and their classes.

    Each object has a file, ``chair_1.txt``; a class that is none of the thirteen (stairs) is clutter, as published. A
    control character that stands in one published file in the place of a blank is read as one.

    Args:
        path: the folder ``Annotations``.

    Raises:
        InputError: if there are no files, or a line is no point.
    """
    files = sorted(path.glob("*.txt"))
    if not files:
        raise InputError(f"{path}: found no files, expected a text file for each object, such as chair_1.txt")
    parts, labels = [], []
    for file in files:
        name = re.sub(r"_\d+$", "", file.stem).lower()
        number = CLASSES.index(name) if name in CLASSES else len(CLASSES) - 1
        parts.append(_read_object(file))
        labels.append(np.full(len(parts[-1]), number))
    values = np.concatenate(parts)
    with reading(path, "a room of S3DIS"):
        return Cloud.measured(values[:, :3], None, values[:, 3:] / 255, np.concatenate(labels))


def _read_object(path: Path) -> np.ndarray:
    content = read_bytes(path).translate(_TO_BLANKS)
    try:
        values = np.loadtxt(io.BytesIO(content), ndmin=2)
    except ValueError:
        values = np.zeros((0, 0))
    if values.shape[1] == _COLUMNS and (np.abs(values) <= LARGEST).all():
        return values
    rows = text_rows(path, content)  # slower, but it says which line is wrong
    for row in rows:
        if len(row.fields) != _COLUMNS:
            raise InputError(f"{path}: line {row.line}: found {count(len(row.fields), 'column')}, expected {_COLUMNS}")
    numbers = to_numbers(path, rows, 0, _COLUMNS)
    for place, column in np.argwhere(np.abs(numbers) > LARGEST).tolist():
        found = f"found {numbers[place, column]:g} in column {column + 1}"
        raise InputError(f"{path}: line {rows[place].line}: {found}, expected at most {LARGEST:g} in size")
    return numbers
