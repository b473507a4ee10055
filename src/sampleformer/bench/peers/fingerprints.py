"""Extended-connectivity fingerprints of molecules: how often each circular neighbourhood occurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sampleformer.data.graph.molecules import MoleculeError, parse_molecule
from sampleformer.errors import InputError
from sampleformer.extras import require


def fingerprint_counts(smiles: Sequence[str], *, radius: int = 2, size: int = 2048) -> np.ndarray:
    """ECFP counts: RDKit's Morgan fingerprints, ``(N, size)`` float32.

    Args:
        smiles: one molecule a row.
        radius: bonds from an atom to the edge of its neighbourhood; 2 gives ECFP4.
        size: numbers that the neighbourhoods are folded into.

    Raises:
        InputError: if a text is no molecule, with its row, counted from 1; or if RDKit is not installed.

    Source: Rogers and Hahn 2010, Extended-connectivity fingerprints, J. Chem. Inf. Model. 50(5).

    Example:
        >>> fingerprint_counts(["CCO", "OCC"]).sum(1)
        array([6., 6.], dtype=float32)
    """
    generators = require("rdkit.Chem.rdFingerprintGenerator", "peers")
    generator = generators.GetMorganGenerator(radius=radius, fpSize=size)
    counts = np.zeros((len(smiles), size), dtype=np.float32)
    for row, text in enumerate(smiles):
        try:
            counts[row] = generator.GetCountFingerprintAsNumPy(parse_molecule(text))
        except MoleculeError as error:
            raise InputError(f"row {row + 1}: {error}, expected a molecule") from error
    return counts
