"""What Peptides-func and Peptides-struct of the Long Range Graph Benchmark share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sampleformer.data.download import Download
from sampleformer.data.graph.restricted_pickle import read_pickle
from sampleformer.data.graph.smiles import SmilesTable
from sampleformer.errors import InputError
from sampleformer.tables.table import SUFFIXES, Table, read_table
from sampleformer.unpacking import read_bytes

SPLIT_ADDRESSES = (  # both sets have the same split
    "https://www.dropbox.com/s/j4zcnx2eipuo0xz/splits_random_stratified_peptide.pickle?dl=1",
    "https://www.dropbox.com/s/9dfifzft1hqgow6/splits_random_stratified_peptide_structure.pickle?dl=1",
)
SPLIT_MD5 = "5a0114bdadc80b94fc7ae974f13ef061"
_PARTS = {"train": "train", "val": "valid", "test": "test"}
MIRROR = "https://zenodo.org/records/6975830/files/{}?download=1"


class Peptides(SmilesTable):
    """15 535 peptides as molecules of some 150 atoms, with the published split; see the two that derive from it.

    Args:
        path: the published table, with the pickle of the split beside it, or the folder of both, or a table with the
            columns smiles, split (train, val, test) and the labels. None: both are downloaded.
        identifiers, laplacian, random_walk: what tells atoms apart beside what they are, see `Places`.
        task: Name of another task in `TASKS`, such as "masked". None: the set's own.
        limit: use at most so many molecules of each split.
        seed: seed of the choice of molecules.
        cache: folder for the downloads. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    names: ClassVar[tuple[str, ...]]
    table: ClassVar[Download]
    split_file: ClassVar[Download]
    kind: ClassVar[str]

    def __init__(
        self,
        path: str | None = None,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        task: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        cache: str | None = None,
    ) -> None:
        super().__init__(
            path or self.table.name,
            smiles="smiles",
            label=list(self.names),
            identifiers=identifiers,
            laplacian=laplacian,
            random_walk=random_walk,
            valid="split",
            test="split",
            task=task or self.kind,
            limit=limit,
            seed=seed,
        )
        self.given = path
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the table and its split, unless a path was given or they are in the cache.

        Returns:
            The table to read.
        """
        if self.given is None:
            self.split_file.fetch(self.cache)
            return self.table.fetch(self.cache)
        path = Path(self.given)
        if not path.is_dir():
            return path
        if not (path / self.table.name).exists():
            raise InputError(
                f"{path}: found no {self.table.name}, expected it and {self.split_file.name} in the folder"
            )
        return path / self.table.name

    def read(self) -> Table:
        path = self.prepare()
        table = read_table(path, self.on_error)
        columns = self.labelled(table)
        if "split" not in columns:
            columns["split"] = _splits(path.parent / self.split_file.name, len(table))
        return replace(table, columns=columns)

    @abstractmethod
    def labelled(self, table: Table) -> dict[str, Any]:
        """The columns of the table, with those of the labels."""


def _splits(path: Path, rows: int) -> list[str]:
    """The part of each row, from the published pickle."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file, expected the published split beside the table (or a column 'split' in it: "
            f"{', '.join(SUFFIXES)})"
        )
    content = read_pickle(read_bytes(path), path)
    if not isinstance(content, dict) or not set(_PARTS) <= set(content):
        raise InputError(f"{path}: found a {type(content).__name__}, expected row numbers of {', '.join(_PARTS)}")
    split = np.full(rows, None, dtype=object)
    times = np.zeros(rows, dtype=np.int64)
    for theirs, ours in _PARTS.items():
        places = _row_numbers(content[theirs], f"{path}: {theirs}")
        wrong = places[(places < 0) | (places >= rows)]
        if len(wrong):
            raise InputError(f"{path}: {theirs} has row {wrong[0]}, expected 0 to {rows - 1}, the rows of the table")
        times += np.bincount(places, minlength=rows)
        split[places] = ours
    if times.max(initial=0) > 1:
        raise InputError(f"{path}: row {times.argmax()} is listed {times.max()} times, expected each row in one part")
    missing = int((times == 0).sum())
    if missing:
        raise InputError(f"{path}: {missing} of {rows} rows of the table are in no part, expected all in one")
    return split.tolist()


def _row_numbers(values: Any, where: str) -> np.ndarray:
    try:
        found = np.asarray(values).reshape(-1)
    except ValueError as error:  # lists of unequal lengths
        raise InputError(f"{where} holds no row numbers ({error})") from error
    if len(found) and found.dtype.kind not in "iu":
        raise InputError(f"{where} holds {found.dtype}, expected row numbers")
    return found.astype(np.int64)
