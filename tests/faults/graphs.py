"""Readers of graphs and molecules."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from sampleformer.data import GraphFiles, PascalVocSp, PeptidesFunc, SmilesTable, TuDataset
from sampleformer.data.graph.pyg_files import read_pyg_file
from sampleformer.data.graph.restricted_pickle import read_pickle
from tests.data.graph.small import write_many
from tests.data.graph.test_published import SMILES, SPLIT
from tests.faults.reader import reader, zipped
from tests.training.small import write_csv


def _molecules(path: Path) -> None:
    longer = ["C[C@H](N)C(=O)O", "c1ccc2c(c1)cccc2", "[O-][N+](=O)c1ccccc1", "O=C([O-])C.[Na+]", "C1CC2CCC1C2"]
    write_csv(path, ["smiles", "y"], [[each, number % 2] for number, each in enumerate([*SMILES, *longer] * 2)])


def _graph_archive(path: Path) -> None:
    nodes, edges = np.full(12, 3), np.full(12, 2)
    ends = np.tile([[0, 1], [1, 2]], (12, 1))
    features = np.arange(72, dtype=np.uint8).reshape(36, 2)
    np.savez_compressed(
        path, num_nodes=nodes, num_edges=edges, node_feat=features, edge_index=ends, y=np.arange(12) % 2
    )


def _graphs(number: int = 12) -> list[Data]:
    ends = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    return [Data(x=torch.rand(3, 2), edge_index=ends, y=torch.tensor([row % 2])) for row in range(number)]


def _tu_files() -> dict[str, str | bytes]:
    edges = "".join(f"{3 * row + a}, {3 * row + b}\n" for row in range(20) for a, b in ((1, 2), (2, 1), (2, 3), (3, 2)))
    return {
        "SET/SET_A.txt": edges,
        "SET/SET_graph_indicator.txt": "".join(f"{row // 3 + 1}\n" for row in range(60)),
        "SET/SET_graph_labels.txt": "".join(f"{row % 2}\n" for row in range(20)),
        "SET/SET_node_labels.txt": "".join(f"{row % 3}\n" for row in range(60)),
        "SET/SET_node_attributes.txt": "".join(f"{row / 7:.2f}, 1\n" for row in range(60)),
    }


def _superpixels() -> bytes:
    ends = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    return pickle.dumps([(torch.rand(3, 14), torch.rand(2, 2).repeat_interleave(2, dim=0), ends, [0, 7, 20])] * 2)


def _superpixel_files() -> dict[str, str | bytes]:
    parts = ("train", "val", "test")
    return {f"voc_superpixels_edge_wt_region_boundary/{part}.pickle": _superpixels() for part in parts}


def _peptides(folder: Path) -> None:
    rows = [[each, "SEQ", str([number % 2, *[0] * 8, 1])] for number, each in enumerate(SMILES)]
    write_csv(folder / "plain.csv", ["smiles", "peptide_seq", "labels"], rows)
    packed = gzip.compress((folder / "plain.csv").read_bytes(), mtime=0)
    (folder / "peptide_multi_class_dataset.csv.gz").write_bytes(packed)
    (folder / "splits_random_stratified_peptide.pickle").write_bytes(pickle.dumps(SPLIT))


@reader("molecules .csv", "m.csv", lambda folder: _molecules(folder / "m.csv"))
def _(folder: Path, on_error: str) -> Any:
    return SmilesTable(folder / "m.csv", "smiles", "y", on_error=on_error, random_walk=2, split="scaffold").load()


for _table in ("nodes", "edges", "graphs"):

    @reader(f"graphs: {_table}.csv", f"{_table}.csv", lambda folder: write_many(folder, 12))
    def _(folder: Path, on_error: str) -> Any:
        return GraphFiles(str(folder), "active", laplacian=2, on_error=on_error).load()


@reader("graphs .npz", "g.npz", lambda folder: _graph_archive(folder / "g.npz"))
def _(folder: Path, on_error: str) -> Any:
    return GraphFiles(str(folder / "g.npz"), on_error=on_error).load()


@reader("graphs .pt", "g.pt", lambda folder: torch.save(_graphs(), folder / "g.pt"))
def _(folder: Path, on_error: str) -> Any:
    return read_pyg_file(folder / "g.pt")


@reader("graphs of TU .zip", "SET.zip", lambda folder: zipped(folder / "SET.zip", _tu_files()))
def _(folder: Path, on_error: str) -> Any:
    return TuDataset("SET", str(folder / "SET.zip")).load()


@reader("pickle", "p.pickle", lambda folder: (folder / "p.pickle").write_bytes(_superpixels()))
def _(folder: Path, on_error: str) -> Any:
    return read_pickle((folder / "p.pickle").read_bytes(), "p.pickle")


@reader("superpixels .zip", "voc.zip", lambda folder: zipped(folder / "voc.zip", _superpixel_files()))
def _(folder: Path, on_error: str) -> Any:
    return PascalVocSp(str(folder / "voc.zip"), random_walk=2).load()


for _file in ("peptide_multi_class_dataset.csv.gz", "splits_random_stratified_peptide.pickle"):

    @reader(f"peptides: {_file.partition('_')[0]}", _file, _peptides)
    def _(folder: Path, on_error: str) -> Any:
        return PeptidesFunc(str(folder)).load()
