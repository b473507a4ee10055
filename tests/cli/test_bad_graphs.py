"""Wrong graphs and molecules end in one line with exit code 2 and nothing made; strange ones are defined."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.program import refused, run_program
from tests.data.graph.small import MODEL, write_many, write_one
from tests.training.small import write_csv

MANY = ["train", "--data", "mine", "--label", "active"]
NODES = ["train", "--data", "mine", "--label", "group"]
MOLECULES = ["train", "--data", "molecules.csv", "--smiles", "smiles", "--label", "y"]
GOOD = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "CC#N", "C1CCCCC1", "CCCl", "C=O", "CO", "CCC"]
STRANGE = ["C", "[Na+].[Cl-]", "CC(=O)[O-].[Na+]", "[He]", "O.O.O"]


def _append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")


def _molecules(folder: Path, *more: str) -> None:
    smiles = 3 * GOOD + list(more)
    write_csv(folder / "molecules.csv", ["smiles", "y"], [[each, row % 2] for row, each in enumerate(smiles)])


def _no_molecule(folder: Path) -> None:
    _molecules(folder, "C1CC")


def _unknown_node(folder: Path) -> None:
    _append(write_many(folder / "mine") / "edges.csv", "g3,0,99,single")


def _not_a_number(folder: Path) -> None:
    write_many(folder / "mine")
    _append(folder / "mine" / "nodes.csv", "g3,99,a,inf,A")


def _no_nodes(folder: Path) -> None:
    _append(write_many(folder / "mine") / "graphs.csv", "new,yes,1")


def _twice(folder: Path) -> None:
    _append(write_many(folder / "mine") / "nodes.csv", "g3,0,a,1,A")


def _class_of_the_test_alone(folder: Path) -> None:
    write_one(folder / "mine")
    path = folder / "mine" / "nodes.csv"
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    parts = [line + (",test" if row >= 50 else ",valid" if row >= 40 else ",train") for row, line in enumerate(lines)]
    parts[-1] = parts[-1].replace(",b,", ",new,")
    path.write_text("\n".join([f"{head},split", *parts, ""]), encoding="utf-8")


def _no_tables(folder: Path) -> None:
    (folder / "mine").mkdir()


def _edge_out_of_an_archive(folder: Path) -> None:
    counts = {"num_nodes": np.array([2, 2]), "num_edges": np.array([1, 1])}
    np.savez(folder / "mine.npz", src=np.array([0, 0]), dst=np.array([1, 2]), y=np.array([0, 1]), **counts)


def _many(folder: Path) -> None:
    write_many(folder / "mine")


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (_no_molecule, MOLECULES, "molecules.csv: row 31 (line 32): column 'smiles': 'C1CC' is not a valid SMILES"),
        (_unknown_node, MANY, "mine/edges.csv: row 128 (line 129): column 'target': found '99', expected the id of a"),
        (_not_a_number, MANY, "mine/nodes.csv: row 143 (line 144): column 'mass': found 'inf', expected a finite"),
        (_no_nodes, MANY, "mine/graphs.csv: row 31 (line 32): column 'graph': 'new' has no nodes in mine/nodes.csv"),
        (_twice, MANY, "mine/nodes.csv: row 143 (line 144): column 'node': found '0' again (first in row"),
        (
            _class_of_the_test_alone,
            NODES,
            "mine/nodes.csv: row 60 (line 61): column 'group': label 'new' does",
        ),
        (_no_tables, [*MANY, "--edges", "no.csv"], "no.csv: no such file"),
        (
            _edge_out_of_an_archive,
            ["train", "--data", "mine.npz", "--label", "y"],
            "mine.npz: edge 1 joins the nodes",
        ),
        (
            _many,
            ["train", "--data", "mine", "--label", "activ"],
            "mine/graphs.csv: label 'activ' is a column of",
        ),
        (_many, [*MANY, "--text", "kind", "--edges", "e.csv"], "--text COLUMN and --edges FILE: expected one kind of"),
    ],
)
def test_wrong_graphs(tmp_path: Path, make: Callable[[Path], None], arguments: list[str], message: str) -> None:
    make(tmp_path)
    assert refused(tmp_path, arguments).startswith(message)


def test_strange_graphs_train(tmp_path: Path) -> None:
    """Self-loops, double edges, isolated nodes, a graph without edges; a wrong graph is left out if that is asked."""
    mine = write_many(tmp_path / "mine")
    for line in ("g3,0,0,single", "g3,0,1,single", "g3,1,0,double", "g4,0,99,single"):
        _append(mine / "edges.csv", line)
    for line in ("g3,77,a,1,A", "new,0,c,2,C", "new,1,a,2,A"):
        _append(mine / "nodes.csv", line)
    _append(mine / "graphs.csv", "new,yes,1")
    done = run_program(tmp_path, [*MANY, "--on-error", "skip", "--output", "run", "--steps", "4", *MODEL])
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stderr.split())
    assert "mine/edges.csv: skipped 1 wrong row, the first: row 131 (line 132)" in words
    assert "mine/nodes.csv: left out 1 graph for wrong rows" in words
    assert refused(tmp_path, ["predict", "run", "mine", "-o", "p.csv"]).startswith("mine/edges.csv: row 131")


def test_strange_molecules_train(tmp_path: Path) -> None:
    """Salts, single atoms, molecules without bonds; one that is none is left out and counted if that is asked."""
    _molecules(tmp_path, *STRANGE, "C1CC", "")
    run = ["--output", "run", "--steps", "4", "--on-error", "skip", *MODEL]
    done = run_program(tmp_path, [*MOLECULES, *run])
    assert done.returncode == 0, done.stderr
    assert "molecules.csv: skipped 2 wrong rows, the first: row 36 (line 37)" in " ".join(done.stderr.split())
    write_csv(tmp_path / "new.csv", ["smiles"], [[each] for each in STRANGE])
    done = run_program(tmp_path, ["predict", "run", "new.csv", "-o", "p.csv"])
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "p.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(STRANGE)
