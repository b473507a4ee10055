"""An NPZ archive whose arrays are checked as they are taken."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from sampleformer.errors import InputError
from sampleformer.tables.values import LARGEST
from sampleformer.unpacking import read_arrays

_KINDS = {"integers": "iu", "float32 numbers": "biuf", "numbers": "biuf"}


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
            kind: "integers", "float32 numbers": finite ones that float32 can hold, or "numbers".

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
        if kind == "float32 numbers" and array.dtype.kind == "f" and not (np.abs(array) <= LARGEST).all():
            place = np.argwhere(~(np.abs(array) <= LARGEST))[0].tolist()
            expected = f"finite numbers up to {LARGEST:.3g}"
            raise InputError(f"{self.path}: array {name!r} is {array[tuple(place)]} at {place}, expected {expected}")
        return array

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an array; None if it is missing."""
        return self._arrays[name].shape if name in self._arrays else None
