"""Descriptors of molecules: counts of fragments, and properties that RDKit computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from sampleformer.data.descriptors.base import Descriptor, within
from sampleformer.data.graph.molecule_column import Molecule
from sampleformer.data.graph.molecules import parse_molecule
from sampleformer.data.progress import progress_bar
from sampleformer.extras import require
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table

_MOST = 255
# Without qed, BalabanJ and the extremes of the E-state, which cost as much as all others together.
_PROPERTIES = (
    "MolWt", "MolLogP", "MolMR", "TPSA", "LabuteASA", "FractionCSP3", "HeavyAtomCount", "NHOHCount", "NOCount",
    "NumHAcceptors", "NumHDonors", "NumHeteroatoms", "NumRotatableBonds", "NumValenceElectrons", "RingCount",
    "NumAromaticRings", "NumAliphaticRings", "NumSaturatedRings", "NumAromaticHeterocycles", "NumAmideBonds",
    "HallKierAlpha", "Kappa1", "Kappa2", "Kappa3", "Chi0v", "Chi1v", "Chi2v", "Chi3v", "Chi4v",
    "MaxPartialCharge", "MinPartialCharge",
    *(f"PEOE_VSA{number}" for number in range(1, 15)),
    *(f"SMR_VSA{number}" for number in range(1, 11)),
    *(f"SlogP_VSA{number}" for number in range(1, 13)),
    *(f"EState_VSA{number}" for number in range(1, 12)),
)  # fmt: skip


class MorganCounts(Descriptor):
    """Counts of the circular fragments of a molecule, hashed.

    Args:
        radius: Largest distance of an atom from a fragment's centre, in bonds.
        size: Number of counts that the fragments share.

    Source: Rogers and Hahn 2010, Extended-connectivity fingerprints.
    """

    name = "morgan"
    takes = Molecule
    of = "molecules"

    def __init__(self, radius: int = 2, size: int = 2048) -> None:
        self.radius = within("radius", radius, 0)
        self.size = within("size", size, 1)

    @property
    def names(self) -> list[str]:
        return [f"Morgan fragment {number}" for number in range(self.size)]

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        return counts(values, self.size, self._generator().GetCountFingerprintAsNumPy, "circular fragments")

    def name_in(self, column: int, source: str) -> str:
        """The fragment as SMILES."""
        molecule, found = parse_molecule(source), _generators().AdditionalOutput()
        found.AllocateBitInfoMap()
        self._generator().GetCountFingerprint(molecule, additionalOutput=found)
        places = found.GetBitInfoMap().get(column)
        if not places:
            return f"{self.names[column]} (not there)"
        centre, radius = places[0]
        bonds = list(require("rdkit.Chem", "graph").FindAtomEnvironmentOfRadiusN(molecule, radius, centre))
        ends = [molecule.GetBondWithIdx(bond) for bond in bonds]
        atoms = {centre, *(atom for bond in ends for atom in (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()))}
        return f"fragment {_fragment(molecule, atoms, bonds)}"

    def _generator(self) -> Any:
        return _generators().GetMorganGenerator(radius=self.radius, fpSize=self.size)

    def to_json(self) -> dict[str, Any]:
        return {"radius": self.radius, "size": self.size}


class TorsionCounts(Descriptor):
    """Counts of the paths of four atoms of a molecule, hashed.

    Args:
        size: Number of counts that the paths share.

    Source: Nilakantan et al. 1987, Topological torsion.
    """

    name = "torsions"
    takes = Molecule
    of = "molecules"

    def __init__(self, size: int = 1024) -> None:
        self.size = within("size", size, 1)

    @property
    def names(self) -> list[str]:
        return [f"torsion {number}" for number in range(self.size)]

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        return counts(values, self.size, self._generator().GetCountFingerprintAsNumPy, "torsions")

    def name_in(self, column: int, source: str) -> str:
        """The path as SMILES."""
        molecule, found = parse_molecule(source), _generators().AdditionalOutput()
        found.AllocateBitPaths()
        self._generator().GetCountFingerprint(molecule, additionalOutput=found)
        paths = found.GetBitPaths().get(column)
        return f"torsion {_fragment(molecule, set(paths[0]))}" if paths else f"{self.names[column]} (not there)"

    def _generator(self) -> Any:
        return _generators().GetTopologicalTorsionGenerator(fpSize=self.size)

    def to_json(self) -> dict[str, Any]:
        return {"size": self.size}


class MoleculeProperties(Descriptor):
    """Properties of a molecule that RDKit computes in little time: weight, log P, polar surface, rings, charges, …"""

    name = "properties"
    takes = Molecule
    of = "molecules"

    @property
    def names(self) -> list[str]:
        return list(_PROPERTIES)

    def measure(self, values: Sequence[Any] | np.ndarray, table: Table, report: RowReport) -> np.ndarray:
        functions = _functions()
        found = np.full((len(values), len(functions)), np.nan, np.float32)
        with progress_bar("properties", len(values)) as show, require("rdkit.rdBase", "graph").BlockLogs():
            for row, value in enumerate(values):
                if value.smiles:
                    molecule = parse_molecule(value.smiles)
                    found[row] = [function(molecule) for function in functions]
                if row % 100 == 99:
                    show(row + 1)
        return np.where(np.isfinite(found), found, np.nan)


def counts(
    values: Sequence[Any] | np.ndarray, size: int, fingerprint: Callable[[Any], np.ndarray], words: str
) -> np.ndarray:
    """Counts of molecules, ``(rows, size)`` uint8; of a row that is no molecule zeros.

    Args:
        values: `Molecule` of each row.
        size: Number of counts.
        fingerprint: Function from RDKit's molecule to its counts.
        words: What is counted, for the progress bar.
    """
    found = np.zeros((len(values), size), np.uint8)
    with progress_bar(words, len(values)) as show, require("rdkit.rdBase", "graph").BlockLogs():
        for row, value in enumerate(values):
            if value.smiles:
                found[row] = np.minimum(fingerprint(parse_molecule(value.smiles)), _MOST)
            if row % 100 == 99:
                show(row + 1)
    return found


def _generators() -> Any:
    return require("rdkit.Chem.rdFingerprintGenerator", "graph")


def _fragment(molecule: Any, atoms: set[int], bonds: Sequence[int] | None = None) -> str:
    """SMILES of some atoms of a molecule, and of some of the bonds among them; None: all."""
    given = {} if bonds is None else {"bondsToUse": list(bonds)}
    return str(require("rdkit.Chem", "graph").MolFragmentToSmiles(molecule, atomsToUse=sorted(atoms), **given))


@cache
def _functions() -> list[Callable[[Any], float]]:
    descriptors = require("rdkit.Chem.Descriptors", "graph")
    return [getattr(descriptors, name) for name in _PROPERTIES]
