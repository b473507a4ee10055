"""How files of graphs are read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sampleformer.settings import construct
from sampleformer.tables.feature_columns import FeatureColumns

Codes = tuple[tuple[bool, ...], tuple[bool, ...]]
"""Which features of nodes, and which of edges, are codes."""


@dataclass(frozen=True)
class GraphFormat:
    """What a new file must have to be like those of the training.

    Args:
        node_columns: columns that describe nodes. None: all that are not for anything else.
        edge_columns: columns that describe edges. None: all that are not for anything else.
        directed: whether edges lead from source to target alone; of files of arrays, those of the training say it.
        left_out: columns that describe neither: labels, splits.
        codes: which features are codes and no numbers, where files of arrays leave it open. None: it is found out.
    """

    node_columns: FeatureColumns | None = None
    edge_columns: FeatureColumns | None = None
    directed: bool = False
    left_out: tuple[str, ...] = ()
    codes: Codes | None = None

    def to_json(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> GraphFormat:
        """The inverse of `to_json`."""
        columns = {
            name: None if found is None else construct(FeatureColumns, found, f"inputs.format.{name}")
            for name in ("node_columns", "edge_columns")
            for found in [values.pop(name)]
        }
        return construct(cls, values, "inputs.format", **columns)
