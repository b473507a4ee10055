"""Molecules as graphs."""

import sys

import numpy as np
import pytest

from sampleformer.data.graph.molecules import ATOM_SIZES, BOND_SIZES, MoleculeError, molecule_graph, one_hot
from sampleformer.errors import InputError


def bonds(smiles: str) -> list[list[int]]:
    """The codes of each bond: type, stereo configuration, conjugated."""
    parts = np.split(molecule_graph(smiles).edge_features, np.cumsum(BOND_SIZES)[:-1], axis=1)
    assert all((part.sum(axis=1) == 1).all() for part in parts)
    return np.stack([part.argmax(axis=1) for part in parts], axis=1).tolist()


def test_the_example_of_the_benchmark() -> None:
    smiles = "Cl[C@H](/C=C/C)Br"
    graph = molecule_graph(smiles)
    assert graph.nodes[1].tolist() == [5, 2, 4, 5, 1, 0, 2, 0, 0]
    assert bonds(smiles)[2] == [1, 2, 0]
    assert graph.ends.tolist() == [[0, 1], [1, 2], [2, 3], [3, 4], [1, 5]]
    assert (graph.nodes.dtype, graph.edge_features.dtype, graph.directed) == (np.uint8, np.uint8, False)


@pytest.mark.parametrize(
    ("smiles", "feature", "codes"),
    [
        ("[H][H]", 0, [0, 0]),
        ("[U]", 0, [91]),
        ("*C", 0, [118, 5]),
        ("C[C@@H](N)O", 1, [0, 1, 0, 0]),
        ("C[C@H](N)O", 1, [0, 2, 0, 0]),
        ("N[Pt@SP1](N)(Cl)Cl", 1, [0, 4, 0, 0, 0]),
        ("CC(C)(C)C", 2, [4, 4, 4, 4, 4]),
        ("[NH4+]", 3, [6]),
        ("[O-2]", 3, [3]),
        ("[Ti+7]", 3, [11]),
        ("[C-6]", 3, [11]),
        ("CN", 4, [3, 2]),
        ("[CH3]", 5, [1]),
        ("C#CC=CC", 6, [0, 0, 1, 1, 2]),
        ("F[P](F)(F)(F)F", 6, [2, 3, 2, 2, 2, 2]),
        ("FS(F)(F)(F)(F)F", 6, [2, 4, 2, 2, 2, 2, 2]),
        ("[Na+]", 6, [5]),
        ("c1ccccc1C", 7, [1, 1, 1, 1, 1, 1, 0]),
        ("C1CC1C", 8, [1, 1, 1, 0]),
    ],
)
def test_one_atom_feature(smiles: str, feature: int, codes: list[int]) -> None:
    assert molecule_graph(smiles).nodes[:, feature].tolist() == codes


@pytest.mark.parametrize(
    ("smiles", "first"),
    [
        ("CC", [0, 0, 0]),
        ("C=C", [1, 0, 0]),
        ("C#N", [2, 0, 0]),
        ("c1ccccc1", [3, 0, 1]),
        ("[NH3]->[Pt]", [4, 0, 0]),
        ("C=CC=C", [1, 0, 1]),
    ],
)
def test_the_first_bond(smiles: str, first: list[int]) -> None:
    assert bonds(smiles)[0] == first


def test_stereo_of_double_bonds() -> None:
    assert bonds("F/C=C\\F")[1] == [1, 1, 0]
    assert bonds("F/C=C/F")[1] == [1, 2, 0]
    assert bonds("FC=CF")[1] == [1, 0, 0]


def test_a_salt_is_one_graph() -> None:
    graph = molecule_graph("CC(=O)[O-].[Na+]")
    assert (graph.order, graph.size) == (5, 3)
    assert graph.degrees.tolist() == [1, 3, 1, 1, 0]


@pytest.mark.parametrize(("smiles", "atoms"), [("C", 1), ("[Na+].[Cl-]", 2)])
def test_molecules_without_bonds(smiles: str, atoms: int) -> None:
    graph = molecule_graph(smiles)
    assert graph.nodes.shape == (atoms, len(ATOM_SIZES))
    assert (graph.ends.shape, graph.edge_features.shape) == ((0, 2), (0, sum(BOND_SIZES)))


