"""An NPZ archive whose arrays are checked as they are taken."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from sampleformer.errors import InputError
from sampleformer.unpacking import read_arrays

_KINDS = {"integers": "iu", "finite numbers": "biuf", "numbers": "biuf"}


class ArrayFile:
    """Some arrays of an NPZ archive, in memory.

    Args:
        path: of the archive.
        names: of the arrays that are read, if they are there.

    Raises:
        InputError: if the file is missing, cut short, or no archive of plain arrays.
    """

    def __init__(self, path: str | os.PathLike[str], names: Collection[str]) -> None:
        self.path = Path(path)
        self._arrays, self.found = read_arrays(self.path, names)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def get(self, name: str, *shape: int | str, kind: str = "integers") -> np.ndarray:
        """An array.

        Args:
            name: of the array.
            shape: its expected size in each dimension; a word stands for any.
            kind: "integers", "finite numbers" or "numbers".

        Raises:
            InputError: if it is missing, or its shape, type or values are not as expected.
        """
        if name not in self._arrays:
            raise InputError(f"{self.path}: array {name!r} is missing; found {', '.join(self.found) or 'none'}")
        array = self._arrays[name]
        fits = [isinstance(size, str) or size == real for size, real in zip(shape, array.shape, strict=False)]
        if array.ndim != len(shape) or not all(fits):
            expected = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
            raise InputError(f"{self.path}: array {name!r} has shape {array.shape}, expected ({expected})")
        if array.dtype.kind not in _KINDS[kind]:
            raise InputError(f"{self.path}: array {name!r} has dtype {array.dtype}, expected {kind}")
        if kind == "finite numbers" and not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(array))[0].tolist()
            raise InputError(f"{self.path}: array {name!r} is {array[tuple(place)]} at {place}, expected {kind}")
        return array

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an array; None if it is missing."""
        return self._arrays[name].shape if name in self._arrays else None
