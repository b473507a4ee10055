"""Molecules as graphs, with the atom and bond features that the Open Graph Benchmark defines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from sampleformer.data.graph.graph import Graph
from sampleformer.errors import InputError, one_line
from sampleformer.extras import require
from sampleformer.wording import count

ATOM_SIZES = (119, 5, 12, 12, 10, 6, 6, 2, 2)
BOND_SIZES = (5, 6, 2)

_CHIRALITIES = ("CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER")
_HYBRIDIZATIONS = ("SP", "SP2", "SP3", "SP3D", "SP3D2")
_BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
_STEREO = ("STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS")
_LOWEST_CHARGE = -5
MOST_ATOMS = 2000
LIMIT_VARIABLE = "SAMPLEFORMER_ATOM_LIMIT"
_ATOM = re.compile(r"\[[^\[\]]{1,60}\]|Br|Cl|[BCNOPSFIbcnops*]")
_CHARACTERS = 20  # for each atom, at most
_NOT_SMILES = re.compile(r"[^!-~]")
_SHOWN = 200


class MoleculeError(ValueError):
    """A text that is no molecule; the message says why."""


def molecule_graph(smiles: str) -> Graph:
    """The graph of a molecule: its atoms but hydrogens, in the order of the SMILES, and its bonds.

    Several fragments, as in a salt, are one graph. A molecule may have a single atom and no bond.

    Args:
        smiles: the molecule as SMILES and nothing else; blanks around it do not count.

    Returns:
        A graph with the codes of 9 atom features as ``nodes``, ``(n, 9)`` uint8: atomic number, chirality, degree,
        formal charge, hydrogens, radical electrons, hybridisation, aromatic, in a ring; and 3 bond features as
        ``edge_features``, one-hot ``(E, 13)`` uint8: type, stereo configuration, conjugated. The numbers of codes are
        `ATOM_SIZES` and `BOND_SIZES`. What a list does not name has its last code.

    Raises:
        MoleculeError: if the text is no valid molecule.
        InputError: if RDKit is not installed.

    The features are those of "Open Graph Benchmark: Datasets for Machine Learning on Graphs" (arXiv 2005.00687,
    section 5.1) and of its package, ogb.utils.features.

    Example:
        >>> graph = molecule_graph("C=O")
        >>> graph.nodes[:, 0] + 1
        array([6, 8], dtype=uint8)
        >>> graph.edge_features
        array([[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]], dtype=uint8)
    """
    molecule = parse_molecule(smiles)
    codes = _codes()
    atoms = [_atom_codes(atom, codes) for atom in molecule.GetAtoms()]
    ends, bonds = [], []
    for bond in molecule.GetBonds():
        ends.append((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))
        bonds.append(_bond_codes(bond, codes))
    return Graph(
        np.array(atoms, dtype=np.uint8),
        np.array(ends, dtype=np.int64).reshape(-1, 2),
        one_hot(np.array(bonds, dtype=np.int64).reshape(-1, len(BOND_SIZES)), BOND_SIZES),
    )


def parse_molecule(smiles: str) -> Any:
    """RDKit's molecule of a SMILES; RDKit itself stays silent.

    Raises:
        MoleculeError: if the text is no valid molecule.
        InputError: if RDKit is not installed.
    """
    chem = require("rdkit.Chem", "graph")
    text = smiles.strip()
    if not text:
        raise MoleculeError("the SMILES is empty")
    behind = _NOT_SMILES.search(text)
    if behind:  # RDKit reads what stands before it and drops the rest
        found = "a blank" if behind.group() == " " else ascii(behind.group())
        raise MoleculeError(
            f"{shortened(smiles)} has {found} at character {behind.start() + 1}, which is no SMILES: expected nothing "
            "behind it"
        )
    _check_size(text)
    with require("rdkit.rdBase", "graph").BlockLogs():
        try:
            molecule = chem.MolFromSmiles(text)
            reason = "" if molecule is not None else _reason(chem, text)
        except (RuntimeError, ValueError) as error:  # a check of RDKit's own that it does not expect to fail
            molecule, reason = None, one_line(str(error), _SHOWN)
    if molecule is None:
        raise MoleculeError(f"{shortened(smiles)} is not a valid SMILES ({reason})")
    if molecule.GetNumAtoms() == 0:
        raise MoleculeError(f"{shortened(smiles)} has no atoms")
    return molecule


def one_hot(codes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Codes of several categories as one row of 0 and 1: ``(m, c)`` to ``(m, sum of sizes)`` uint8.

    Raises:
        ValueError: if a code is negative or not below the size of its category.

    Example:
        >>> one_hot(np.array([[1, 0], [0, 2]]), [2, 3])
        array([[0, 1, 1, 0, 0],
               [1, 0, 0, 0, 1]], dtype=uint8)
    """
    wrong = np.argwhere((codes < 0) | (codes >= np.asarray(sizes)))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(f"code {column} of row {row} is {codes[row, column]}, expected 0 to {sizes[column] - 1}")
    result = np.zeros((len(codes), sum(sizes)), dtype=np.uint8)
    starts = np.cumsum([0, *sizes[:-1]])
    np.put_along_axis(result, codes.astype(np.int64) + starts, 1, axis=1)
    return result


