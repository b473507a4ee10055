"""Features of nodes or edges from several arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sampleformer.tables.values import EXACT, LARGEST

_BARE_NODES = 2**20


@dataclass(frozen=True)
class ArrayFeatures:
    """Arrays beside each other.

    Args:
        values: all of them, ``(rows, f)``; or the only one, ``(rows,)`` codes.
        integers: which features are integers, and so may be codes, ``(f,)``.
        names: of the arrays.
    """

    values: np.ndarray
    integers: tuple[bool, ...]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], rows: int) -> ArrayFeatures:
        """Puts arrays ``(rows,)`` or ``(rows, f)`` beside each other; without any, there are no features.

        Integers stay integers beside other numbers: `integers` tells them apart.

        Raises:
            ValueError: if an integer beside other numbers has more digits than these can hold.

        Example:
            >>> found = ArrayFeatures.of({"kind": np.array([3, 1]), "size": np.array([[0.5], [2.0]])}, 2)
            >>> found.values.tolist(), found.integers
            ([[3.0, 0.5], [1.0, 2.0]], (True, False))
        """
        names = tuple(arrays)
        if not arrays:
            return cls(np.zeros((rows, 0), dtype=np.uint8), ())
        columns = [array[:, None] if array.ndim == 1 else array for array in arrays.values()]
        integers = tuple(array.dtype.kind in "iu" for array in columns for _ in range(array.shape[1]))
        if len(columns) == 1:
            only = next(iter(arrays.values()))
            return cls(only if only.ndim == 2 or only.dtype.kind in "iu" else columns[0], integers, names)
        together = np.result_type(*columns)
        if together.kind == "f":
            for name, array in zip(names, columns, strict=True):
                if array.dtype.kind in "iu" and array.size and max(-int(array.min()), int(array.max())) > EXACT:
                    raise ValueError(f"{name} has an integer beyond 2^53, expected smaller ones beside other numbers")
        return cls(np.concatenate(columns, axis=1, dtype=together), integers, names)


def check_bare(nodes: int, edges: int) -> None:
    """That nodes which carry nothing are no more than a few for each edge: a number of them costs nothing to claim.

    Raises:
        ValueError: if they are.
    """
    most = max(_BARE_NODES, 100 * edges)
    if nodes > most:
        raise ValueError(
            f"found {nodes:,} nodes that carry nothing and {edges:,} edges, expected at most {most:,} nodes"
        )


def check_numbers(of: str, features: np.ndarray) -> None:
    """That features are numbers which float32 can hold.

    Args:
        of: "node" or "edge".
        features: ``(rows,)`` or ``(rows, f)``.

    Raises:
        ValueError: if they are not.
    """
    if features.dtype.kind not in "biuf":
        raise ValueError(f"{of} features have dtype {features.dtype}, expected numbers")
    if features.dtype.kind != "f" or not features.size:
        return
    if max(-features.min(), features.max()) <= LARGEST:  # false for NaN too
        return
    place = tuple(np.argwhere(~(np.abs(features) <= LARGEST))[0].tolist())
    found = features[place]
    expected = f"a number up to {LARGEST:.3g}" if np.isfinite(found) else "a finite number"
    column = f"feature {place[1]} of " if len(place) > 1 else ""
    raise ValueError(f"{column}{of} {place[0]} is {found}, expected {expected}")
