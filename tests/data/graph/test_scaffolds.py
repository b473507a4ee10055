"""The scaffold split."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem, RDLogger
from rdkit.Chem.Scaffolds import MurckoScaffold

from sampleformer.data.graph.molecules import MoleculeError
from sampleformer.data.graph.scaffolds import large_scaffold, scaffold, split_by_scaffold

RDLogger.DisableLog("rdApp.*")


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("CCO", ""),
        ("C", ""),
        ("[Na+].[Cl-]", ""),
        ("c1ccccc1", "c1ccccc1"),
        ("Cc1ccccc1CCN", "c1ccccc1"),
        ("C1CC1CCC1CC1C", "C1CC1CCC1CC1"),
        ("O=C1CCCC1", "O=C1CCCC1"),
        ("C[C@H]1CC[C@@H](C2CC2)O1", "C1COC(C2CC2)C1"),
        ("[Na+].[O-]C(=O)c1ccccc1", "c1ccccc1"),
    ],
)
def test_scaffolds(smiles: str, expected: str) -> None:
    assert scaffold(smiles) == expected


def test_the_scaffold_does_not_depend_on_how_the_smiles_is_written() -> None:
    assert scaffold("n1ccccc1CC") == scaffold("CCc1ccccn1") == "c1ccncc1"


RINGS = [
    "c1ccccc1{}",
    "C1CC1{}",
    "c1cc[nH]c1{}",
    "n1ccccc1{}",
    "C1CCN({})C1",
    "O=C1CCC({})C1",
    "C1CC12CC2{}",
    "c1ccc2ccccc2c1{}",
]
LINKS = ["", "C", "CC", "C(=O)N", "C(C)(C)", "C=C", "[C@@H](F)", "[N+](C)(C)", "S(=O)(=O)", "OP(=O)(O)O", "[C@H](N)(O)"]
TAILS = ["", "C", "[N+](=O)[O-]", "=O", "C#N", "[nH]", "[13CH3]", "[O-].[Na+]", "C(=O)c1ccccc1"]


@pytest.mark.parametrize("first", RINGS)
def test_the_linear_scaffold_is_that_of_rdkit(first: str) -> None:
    found = 0
    for link, second, tail in itertools.product(LINKS, ["", *RINGS], TAILS):
        molecule = Chem.MolFromSmiles(first.format(link + second.format(tail).replace("()", "")).replace("()", ""))
        if molecule is not None:
            expected = MurckoScaffold.MurckoScaffoldSmiles(mol=molecule, includeChirality=False)
            assert large_scaffold(molecule) == expected, Chem.MolToSmiles(molecule)
            found += 1
    assert found > 100


def test_large_molecules_have_scaffolds() -> None:
    assert scaffold("C(C)" * 900) == ""
    assert scaffold("C1CC1" + "C" * 1900) == "C1CC1"
    assert Chem.CanonSmiles(scaffold("C1CC1" + "C(C)" * 300 + "C1CC1")) == Chem.CanonSmiles(
        "C1CC1" + "C" * 300 + "C1CC1"
    )


def test_an_invalid_molecule_has_no_scaffold() -> None:
    with pytest.raises(MoleculeError, match="'C1CC' is not a valid SMILES"):
        scaffold("C1CC")


def parts(scaffolds: str, **options: tuple[float, float, float]) -> list[list[int]]:
    return [part.tolist() for part in split_by_scaffold(list(scaffolds), **options)]


@pytest.mark.parametrize(
    ("scaffolds", "expected"),
    [
        ("aaaaaaaabc", [[0, 1, 2, 3, 4, 5, 6, 7], [9], [8]]),  # of equal sets the last is taken first
        ("abaaaaaaac", [[0, 2, 3, 4, 5, 6, 7, 8], [9], [1]]),
        ("aaaaabbbbb", [[5, 6, 7, 8, 9], [], [0, 1, 2, 3, 4]]),  # five and five do not fit into eight or nine
        ("aaaaaaaaaa", [[], [], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]),  # one set larger than any share
        ("aaaaaaabbc", [[0, 1, 2, 3, 4, 5, 6, 9], [7, 8], []]),  # a later, smaller set fills what a larger one left
        ("", [[], [], []]),
    ],
)
def test_small_splits(scaffolds: str, expected: list[list[int]]) -> None:
    assert parts(scaffolds) == expected


def test_other_fractions() -> None:
    assert parts("aabb", fractions=(0.5, 0.5, 0.0)) == [[2, 3], [0, 1], []]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_every_molecule_is_in_one_part_and_every_scaffold_too(scaffolds: list[str]) -> None:
    found = split_by_scaffold(scaffolds)
    assert sorted(itertools.chain(*(part.tolist() for part in found))) == list(range(len(scaffolds)))
    for one, other in itertools.combinations(found, 2):
        assert not {scaffolds[row] for row in one} & {scaffolds[row] for row in other}
    assert len(found[0]) <= 0.8 * len(scaffolds)
    assert all((np.diff(part) > 0).all() for part in found)


@pytest.mark.parametrize("fractions", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1)])
def test_fractions_must_add_up(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected three that are at least 0 and add up to 1"):
        split_by_scaffold(["a"], fractions)
