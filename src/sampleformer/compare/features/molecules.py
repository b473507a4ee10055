"""Fingerprints and descriptors of molecules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sampleformer.compare.features.parts import Parts, samples_of
from sampleformer.data.graph.molecules import MoleculeError, parse_molecule
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.extras import require

_MOLECULES_OF_A_COLUMN = 3  # of the training part; what fewer have is learnt by heart


def molecule_parts(splits: Splits) -> Parts:
    """`molecule_numbers` of each molecule, without the columns that hardly any of the training part has."""
    parts = Parts(*(_numbers(part) for part in (splits.train, splits.valid, splits.test)))
    usual = parts.train != np.median(parts.train, axis=0)
    return parts.chosen(usual.sum(axis=0) >= min(_MOLECULES_OF_A_COLUMN, len(parts.train) // 4 + 1))


def _numbers(samples: Samples) -> np.ndarray:
    return molecule_numbers([sample.source or "" for sample in samples_of(samples)])


def molecule_numbers(smiles: Sequence[str]) -> np.ndarray:
    """Counts of circular neighbourhoods (2 048) and of paths of four atoms (1 024), and RDKit's descriptors, float32.

    Args:
        smiles: One molecule each.

    Returns:
        ``(molecules, f)``.

    Raises:
        InputError: if a text is no molecule, with its row, counted from 1; or if RDKit is not installed.

    Source: Rogers and Hahn 2010, Extended-connectivity fingerprints, J. Chem. Inf. Model. 50(5); Nilakantan et al.
    1987, Topological torsion, J. Chem. Inf. Comput. Sci. 27(2).

    Example:
        >>> molecule_numbers(["CCO", "OCC"])[:, :2048].sum(1)
        array([6., 6.], dtype=float32)
    """
    generators = require("rdkit.Chem.rdFingerprintGenerator", "graph")
    circles = generators.GetMorganGenerator(radius=2, fpSize=2048)
    paths = generators.GetTopologicalTorsionGenerator(fpSize=1024)
    properties = require("rdkit.Chem.rdMolDescriptors", "graph").Properties()
    rows = []
    for molecule in map(_parsed, range(1, len(smiles) + 1), smiles):
        counts = [each.GetCountFingerprintAsNumPy(molecule) for each in (circles, paths)]
        row = np.concatenate([*counts, np.array(properties.ComputeProperties(molecule))])
        rows.append(np.nan_to_num(row, nan=0.0, posinf=1e9, neginf=-1e9).astype(np.float32))
    return np.stack(rows)


def _parsed(row: int, text: str) -> Any:
    try:
        return parse_molecule(text)
    except MoleculeError as error:
        raise InputError(f"row {row}: {error}, expected a molecule") from error
