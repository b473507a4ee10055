import re
import sys
from itertools import combinations

import numpy as np
import pytest
from rdkit import Chem

from sampleformer.errors import InputError
from sampleformer.explain.choices import Choices
from sampleformer.explain.molecule_map import draw_molecule, molecule_map, plain_molecule
from tests.explain.pages import Page, chosen_cells

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"  # 13 atoms, 13 bonds


def chose(tokens: int, *heads: list[int]) -> Choices:
    """One layer whose heads chose these tokens."""
    chosen = np.zeros((1, len(heads), tokens), bool)
    for head, places in enumerate(heads):
        chosen[0, head, places] = True
    return Choices(chosen, np.zeros((1, len(heads)), int))


def test_chosen_atoms_and_bonds_are_marked_by_how_many_heads_chose_them() -> None:
    page = Page(molecule_map(ASPIRIN, chose(26, [0, 2, 13], [2, 14], [2], [2, 14])))
    marked = {name: mark for name, mark in page.strengths.items() if mark[1] > 0}
    assert marked == {
        "atom 0 (C)": ("chosen by 1 of 4", 0.25),
        "atom 2 (O)": ("chosen by 4 of 4", 1.0),
        "bond 0 (C0–C1)": ("chosen by 1 of 4", 0.25),
        "bond 1 (C1=O2)": ("chosen by 2 of 4", 0.5),
    }
    assert len(page.strengths) == 26
    assert "chosen by none (no mark) to 4 (darkest) of 4 heads, all layers together" in page.text
    assert "13 atoms (left), then 13 bonds" in page.text


def test_marks_lie_on_the_atoms_and_bonds_that_rdkit_drew() -> None:
    html = molecule_map(ASPIRIN, chose(26, [0]))
    circles = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', html)
    centres = np.array([(float(x), float(y)) for x, y, _ in circles])
    radius = float(circles[0][2])
    marks = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" style', html)
    bonds = list(Chem.MolFromSmiles(ASPIRIN).GetBonds())
    assert len(marks) == len(bonds)
    for bond, mark in zip(bonds, marks, strict=True):
        ends = np.array(mark, dtype=float).reshape(2, 2)
        atoms = centres[[bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]]
        distances = np.linalg.norm(ends[:, None] - atoms[None], axis=-1)
        assert np.sort(distances.min(axis=1)) == pytest.approx([radius, radius], abs=0.15)  # from rim to rim
        place = bond.GetIdx()
        drawn = re.findall(rf"<path class='bond-{place} atom-\d+ atom-\d+' d='M ([\d.]+),([\d.]+) L", html)
        assert drawn, f"bond {place} is not drawn"
        near = np.linalg.norm(np.array(drawn, dtype=float)[:, None] - atoms[None], axis=-1).min()
        assert near < 0.6 * np.linalg.norm(atoms[0] - atoms[1])


def test_atoms_and_bonds_can_be_addressed() -> None:
    kinds = set(" ".join(Page(plain_molecule(ASPIRIN)).kinds).split())
    assert {f"bond-{place}" for place in range(13)} | {f"atom-{place}" for place in range(13)} <= kinds


def test_script_gets_the_choices_of_every_head_and_the_pooling_weights() -> None:
    chosen = np.random.default_rng(0).random((3, 2, 26)) < 0.4
    weights = np.random.default_rng(1).dirichlet(np.ones(26))
    page = Page(molecule_map(ASPIRIN, Choices(chosen, np.zeros((3, 2), int)), weights))
    (data,) = page.choices
    assert (data["kind"], data["length"], data["many"]) == ("drawing", 26, "atoms and bonds")
    assert data["pooling"] == pytest.approx(weights.tolist(), rel=1e-3)
    for layer in range(3):
        for head in range(2):
            assert (chosen_cells(data["chosen"][layer][head], 26) == chosen[layer, head]).all()


def test_a_model_that_reads_atoms_alone_has_no_marks_on_bonds() -> None:
    page = Page(molecule_map(ASPIRIN, chose(13, [0])))
    assert len(page.strengths) == 13
    assert all(name.startswith("atom") for name in page.strengths)
    assert page.choices[0]["many"] == "atoms"


def test_a_molecule_without_choices_shows_the_pooling_weights() -> None:
    assert Page(plain_molecule("CO")).strengths == {}
    page = Page(plain_molecule("CO", np.array([0.5, 0.25, 0.25])))
    assert page.strengths["atom 0 (C)"] == ("weight 50.0\N{NO-BREAK SPACE}%", 1.0)
    assert page.strengths["bond 0 (C0–O1)"] == ("weight 25.0\N{NO-BREAK SPACE}%", 0.5)
    assert page.choices == []


@pytest.mark.parametrize(
    "smiles",
    [
        "C",
        "[Na+].[Cl-]",
        "[H][H]",
        "[2H]O[2H]",
        "C[C@H]1CC[C@@H](O)CC1",  # hydrogens at its stereocentres would be atoms that the model does not know
        "C[C@@]12CCC[C@H]1CCCC2",
        "O=[N+]([O-])c1ccccc1",
        "C#N",
        "*C",
        "[Fe+2].c1cc[cH-]c1.c1cc[cH-]c1",
    ],
)
def test_every_molecule_has_as_many_marks_as_atoms_and_bonds(smiles: str) -> None:
    molecule = Chem.MolFromSmiles(smiles)
    atoms, bonds = molecule.GetNumAtoms(), molecule.GetNumBonds()
    page = Page(molecule_map(smiles, chose(atoms + bonds, [0])))
    assert len(page.strengths) == atoms + bonds
    assert [name.split()[0] for name in page.strengths].count("atom") == atoms
    drawing = draw_molecule(smiles)
    assert np.isfinite(drawing.positions).all()
    assert ((drawing.positions >= 0) & (drawing.positions <= drawing.size)).all()


def test_a_long_chain_fits_the_page_and_hardly_crosses_itself() -> None:
    smiles = Chem.MolToSmiles(Chem.MolFromSequence("ACDEFGHIKLMNPQRSTVWY" * 2))
    drawing = draw_molecule(smiles)
    assert drawing.size[0] <= 1040  # what the page has
    bonds = drawing.positions[drawing.ends]
    length = np.median(np.linalg.norm(bonds[:, 0] - bonds[:, 1], axis=1))
    pairs = np.array(list(combinations(range(len(drawing.positions)), 2)))
    apart = np.linalg.norm(np.diff(drawing.positions[pairs], axis=1)[:, 0], axis=1)
    assert (apart < 0.4 * length).sum() <= 0.02 * len(drawing.positions)
    assert "<details><summary>SMILES</summary>" in drawing.caption


def test_same_molecule_gives_the_same_drawing() -> None:
    assert plain_molecule(ASPIRIN) == plain_molecule(ASPIRIN)


@pytest.mark.parametrize("smiles", ["C1CC", "no <b>molecule", "C(C)(C)(C)(C)C"])
def test_wrong_smiles_are_named(smiles: str) -> None:
    with pytest.raises(InputError, match="RDKit cannot read it, expected a valid molecule") as raised:
        plain_molecule(smiles)
    assert repr(smiles) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_rdkit_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(InputError, match=r'pip install "sampleformer\[graph\]"'):
        plain_molecule(ASPIRIN)


def test_choices_of_another_molecule_are_refused() -> None:
    with pytest.raises(ValueError, match="25 tokens, expected 13 nodes or 26 nodes and edges"):
        molecule_map(ASPIRIN, chose(25, [0]))
