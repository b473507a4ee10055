"""The contract of what turns the input columns of a table into tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from sampleformer.data.report import RowReport
from sampleformer.data.samples import Sample

if TYPE_CHECKING:
    from sampleformer.data.table import Table


class Encoded(NamedTuple):
    """Tokens of many samples, one after the other: see `Samples`."""

    features: np.ndarray
    offsets: np.ndarray
    sources: list[str] | None


class Inputs(ABC):
    """Turns the input columns of a table into tokens.

    A subclass names its kind, under which it is saved: ``class TextColumn(Inputs, kind="text")``.
    """

    kinds: ClassVar[dict[str, type[Inputs]]] = {}
    kind: ClassVar[str]
    layout: tuple[int, int] | None = None

    def __init_subclass__(cls, kind: str, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = kind
        cls.kinds[kind] = cls

    @property
    @abstractmethod
    def model_inputs(self) -> dict[str, int]:
        """What the embedding must know: the vocabulary's size or the number of features."""

    @abstractmethod
    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        """The columns' values, one entry or row for each row of the table; wrong rows are reported."""

    @abstractmethod
    def encode(self, values: np.ndarray, report: RowReport) -> Encoded:
        """The tokens of parsed values."""

    @abstractmethod
    def pieces(self, sample: Sample) -> list[str]:
        """What each token of a sample shows in an explanation."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""

    @classmethod
    @abstractmethod
    def from_json(cls, values: dict[str, Any]) -> Inputs:
        """The inverse of `to_json`."""
