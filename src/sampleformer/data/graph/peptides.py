"""Peptides-func and Peptides-struct of the Long Range Graph Benchmark."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sampleformer.data.column_values import as_float
from sampleformer.data.download import Download
from sampleformer.data.graph.restricted_pickle import read_pickle
from sampleformer.data.graph.smiles import SmilesTable
from sampleformer.data.table import SUFFIXES, Table, read_table
from sampleformer.errors import InputError

_SPLIT_ADDRESSES = (  # both sets have the same split
    "https://www.dropbox.com/s/j4zcnx2eipuo0xz/splits_random_stratified_peptide.pickle?dl=1",
    "https://www.dropbox.com/s/9dfifzft1hqgow6/splits_random_stratified_peptide_structure.pickle?dl=1",
)
_SPLIT_MD5 = "5a0114bdadc80b94fc7ae974f13ef061"
_PARTS = {"train": "train", "val": "valid", "test": "test"}
_MIRROR = "https://zenodo.org/records/6975830/files/{}?download=1"


class Peptides(SmilesTable):
    """15 535 peptides as molecules of some 150 atoms, with the published split; see the two that derive from it.

    Args:
        path: the published table, with the pickle of the split beside it, or the folder of both, or a table with the
            columns smiles, split (train, val, test) and the labels. None: both are downloaded.
        identifiers, laplacian, random_walk: what tells atoms apart beside what they are, see `Places`.
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
            task=self.kind,
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
            raise InputError(f"{path}: found no {self.table.name}, expected it and {self.split_file.name} in the folder")
        return path / self.table.name

    def read(self) -> Table:
        path = self.prepare()
        table = read_table(path, self.on_error)
        columns = self.labelled(table)
        if "split" not in columns:
            columns["split"] = _splits(path.parent / self.split_file.name, len(table))
        return replace(table, columns=columns)

    def labelled(self, table: Table) -> dict[str, Any]:
        """The columns of the table, with those of the labels."""
        raise NotImplementedError


class PeptidesFunc(Peptides):
    """What 15 535 peptides do, ten labels in one; the score is the mean average precision.

    "Long Range Graph Benchmark" (arXiv 2206.08164, section 3.2).

    Args:
        path: the published table, with the pickle of the split beside it, or the folder of both, or a table with the
            columns smiles, split (train, val, test) and the labels, by name or as y0 to y9. None: both are downloaded.
        identifiers, laplacian, random_walk: what tells atoms apart beside what they are, see `Places`.
        limit: use at most so many molecules of each split.
        seed: seed of the choice of molecules.
        cache: folder for the downloads. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    kind = "multilabel"
    names = (
        "antifungal",
        "cell_cell_communication",
        "anticancer",
        "drug_delivery_vehicle",
        "antimicrobial",
        "antiviral",
        "antihypertensive",
        "antibacterial",
        "antiparasitic",
        "toxic",
    )
    table = Download(
        "peptide_multi_class_dataset.csv.gz",
        (
            "https://www.dropbox.com/s/ol2v01usvaxbsr8/peptide_multi_class_dataset.csv.gz?dl=1",
            _MIRROR.format("peptide_multi_class_dataset.csv.gz"),
        ),
        md5="701eb743e899f4d793f0e13c8fa5a1b4",
    )
    split_file = Download(
        "splits_random_stratified_peptide.pickle",
        _SPLIT_ADDRESSES,
        md5=_SPLIT_MD5,
    )

    def labelled(self, table: Table) -> dict[str, Any]:
        columns: dict[str, Any] = dict(table.columns)
        numbered = [f"y{place}" for place in range(len(self.names))]
        if all(name in columns for name in numbered):
            columns |= {name: columns[number] for name, number in zip(self.names, numbered, strict=True)}
        elif "labels" in columns:
            rows = [_flags(table, row, value, len(self.names)) for row, value in enumerate(columns["labels"])]
            columns |= {name: [flags[place] for flags in rows] for place, name in enumerate(self.names)}
        return columns


class PeptidesStruct(Peptides):
    """Eleven properties of the shape of 15 535 peptides; the score is the mean absolute error.

    The targets have mean 0 and deviation 1 over all molecules, as published: the score is in this unit. "Long Range
    Graph Benchmark" (arXiv 2206.08164, section 3.2).

    Args:
        path: the published table, with the pickle of the split beside it, or the folder of both, or a table with the
            columns smiles, split (train, val, test) and the targets. None: both are downloaded.
        identifiers, laplacian, random_walk: what tells atoms apart beside what they are, see `Places`.
        limit: use at most so many molecules of each split.
        seed: seed of the choice of molecules.
        cache: folder for the downloads. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    kind = "regression"
    names = (
        *(f"Inertia_mass_{axis}" for axis in "abc"),
        *(f"Inertia_valence_{axis}" for axis in "abc"),
        *(f"length_{axis}" for axis in "abc"),
        "Spherocity",
        "Plane_best_fit",
    )
    table = Download(
        "peptide_structure_normalized_dataset.csv.gz",
        (
            "https://www.dropbox.com/s/0d4aalmq4b4e2nh/peptide_structure_normalized_dataset.csv.gz?dl=1",
            _MIRROR.format("peptide_structure_normalized_dataset.csv.gz"),
        ),
        md5="c240c1c15466b5c907c63e180fa8aa89",
    )
    split_file = Download(
        "splits_random_stratified_peptide_structure.pickle",
        _SPLIT_ADDRESSES[::-1],
        md5=_SPLIT_MD5,
    )

    def labelled(self, table: Table) -> dict[str, Any]:
        columns: dict[str, Any] = dict(table.columns)
        for name in self.names:
            numbers = [as_float(value) for value in table.column(name)]
            if any(number is None or not np.isfinite(number) for number in numbers):
                continue  # the wrong row is found where the targets are read
            values = np.array(numbers, dtype=np.float64)
            columns[name] = ((values - values.mean()) / max(float(values.std(ddof=1)), 1e-12)).tolist()
        return columns


def _flags(table: Table, row: int, value: Any, number: int) -> list[int]:
    """The labels of one row, which the published table writes as a list."""
    try:
        flags = ast.literal_eval(str(value))
    except (ValueError, SyntaxError):
        flags = None
    if not isinstance(flags, list) or len(flags) != number or not set(flags) <= {0, 1}:
        raise InputError(
            f"{table.path}: {table.place(row)}: column 'labels': found {str(value)[:60]!r}, expected a list of {number} "
            "times 0 or 1"
        )
    return flags


def _splits(path: Path, rows: int) -> list[str]:
    """The part of each row, from the published pickle."""
    if not path.exists():
        raise InputError(
            f"{path}: no such file, expected the published split beside the table (or a column 'split' in it: "
            f"{', '.join(SUFFIXES)})"
        )
    with path.open("rb") as file:
        content = read_pickle(file, path)
    if not isinstance(content, dict) or not set(_PARTS) <= set(content):
        raise InputError(f"{path}: found a {type(content).__name__}, expected row numbers of {', '.join(_PARTS)}")
    split = np.full(rows, None, dtype=object)
    for theirs, ours in _PARTS.items():
        places = np.asarray(content[theirs], dtype=np.int64).reshape(-1)
        if len(places) and (places.min() < 0 or places.max() >= rows):
            raise InputError(f"{path}: {theirs} has row {places.max()}, expected 0 to {rows - 1}, the rows of the table")
        split[places] = ours
    missing = int(sum(each is None for each in split))
    if missing:
        raise InputError(f"{path}: {missing} of {rows} rows of the table are in no part, expected all in one")
    return split.tolist()
