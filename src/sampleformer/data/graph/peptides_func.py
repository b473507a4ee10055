"""Peptides-func of the Long Range Graph Benchmark."""

import re
from typing import Any

from sampleformer.data.download import Download
from sampleformer.data.graph.peptides import MIRROR, SPLIT_ADDRESSES, SPLIT_MD5, Peptides
from sampleformer.errors import InputError
from sampleformer.tables.table import Table


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
            MIRROR.format("peptide_multi_class_dataset.csv.gz"),
        ),
        md5="701eb743e899f4d793f0e13c8fa5a1b4",
    )
    split_file = Download(
        "splits_random_stratified_peptide.pickle",
        SPLIT_ADDRESSES,
        md5=SPLIT_MD5,
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


def _flags(table: Table, row: int, value: Any, number: int) -> list[int]:
    """The labels of one row, which the published table writes as a list."""
    flags = re.findall(r"[01]", str(value))
    if len(flags) != number or not re.fullmatch(r"\s*\[\s*[01](?:\s*,\s*[01])*\s*\]\s*", str(value)):
        raise InputError(
            f"{table.path}: {table.place(row)}: column 'labels': found {str(value)[:60]!r}, expected a list of "
            f"{number} times 0 or 1"
        )
    return [int(flag) for flag in flags]