def _check_size(text: str) -> None:
    """Refuses what would keep RDKit busy for minutes: it takes the cube of the number of atoms, or of rings."""
    limit = atom_limit()
    atoms = sum(1 for _ in islice(_ATOM.finditer(text), limit + 1))
    if atoms > limit or len(text) > _CHARACTERS * limit:
        found = f"more than {limit:,} atoms" if atoms > limit else f"{count(len(text), 'character')}"
        raise MoleculeError(f"{shortened(text)} has {found}; set {LIMIT_VARIABLE} to read larger molecules")


def atom_limit() -> int:
    """Atoms that a molecule may have.

    Raises:
        InputError: if ``SAMPLEFORMER_ATOM_LIMIT`` is no number.
    """
    chosen = os.environ.get(LIMIT_VARIABLE, str(MOST_ATOMS))
    if not re.fullmatch(r"[1-9]\d{0,8}", chosen.strip()):
        raise InputError(f"{LIMIT_VARIABLE}: found {chosen!r}, expected a number of atoms")
    return int(chosen)


def shortened(smiles: str) -> str:
    """A SMILES as messages show it."""
    return repr(smiles) if len(smiles) <= _SHOWN else f"{smiles[:_SHOWN]!r} … ({count(len(smiles), 'character')})"


def _reason(chem: Any, text: str) -> str:
    """Why RDKit refuses a SMILES: its chemistry, if it can be read at all."""
    molecule = chem.MolFromSmiles(text, sanitize=False)
    if molecule is None:
        return "it cannot be read"
    problems = [problem.Message() for problem in chem.DetectChemistryProblems(molecule)]
    return " ".join(problems[0].split()) if problems else "RDKit refuses it"


@cache
def _codes() -> dict[Any, int]:
    """The code of every value of RDKit's enumerations that has one of its own."""
    chem = require("rdkit.Chem", "graph")
    kinds = [
        (chem.ChiralType, _CHIRALITIES),
        (chem.HybridizationType, _HYBRIDIZATIONS),
        (chem.BondType, _BONDS),
        (chem.BondStereo, _STEREO),
    ]
    return {(kind, int(getattr(kind, name))): code for kind, names in kinds for code, name in enumerate(names)}


def _listed(value: Any, codes: dict[Any, int], size: int) -> int:
    return codes.get((type(value), int(value)), size - 1)


def _atom_codes(atom: Any, codes: dict[Any, int]) -> tuple[int, ...]:
    number, charge = atom.GetAtomicNum() - 1, atom.GetFormalCharge() - _LOWEST_CHARGE
    return (
        number if 0 <= number < ATOM_SIZES[0] else ATOM_SIZES[0] - 1,
        _listed(atom.GetChiralTag(), codes, ATOM_SIZES[1]),
        min(atom.GetTotalDegree(), ATOM_SIZES[2] - 1),
        charge if 0 <= charge < ATOM_SIZES[3] else ATOM_SIZES[3] - 1,
        min(atom.GetTotalNumHs(), ATOM_SIZES[4] - 1),
        min(atom.GetNumRadicalElectrons(), ATOM_SIZES[5] - 1),
        _listed(atom.GetHybridization(), codes, ATOM_SIZES[6]),
        int(atom.GetIsAromatic()),
        int(atom.IsInRing()),
    )


def _bond_codes(bond: Any, codes: dict[Any, int]) -> tuple[int, ...]:
    return (
        _listed(bond.GetBondType(), codes, BOND_SIZES[0]),
        _listed(bond.GetStereo(), codes, BOND_SIZES[1]),
        int(bond.GetIsConjugated()),
    )
