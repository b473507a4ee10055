"""The results of the study as they come: each finished cell is written at once, and a new run goes on from there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampleformer.errors import InputError
from sampleformer.files import write_json

KEYS = {
    "bias": ("estimator", "n", "k", "seed", "draws"),
    "task": ("variant", "n", "seed", "steps"),
    "recipe": ("variant", "recipe", "sampled", "seed", "steps"),
}
"""What tells one cell from another, by part."""


class StudyFile:
    """Cells by part, in memory and, if there is a file, in JSON.

    Args:
        path: of the file; cells that it holds are kept. None: there is no file.

    Raises:
        InputError: if the file is there, but not one of this benchmark's.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.about: dict[str, Any] = {}
        self.cells: dict[str, list[dict[str, Any]]] = {part: [] for part in KEYS}
        if path is not None and path.exists():
            self._read(path)

    def cell(self, part: str, key: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> None:
        """Makes a cell and writes it, unless it is there already.

        Args:
            part: of `KEYS`.
            key: the values of the part's keys.
            make: makes the whole cell.
        """
        if any(all(cell[name] == key[name] for name in KEYS[part]) for cell in self.cells[part]):
            return
        self.cells[part].append(dict(make()))
        self.write()

    def write(self) -> None:
        """Writes the file, if there is one."""
        if self.path is not None:
            write_json(self.path, {**self.about, **self.cells})

    def asked(self, part: str, **wanted: Sequence[Any]) -> list[dict[str, Any]]:
        """The cells of a part whose values are among those wanted, in the order of these.

        Args:
            part: of `KEYS`.
            wanted: values by name.
        """
        found = [cell for cell in self.cells[part] if all(cell[name] in values for name, values in wanted.items())]
        return sorted(found, key=lambda cell: [list(values).index(cell[name]) for name, values in wanted.items()])

    def _read(self, path: Path) -> None:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            for part, keys in KEYS.items():
                for cell in values[part]:
                    assert all(name in cell for name in keys)
                self.cells[part] = values.pop(part)
            self.about = values
        except (OSError, ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
            raise InputError(
                f"--json: {path} is not a file of bench estimators, expected one to go on with, or a name that is free"
            ) from error
