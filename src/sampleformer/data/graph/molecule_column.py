"""A column of molecules as tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.molecules import ATOM_SIZES, BOND_SIZES, MoleculeError, molecule_graph
from sampleformer.data.graph.packing import pack_graphs
from sampleformer.data.graph.places import Places
from sampleformer.data.inputs import Inputs
from sampleformer.data.progress import progress_bar
from sampleformer.data.token_sets import TokenSets
from sampleformer.extras import require
from sampleformer.sample import Sample
from sampleformer.settings import construct
from sampleformer.tables.memory import sample_tables
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import SUFFIXES
from sampleformer.tasks import Contents

if TYPE_CHECKING:
    from sampleformer.tables.table import Table

_NOTHING = Graph(
    np.zeros((0, len(ATOM_SIZES)), np.uint8), np.zeros((0, 2), np.int64), np.zeros((0, sum(BOND_SIZES)), np.uint8)
)


class Molecule(NamedTuple):
    """A SMILES and its graph."""

    smiles: str
    graph: Graph


class MoleculeColumn(Inputs, kind="smiles"):
    """A column of SMILES, one molecule each: its atoms are the nodes, its bonds the edges, see `molecule_graph`.

    Args:
        column: its name.
        places: what tells the atoms apart beside what they are.
    """

    has_source = True
    unit = "atom"
    prepares = True
    file_suffixes = SUFFIXES

    def __init__(self, column: str, places: Places) -> None:
        self.column = column
        self.places = places

    @property
    def model_inputs(self) -> dict[str, Any]:
        return {
            "vocabularies": list(ATOM_SIZES),
            "edge_features": sum(BOND_SIZES),
            "directed": False,
            **self.places.model_inputs,
        }

    def with_learnt(self, other: Inputs) -> MoleculeColumn:
        self._alike(other)
        return self  # atoms and bonds have the same codes everywhere

    @property
    def contents(self) -> Contents:
        return Contents(
            labels=[*(_symbol(number) for number in range(ATOM_SIZES[0] - 1)), "?"], unknown=ATOM_SIZES[0] - 1
        )

    def parse(self, table: Table, report: RowReport) -> np.ndarray:
        return parse_molecules(table, self.column, report)

    def given(self, samples: Any, rows: int | None = None) -> Iterator[Table]:
        return sample_tables(samples, self.column, rows)

    @property
    def value_schema(self) -> dict[str, Any]:
        return {"type": "string", "description": "A molecule as SMILES."}

    @property
    def row_schema(self) -> dict[str, Any]:
        return {self.column: self.value_schema}

    def is_one(self, value: Any) -> bool:
        return isinstance(value, str | Mapping)

    def encode(self, values: np.ndarray, report: RowReport) -> TokenSets:
        graphs = [molecule.graph for molecule in values]
        return pack_graphs(graphs, self.places.encodings(graphs), [molecule.smiles for molecule in values])

    def prepare(self, sample: Sample, random: np.random.Generator, *, training: bool) -> Sample:
        return self.places.prepare(sample, random, training=training)

    def pieces(self, sample: Sample) -> list[str]:
        names = self.contents.labels
        return [names[number] for number in sample.features[:, 0].tolist()]

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "places": self.places.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MoleculeColumn:
        places = construct(Places, values.pop("places"), "inputs.places")
        return construct(cls, values, "inputs", places=places)


def parse_molecules(table: Table, column: str, report: RowReport) -> np.ndarray:
    """Molecules of a column, ``(rows,)`` of `Molecule`; what is no SMILES is reported."""
    molecules = np.empty(len(table), dtype=object)
    with progress_bar("molecules", len(table)) as show:
        for row, value in enumerate(table.column(column)):
            molecules[row] = Molecule("", _NOTHING)
            try:
                smiles = "" if value is None else str(value)
                molecules[row] = Molecule(smiles, molecule_graph(smiles))
            except MoleculeError as error:
                report.add(row, f"column {column!r}: {error}")
            if row % 100 == 99:
                show(row + 1)
    return molecules


def _symbol(number: int) -> str:
    """Symbol of the element whose code is a number."""
    return str(require("rdkit.Chem", "graph").GetPeriodicTable().GetElementSymbol(number + 1))
