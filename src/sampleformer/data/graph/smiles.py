"""Tables with a column of molecules."""

import os

import numpy as np
from typing_extensions import Unpack

from sampleformer.data.graph.molecule_column import MoleculeColumn, parse_molecules
from sampleformer.data.graph.molecules import MoleculeError
from sampleformer.data.graph.places import Places
from sampleformer.data.graph.scaffolds import scaffold, split_by_scaffold
from sampleformer.data.table_loading import Values
from sampleformer.data.table_source import RowOptions, TableSource
from sampleformer.errors import InputError, nearest
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

SPLITS = ("random", "scaffold")


class SmilesTable(TableSource):
    """A table with a column of molecules as SMILES.

    Args:
        path: CSV, TSV, JSONL (each also .gz) or Parquet file.
        smiles: column of the SMILES.
        label: target column, or several.
        identifiers, laplacian, random_walk: what tells atoms apart beside what they are, see `Places`.
        split: "random", seeded tenths; or "scaffold": no Bemis-Murcko scaffold is in two parts, as in MoleculeNet. Only
            for parts that `valid` and `test` do not give.
        rows: ``valid``, ``test``, ``task``, ``id``, ``limit``, ``seed``, ``on_error`` and ``format``: which rows are
            for what, and how the files are read, see `RowOptions`.
    """

    row_by_row = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        smiles: str,
        label: str | list[str] | None = None,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        split: str = "random",
        **rows: Unpack[RowOptions],
    ) -> None:
        super().__init__(path, label, **rows)
        if split not in SPLITS:
            raise InputError(f"split: found {split!r}; {nearest(split, SPLITS)}")
        self.smiles = smiles
        self.places = Places(identifiers, laplacian, random_walk)
        self.split = split

    def input_columns(self, table: Table) -> list[str]:
        return [self.smiles]

    def parse_inputs(self, table: Table, columns: list[str], report: RowReport) -> np.ndarray:
        return parse_molecules(table, self.smiles, report)

    def learn_inputs(self, columns: list[str], values: Values) -> MoleculeColumn:
        return MoleculeColumn(self.smiles, self.places)

    def split_off(self, inputs: Values, targets: np.ndarray, parts: int) -> list[np.ndarray]:
        if self.split == "random":
            return super().split_off(inputs, targets, parts)
        shares = (0.8, 0.1, 0.1) if parts == 2 else (0.9, 0.1, 0.0)
        try:
            scaffolds = [scaffold(molecule.smiles) for molecule in inputs]
        except MoleculeError as error:
            raise InputError(f"{self.path}: split: {error}; expected the split 'random'") from error
        train, *others = split_by_scaffold(scaffolds, shares)
        if not all(map(len, [train, *others[:parts]])):
            raise InputError(
                f"{self.path}: split: found {len(set(scaffolds))} different scaffolds among {len(scaffolds)} "
                "molecules, which leave a part without any; expected more of them, or the split 'random'"
            )
        return [*others[:parts], train]
