"""Peptides-struct of the Long Range Graph Benchmark."""

from typing import Any

import numpy as np

from sampleformer.data.download import Download
from sampleformer.data.graph.peptides import MIRROR, SPLIT_ADDRESSES, SPLIT_MD5, Peptides
from sampleformer.tables.table import Table
from sampleformer.tables.values import as_float


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
            MIRROR.format("peptide_structure_normalized_dataset.csv.gz"),
        ),
        md5="c240c1c15466b5c907c63e180fa8aa89",
    )
    split_file = Download(
        "splits_random_stratified_peptide_structure.pickle",
        SPLIT_ADDRESSES[::-1],
        md5=SPLIT_MD5,
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
