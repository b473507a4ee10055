"""The Bemis-Murcko scaffold split of molecules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sampleformer.data.graph.molecules import MoleculeError, parse_molecule, shortened
from sampleformer.errors import one_line
from sampleformer.extras import require

_SMALL = 150  # atoms up to which RDKit's own function is fast


def scaffold(smiles: str) -> str:
    """The Bemis-Murcko scaffold of a molecule, as canonical SMILES without chirality: its rings and what links them.

    A molecule without rings has the empty scaffold.

    Raises:
        MoleculeError: if the text is no valid molecule, or RDKit finds no scaffold.
        InputError: if RDKit is not installed.

    "The Properties of Known Drugs. 1. Molecular Frameworks" (Bemis and Murcko, 1996).

    Example:
        >>> scaffold("Cc1ccccc1CCN")
        'c1ccccc1'
    """
    molecule = parse_molecule(smiles)
    murcko = require("rdkit.Chem.Scaffolds.MurckoScaffold", "graph")
    try:
        if molecule.GetNumAtoms() <= _SMALL:
            return murcko.MurckoScaffoldSmiles(mol=molecule, includeChirality=False)
        return large_scaffold(molecule)
    except (ValueError, RuntimeError) as error:
        raise MoleculeError(f"{shortened(smiles)} has no scaffold ({one_line(str(error), 200)})") from error


def large_scaffold(molecule: Any) -> str:
    """The scaffold of RDKit's molecule in linear time, where RDKit's own takes the cube of the number of atoms.

    The two agree but where RDKit finds no ring in a cycle, as in one closed by a dative bond.
    """
    chem = require("rdkit.Chem", "graph")
    kept = _rings_and_linkers(molecule)
    core = chem.RWMol(molecule)
    core.BeginBatchEdit()
    for atom in core.GetAtoms():
        if atom.GetIdx() in kept:
            continue
        bonds = [bond for bond in atom.GetBonds() if bond.GetOtherAtomIdx(atom.GetIdx()) in kept]
        if any(bond.GetBondType() == chem.BondType.DOUBLE for bond in bonds):
            continue
        for bond in bonds:
            _saturate(bond.GetOtherAtom(atom), chem)
        core.RemoveAtom(atom.GetIdx())
    core.CommitBatchEdit()
    core.ClearComputedProps()
    core.UpdatePropertyCache()
    chem.GetSymmSSSR(core)
    return chem.MolToSmiles(core, False)


def _rings_and_linkers(molecule: Any) -> set[int]:
    """The atoms that are left when those with one neighbour are removed until there are none."""
    neighbours = [{each.GetIdx() for each in atom.GetNeighbors()} for atom in molecule.GetAtoms()]
    waiting = [atom for atom, others in enumerate(neighbours) if len(others) < 2]
    removed = set(waiting)
    while waiting:
        atom = waiting.pop()
        for other in neighbours[atom]:
            neighbours[other].discard(atom)
            if len(neighbours[other]) < 2 and other not in removed:
                removed.add(other)
                waiting.append(other)
    return set(range(len(neighbours))) - removed


def _saturate(atom: Any, chem: Any) -> None:
    """Puts hydrogen in the place of a side chain."""
    if atom.GetIsAromatic() and (atom.GetAtomicNum() != 6 or atom.GetFormalCharge() == 1):
        atom.SetNumExplicitHs(1)
    elif atom.GetNoImplicit() or atom.GetChiralTag() != chem.ChiralType.CHI_UNSPECIFIED:
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
        atom.SetChiralTag(chem.ChiralType.CHI_UNSPECIFIED)


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
