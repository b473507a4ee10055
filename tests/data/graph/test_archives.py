"""Graphs from NPZ archives."""

from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.graph.archives import read_graph_archive
from sampleformer.errors import InputError

COUNTS = {"num_nodes": np.array([3, 1, 2], np.int32), "num_edges": np.array([2, 0, 1], np.int32)}
FEATURES = COUNTS | {
    "node_feat": np.arange(12, dtype=np.uint8).reshape(6, 2),
    "edge_index": np.array([[0, 1], [1, 2], [0, 0]], np.uint16),
    "edge_feat": np.array([[1], [2], [3]], np.uint8),
    "y": np.array([[0, 1], [1, 0], [1, 1]], np.uint8),
    "split": np.array([0, 1, 2], np.uint8),
}
LABELS = COUNTS | {
    "src": np.array([0, 1, 0], np.uint16),
    "dst": np.array([1, 2, 0], np.uint16),
    "node_label": np.array([5, 4, 3, 2, 1, 0], np.uint16),
    "y": np.array([0, 1, 1], np.uint8),
    "fold": np.array([0, 9, 255], np.uint8),
}


def write(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    path = folder / "graphs.npz"
    np.savez_compressed(path, **arrays)
    return path


def test_features(tmp_path: Path) -> None:
    found = read_graph_archive(write(tmp_path, FEATURES))
    first, second, third = found.graphs
    assert (first.nodes.tolist(), first.ends.tolist()) == ([[0, 1], [2, 3], [4, 5]], [[0, 1], [1, 2]])
    assert (first.edge_features.tolist(), first.nodes.dtype, first.directed) == ([[1], [2]], np.uint8, False)
    assert (second.nodes.tolist(), second.ends.shape, second.edge_features.shape) == ([[6, 7]], (0, 2), (0, 1))
    assert (third.nodes.tolist(), third.ends.tolist()) == ([[8, 9], [10, 11]], [[0, 0]])
    assert found.targets is not None
    assert found.splits is not None
    assert (found.targets.tolist(), found.splits.tolist()) == ([[0, 1], [1, 0], [1, 1]], [0, 1, 2])
    assert found.folds is None


def test_labels(tmp_path: Path) -> None:
    found = read_graph_archive(write(tmp_path, LABELS))
    first, second, third = found.graphs
    assert (first.nodes.tolist(), first.ends.tolist()) == ([5, 4, 3], [[0, 1], [1, 2]])
    assert first.edge_features.shape == (2, 0)
    assert (second.nodes.tolist(), third.nodes.tolist(), third.ends.tolist()) == ([2], [1, 0], [[0, 0]])
    assert found.targets is not None
    assert found.folds is not None
    assert (found.targets.tolist(), found.folds.tolist(), found.splits) == ([0, 1, 1], [0, 9, 255], None)


def test_what_may_be_left_out(tmp_path: Path) -> None:
    few = {name: LABELS[name] for name in ("num_nodes", "num_edges", "src", "dst")}
    found = read_graph_archive(write(tmp_path, few))
    assert [graph.nodes.tolist() for graph in found.graphs] == [[0, 0, 0], [0], [0, 0]]
    assert (found.targets, found.splits, found.folds) == (None, None, None)


def test_numbers_as_features_and_unknown_targets(tmp_path: Path) -> None:
    arrays = {**FEATURES, "node_feat": np.full((6, 1), 0.5, np.float32), "y": np.array([1.5, np.nan, 2.0])}
    del arrays["edge_feat"]
    found = read_graph_archive(write(tmp_path, arrays))
    assert (found.graphs[0].nodes.tolist(), found.graphs[0].edge_features.shape) == ([[0.5], [0.5], [0.5]], (2, 0))
    np.testing.assert_array_equal(found.targets, [1.5, np.nan, 2.0])


@pytest.mark.parametrize(
    ("arrays", "change", "message"),
    [
        (FEATURES, {"num_nodes": None}, "array 'num_nodes' is missing; found num_edges, node_feat, edge_index, edge_"),
        (FEATURES, {"edge_index": None}, "array 'edge_index' is missing; found num_nodes, num_edges, node_feat"),
        (FEATURES, {"node_feat": None}, "array 'node_feat' is missing; found"),
        (LABELS, {"dst": None}, "array 'dst' is missing; found num_nodes, num_edges, src, node_label"),
        (LABELS, {"src": None}, "array 'src' is missing; found num_nodes, num_edges, dst, node_label"),
        (FEATURES, {"num_edges": np.array([2, 1])}, "array 'num_edges' has shape (2,), expected (3,)"),
        (FEATURES, {"num_nodes": np.array([3.0, 1, 2])}, "array 'num_nodes' has dtype float64, expected integers"),
        (FEATURES, {"num_nodes": np.array([3, 0, 3])}, "num_nodes: graph 1 has 0, expected at least 1"),
        (FEATURES, {"num_edges": np.array([2, -1, 2])}, "num_edges: graph 1 has -1, expected at least 0"),
        (FEATURES, {"num_nodes": np.array([3, 1, 3])}, "array 'node_feat' has 6 rows, expected 7, the sum of num_nod"),
        (FEATURES, {"num_edges": np.array([2, 0, 2])}, "array 'edge_index' has 3 rows, expected 4, the sum of num_ed"),
        (LABELS, {"num_nodes": np.array([3, 1, 3])}, "array 'node_label' has 6 rows, expected 7, the sum of num_node"),
        (LABELS, {"num_edges": np.array([2, 0, 2])}, "array 'src' has 3 rows, expected 4, the sum of num_edges"),
        (LABELS, {"dst": np.array([1, 2])}, "array 'dst' has shape (2,), expected (3,)"),
        (
            FEATURES,
            {"edge_index": np.array([[0, 1], [1, 2], [0, 2]])},
            "edge 2 joins the nodes 0 and 2 of graph 2, expected 0 to 1",
        ),
        (LABELS, {"src": np.array([0, -1, 0])}, "edge 1 joins the nodes -1 and 2 of graph 0, expected 0 to 2"),
        (FEATURES, {"edge_index": np.zeros((2, 3), int)}, "array 'edge_index' has 2 rows, expected 3, the sum of num"),
        (FEATURES, {"edge_index": np.zeros((3, 3), int)}, "array 'edge_index' has shape (3, 3), expected (3, 2)"),
        (FEATURES, {"edge_feat": np.zeros(3, int)}, "array 'edge_feat' has shape (3,), expected (3, features)"),
        (FEATURES, {"node_feat": np.full(6, 0.5)}, "array 'node_feat' has dtype float64, expected integers"),
        (
            FEATURES,
            {"node_feat": np.array([[0.0]] * 5 + [[np.nan]])},
            "array 'node_feat' is nan at [5, 0], expected finite numbers",
        ),
        (FEATURES, {"y": np.array([0, 1])}, "array 'y' has shape (2,), expected (3,)"),
        (FEATURES, {"y": np.array(["a", "b", "c"])}, "array 'y' has dtype <U1, expected numbers"),
        (FEATURES, {"split": np.zeros((3, 1), int)}, "array 'split' has shape (3, 1), expected (3,)"),
        (
            FEATURES,
            {"node_feat": np.array([None] * 6)},
            "array 'node_feat': not a valid NPY file of numbers or texts",
        ),
    ],
)
def test_bad_arrays(
    tmp_path: Path, arrays: dict[str, np.ndarray], change: dict[str, np.ndarray | None], message: str
) -> None:
    changed = {name: value for name, value in (arrays | change).items() if value is not None}
    path = write(tmp_path, changed)
    with pytest.raises(InputError) as raised:
        read_graph_archive(path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path, FEATURES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a valid NPZ file \\(File is not a zip file\\)"):
        read_graph_archive(path)


def test_a_file_with_a_damaged_array(tmp_path: Path) -> None:
    path = write(tmp_path, FEATURES)
    content = bytearray(path.read_bytes())
    content[60:80] = b"\xff" * 20
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="not a whole NPZ archive of plain arrays"):
        read_graph_archive(path)


@pytest.mark.parametrize("what", ["missing", "folder", "array", "text"])
def test_what_is_no_archive(tmp_path: Path, what: str) -> None:
    path = tmp_path / "graphs.npz"
    if what == "folder":
        path.mkdir()
    elif what == "array":
        np.save(tmp_path / "graphs.npy", np.zeros(3))
        (tmp_path / "graphs.npy").rename(path)
    elif what == "text":
        path.write_text("no archive")
    words = {"missing": "no such file", "folder": "found a folder, expected a file", "array": "found a single array"}
    with pytest.raises(InputError, match=words.get(what, "not a valid NPZ file")):
        read_graph_archive(path)