def test_blanks_around_do_not_matter() -> None:
    assert molecule_graph("  CCO\r\n").order == 3


@pytest.mark.parametrize("behind", ["ethane", "|$a;b$|", "C", "1", "# comment", "CCO"])
@pytest.mark.parametrize(
    "between", [" ", "\t", "\n", "\r\n", "\v", "\f", "\x00", "\x1f", "\xa0", "ü", "\u2028", "\ud800"]
)
def test_text_behind_a_smiles_is_refused(between: str, behind: str) -> None:
    for text in (f"CC{between}{behind}", f"CC{between}{between}{behind}", f"[CH3:1]{between}{behind}"):
        with pytest.raises(MoleculeError, match=r"at character \d+, which is no SMILES: expected nothing behind it"):
            molecule_graph(text)
    with pytest.raises(MoleculeError):
        molecule_graph(f"CC{behind[:0]}|{behind}|")


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("", "the SMILES is empty"),
        (" \t", "the SMILES is empty"),
        ("C1CC", "'C1CC' is not a valid SMILES (it cannot be read)"),
        ("molecule", "'molecule' is not a valid SMILES (it cannot be read)"),
        ("CC ethane", "'CC ethane' has a blank at character 3, which is no SMILES: expected nothing behind it"),
        ("CCü", "'CCü' has '\\xfc' at character 3, which is no SMILES: expected nothing behind it"),
        ("C" * 300 + "(", f"{'C' * 200!r} … (301 characters) is not a valid SMILES (it cannot be read)"),
        (
            "CC(C)(C)(C)C",
            "'CC(C)(C)(C)C' is not a valid SMILES (Explicit valence for atom # 1 C, 5, is greater than permitted)",
        ),
        ("c1cccc1", "'c1cccc1' is not a valid SMILES (Can't kekulize mol. Unkekulized atoms: 0 1 2 3 4)"),
    ],
)
def test_what_is_no_molecule(smiles: str, reason: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MoleculeError) as raised:
        molecule_graph(smiles)
    assert str(raised.value) == reason
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "smiles",
    [
        "C" * 100_000,
        "C1CCCCC1" * 20_000,
        "[C@@H](C)" * 10_000,
        ".".join("C" * 3000),
        "[" * 100_000,
        "(" * 100_000,
        "C" + "%10" * 30_000,
        "=" * 100_000,
    ],
    ids=["chain", "rings", "chiral", "fragments", "brackets", "branches", "closures", "bonds"],
)
def test_what_is_too_large_is_refused_before_rdkit_reads_it(smiles: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rdkit.Chem.MolFromSmiles", None)
    with pytest.raises(
        MoleculeError, match=r"has (more than 2,000 atoms|[\d,]+ characters); set SAMPLEFORMER_ATOM_LIMIT"
    ):
        molecule_graph(smiles)


def test_the_limit_of_atoms_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert molecule_graph("C" * 2000).order == 2000
    monkeypatch.setenv("SAMPLEFORMER_ATOM_LIMIT", "5")
    assert molecule_graph("Cl[Si](Br)([2H])C").order == 5
    with pytest.raises(MoleculeError, match="'CCCCCC' has more than 5 atoms"):
        molecule_graph("CCCCCC")
    monkeypatch.setenv("SAMPLEFORMER_ATOM_LIMIT", "many")
    with pytest.raises(InputError, match="SAMPLEFORMER_ATOM_LIMIT: found 'many', expected a number of atoms"):
        molecule_graph("C")


def test_without_rdkit_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(InputError, match=r'needs the package rdkit: pip install "sampleformer\[graph\]"'):
        molecule_graph("C")


def test_one_hot_checks_its_codes() -> None:
    with pytest.raises(ValueError, match="code 1 of row 0 is 3, expected 0 to 2"):
        one_hot(np.array([[1, 3]]), [2, 3])
    with pytest.raises(ValueError, match="code 0 of row 1 is -1, expected 0 to 1"):
        one_hot(np.array([[1, 0], [-1, 0]]), [2, 3])
