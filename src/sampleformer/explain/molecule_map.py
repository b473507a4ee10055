"""The choice map of a molecule: its drawing, with chosen atoms and bonds marked."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from sampleformer.errors import InputError
from sampleformer.explain.choices import Choices
from sampleformer.explain.drawing import Drawing
from sampleformer.explain.html import details, escape
from sampleformer.extras import require

if TYPE_CHECKING:
    from rdkit.Chem import Mol

_BOND_PIXELS = (14.0, 38.0)  # the least and most: as many as let the molecule fit the page
_WIDTH = 900.0
_LARGE = 60  # atoms from which on CoordGen lays them out: slower, but chains of hundreds hardly cross themselves
_LONG = 200  # signs from which on a SMILES is shown on a click
_LETTER = (0.5, 15)  # height of a letter in lengths of a bond, and its most in pixels
_RADIUS = 0.31  # of the mark of an atom, in lengths of a bond
_SIGNS = {1.0: "–", 1.5: "∶", 2.0: "=", 3.0: "≡"}


def molecule_map(smiles: str, choices: Choices, pooling: Float[np.ndarray, " tokens"] | None = None) -> str:
    """The molecule with chosen atoms and bonds marked.

    Args:
        smiles: of the molecule.
        choices: of every layer and head, over the atoms and then the bonds, both in RDKit's order.
        pooling: weight of each atom and bond in the answer; None: not known.

    Raises:
        InputError: if RDKit is missing or cannot read the SMILES.
    """
    return draw_molecule(smiles).marked(choices, pooling)


def plain_molecule(smiles: str, pooling: Float[np.ndarray, " tokens"] | None = None) -> str:
    """The molecule without choices.

    Raises:
        InputError: if RDKit is missing or cannot read the SMILES.
    """
    return draw_molecule(smiles).plain(pooling)


def draw_molecule(smiles: str) -> Drawing:
    """Draws a molecule with RDKit.

    Node ``i`` is atom ``i`` of RDKit's parse and edge ``e`` its bond ``e``; the elements of the drawing carry RDKit's
    classes ``atom-i`` and ``bond-e``.

    Args:
        smiles: of the molecule.

    Raises:
        InputError: if RDKit is missing or cannot read the SMILES.
    """
    chem = require("rdkit.Chem", "graph")
    molecule = chem.MolFromSmiles(smiles)
    if molecule is None:
        raise InputError(f"SMILES {smiles!r}: RDKit cannot read it, expected a valid molecule")
    drawer = _draw(molecule)
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    places = [drawer.GetDrawCoords(atom) for atom in range(molecule.GetNumAtoms())]
    code = f"<code>{escape(smiles)}</code>"
    positions = np.array([(place.x, place.y) for place in places]).reshape(-1, 2)
    return Drawing(
        lines="",
        letters=_inner(drawer.GetDrawingText()),
        size=(float(drawer.Width()), float(drawer.Height())),
        positions=positions,
        ends=np.array(ends, dtype=np.int64).reshape(-1, 2),
        radius=_RADIUS * _bond_pixels(molecule),
        kinds=("atom", "bond"),
        names=_names(molecule),
        title=f"Molecule {smiles}",
        caption=code if len(smiles) <= _LONG else details("SMILES", code),
    )


def _draw(molecule: "Mol") -> Any:
    """As large as the molecule, in black, so that letters can be read on any mark."""
    module = require("rdkit.Chem.Draw.rdMolDraw2D", "graph")
    if molecule.GetNumAtoms() > _LARGE:
        require("rdkit.Chem.rdCoordGen", "graph").AddCoords(molecule)
    else:
        require("rdkit.Chem.rdDepictor", "graph").Compute2DCoords(molecule)
    drawer = module.MolDraw2DSVG(-1, -1)
    options = drawer.drawOptions()
    options.clearBackground = False
    options.useBWAtomPalette()
    pixels = _bond_pixels(molecule)
    options.scalingFactor = pixels / _bond_length(molecule)
    options.fixedFontSize = min(round(_LETTER[0] * pixels), _LETTER[1])
    options.bondLineWidth = 0.05 * pixels
    options.prepareMolsBeforeDrawing = False
    options.flagCloseContactsDist = -1  # draws no red boxes around atoms that lie close together
    # Explicit hydrogens at stereocentres would be atoms that the model does not know.
    drawer.DrawMolecule(module.PrepareMolForDrawing(molecule, addChiralHs=False))
    drawer.FinishDrawing()
    return drawer


def _bond_length(molecule: "Mol") -> float:
    """The median in the drawing's plane; the two ways to lay out a molecule differ in it."""
    places = molecule.GetConformer().GetPositions()
    lengths = [
        float(np.linalg.norm(places[bond.GetBeginAtomIdx()] - places[bond.GetEndAtomIdx()]))
        for bond in molecule.GetBonds()
    ]
    return float(np.median(lengths)) if lengths else 1.5


def _bond_pixels(molecule: "Mol") -> float:
    """How long a bond is drawn, so that the molecule is no wider than the page."""
    width = float(np.ptp(molecule.GetConformer().GetPositions()[:, 0])) / _bond_length(molecule)
    return float(np.clip(_WIDTH / max(width, 1.0), *_BOND_PIXELS))


def _inner(text: str) -> str:
    """What stands inside of the SVG's frame, in lines as short as can be."""
    start, end = text.index("<!-- END OF HEADER -->") + len("<!-- END OF HEADER -->"), text.rindex("</svg>")
    return re.sub(r"\n(?!<)", " ", text[start:end]).lstrip()


def _names(molecule: "Mol") -> list[str]:
    symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    atoms = [f"atom {place} ({symbol})" for place, symbol in enumerate(symbols)]
    bonds = [
        f"bond {place} ({symbols[bond.GetBeginAtomIdx()]}{bond.GetBeginAtomIdx()}"
        f"{_SIGNS.get(bond.GetBondTypeAsDouble(), '–')}{symbols[bond.GetEndAtomIdx()]}{bond.GetEndAtomIdx()})"
        for place, bond in enumerate(molecule.GetBonds())
    ]
    return atoms + bonds
