"""The Bemis-Murcko scaffold split of molecules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sampleformer.data.graph.molecules import parse_molecule
from sampleformer.extras import require


def scaffold(smiles: str) -> str:
    """The Bemis-Murcko scaffold of a molecule, as canonical SMILES without chirality: its rings and what links them.

    A molecule without rings has the empty scaffold.

    Raises:
        MoleculeError: if the text is no valid molecule.
        InputError: if RDKit is not installed.

    "The Properties of Known Drugs. 1. Molecular Frameworks" (Bemis and Murcko, 1996).

    Example:
        >>> scaffold("Cc1ccccc1CCN")
        'c1ccccc1'
    """
    murcko = require("rdkit.Chem.Scaffolds.MurckoScaffold", "graph")
    return murcko.MurckoScaffoldSmiles(mol=parse_molecule(smiles), includeChirality=False)


def split_by_scaffold(
    scaffolds: Sequence[str], fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits molecules so that no scaffold is in two parts; nothing is random.

    The molecules of one scaffold are one set. The sets, the largest first and of equal ones that whose first molecule
    comes last, go each into the first of training, validation and test where they fit: training if it then has no more
    than its share, else validation if both together then have no more than theirs, else test. Rare scaffolds so end
    in the test part, which is therefore harder than a random one.

    Args:
        scaffolds: the scaffold of each molecule.
        fractions: shares of training, validation and test.

    Returns:
        The row numbers of training, validation and test, each sorted; the last two may be empty.

    Raises:
        ValueError: if the fractions are negative or do not add up to one.

    The split of "MoleculeNet: A Benchmark for Molecular Machine Learning" (arXiv 1703.00564, section 3.2), as DeepChem
    and the Open Graph Benchmark make it.

    Example:
        >>> [part.tolist() for part in split_by_scaffold(["a"] * 8 + ["b", "c"])]
        [[0, 1, 2, 3, 4, 5, 6, 7], [9], [8]]
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"fractions are {fractions}, expected three that are at least 0 and add up to 1")
    sets: dict[str, list[int]] = {}
    for row, name in enumerate(scaffolds):
        sets.setdefault(name, []).append(row)
    most_train = fractions[0] * len(scaffolds)
    most_both = (fractions[0] + fractions[1]) * len(scaffolds)
    train: list[int] = []
    valid: list[int] = []
    test: list[int] = []
    for rows in sorted(sets.values(), key=lambda rows: (len(rows), rows[0]), reverse=True):
        if len(train) + len(rows) <= most_train:
            train += rows
        elif len(train) + len(valid) + len(rows) <= most_both:
            valid += rows
        else:
            test += rows
    first, second, third = (np.array(sorted(rows), dtype=np.int64) for rows in (train, valid, test))
    return first, second, third
