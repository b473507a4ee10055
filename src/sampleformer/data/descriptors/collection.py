"""All descriptors of a run, and what the training part teaches about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampleformer.data.descriptors.base import DESCRIPTORS, Descriptor
from sampleformer.data.descriptors.coding import QuantileCoding
from sampleformer.errors import InputError
from sampleformer.settings import construct
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

BINS = 8


@dataclass(frozen=True)
class Descriptors:
    """Descriptors and the coding of each, learnt on the training part and saved with the model.

    Args:
        parts: Descriptors.
        codings: Coding of what each measures.

    Raises:
        ValueError: if a coding is for more columns than its descriptor has.
    """

    parts: tuple[Descriptor, ...]
    codings: tuple[QuantileCoding, ...]

    def __post_init__(self) -> None:
        for part, coding in zip(self.parts, self.codings, strict=True):
            if max(coding.columns, default=0) >= max(len(part.names), 1):
                raise ValueError(
                    f"the coding of {part.name!r} has the column {max(coding.columns)}, expected less than "
                    f"{len(part.names)}"
                )

    @classmethod
    def learn(cls, parts: Sequence[Descriptor], measured: Sequence[np.ndarray]) -> Descriptors:
        """What the training part teaches.

        Args:
            parts: Descriptors.
            measured: What each measured of the training part.
        """
        return cls(tuple(parts), tuple(QuantileCoding.learn(each, BINS) for each in measured))

    @property
    def widths(self) -> list[int]:
        """Bins of each code, see `QuantileCoding`."""
        return [width for coding in self.codings for width in coding.widths]

    @property
    def names(self) -> list[str]:
        """Name of each code."""
        return [
            name for part, coding in zip(self.parts, self.codings, strict=True) for name in coding.names(part.names)
        ]

    def name_in(self, code: int, source: str | None) -> str:
        """Name of a code, in terms of a sample where its raw text is known, see `Descriptor.name_in`."""
        for part, coding in zip(self.parts, self.codings, strict=True):
            if code < len(coding.widths):
                places = coding.names([str(place) for place in range(len(part.names))])
                column, space, further = places[code].partition(" ")
                name = part.names[int(column)] if source is None else part.name_in(int(column), source)
                return f"{name}{space}{further}"
            code -= len(coding.widths)
        raise IndexError(f"code is {code}, expected less than {len(self.widths)}")

    def encode(self, measured: Sequence[np.ndarray]) -> np.ndarray:
        """Codes ``(rows, len(widths))`` float16 of what each descriptor measured."""
        return np.concatenate(
            [coding.encode(each) for coding, each in zip(self.codings, measured, strict=True)], axis=1
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Plain values for `from_json`."""
        return [
            {"name": _name_of(part), "arguments": part.to_json(), "coding": coding.to_json()}
            for part, coding in zip(self.parts, self.codings, strict=True)
        ]

    @classmethod
    def from_json(cls, values: Sequence[dict[str, Any]]) -> Descriptors:
        """The inverse of `to_json`.

        Raises:
            InputError: if a descriptor is unknown, or is code of the user's where none may run.
        """
        parts, codings = [], []
        for each in values:
            parts.append(DESCRIPTORS.resolve(each["name"], "descriptors").from_json(dict(each["arguments"])))
            codings.append(construct(QuantileCoding, each["coding"], "descriptors.coding"))
        return cls(tuple(parts), tuple(codings))


def _name_of(part: Descriptor) -> str:
    """Registered name, or import path of a class of the user's."""
    kind = type(part)
    return kind.name if DESCRIPTORS.get(kind.name) is kind else f"{kind.__module__}.{kind.__qualname__}"


def measure(
    parts: Sequence[Descriptor], values: Sequence[Any] | np.ndarray, table: Table, report: RowReport
) -> tuple[np.ndarray, ...]:
    """What each descriptor measures of the rows of a table.

    Raises:
        InputError: if one is for values of another kind.
    """
    for part in parts:
        if len(values) and not isinstance(values[0], part.takes):
            fitting = [name for name, each in DESCRIPTORS.items() if isinstance(values[0], each.takes)]
            raise InputError(
                f"descriptors: {part.name!r} is for {part.of}, which these samples are not; expected "
                f"{' or '.join(map(repr, fitting))}"
            )
    return tuple(part.measure(values, table, report) for part in parts)
