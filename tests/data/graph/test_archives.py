"""Graphs from NPZ archives."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from sampleformer.data.graph.archives import read_graph_archive
from sampleformer.data.graph.graph_format import GraphFormat
from sampleformer.data.graph.graph_reading import read_graphs
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


NODE_ARRAYS: dict[str, dict[str, np.ndarray]] = {
    "nothing": {},
    "codes": {"node_label": np.array([5, 4, 3, 2, 1, 0])},
    "several codes": {"node_feat": np.arange(12).reshape(6, 2)},
    "a number": {"node_feat": np.arange(6) + 0.5},
    "numbers": {"node_feat": np.arange(12).reshape(6, 2) + 0.5},
    "both": {"node_label": np.array([5, 4, 3, 2, 1, 0]), "node_feat": np.arange(12).reshape(6, 2) + 0.5},
}
EDGE_ARRAYS: dict[str, dict[str, np.ndarray]] = {
    "nothing": {},
    "codes": {"edge_label": np.array([2, 3, 4])},
    "numbers": {"edge_feat": np.array([[0.5], [1.5], [2.5]])},
    "weights": {"edge_weight": np.array([0.5, 1.5, 2.5])},
    "all": {
        "edge_label": np.array([2, 3, 4]),
        "edge_feat": np.array([[0.5], [1.5], [2.5]]),
        "edge_weight": np.array([7.5, 8.5, 9.5]),
    },
}
ENDS: dict[str, dict[str, np.ndarray]] = {
    "sides": {"src": np.array([0, 1, 0]), "dst": np.array([1, 2, 0])},
    "index": {"edge_index": np.array([[0, 1], [1, 2], [0, 0]])},
}


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("of_edges", EDGE_ARRAYS)
@pytest.mark.parametrize("of_nodes", NODE_ARRAYS)
def test_every_array_is_used_in_every_layout(tmp_path: Path, ends: str, of_nodes: str, of_edges: str) -> None:
    nodes, edges = NODE_ARRAYS[of_nodes], EDGE_ARRAYS[of_edges]
    path = write(tmp_path, COUNTS | ENDS[ends] | nodes | edges)
    found = read_graphs(path, GraphFormat())
    first = found.graphs[0]
    assert first.ends.tolist() == [[0, 1], [1, 2]]
    for arrays, numbers, categories in (
        (nodes or {"nothing": np.zeros(6, int)}, first.numbers, first.categories),
        (edges, first.edge_numbers, first.edge_categories),
    ):
        columns = [array[: len(numbers)].reshape(len(numbers), -1) for array in arrays.values()]
        whole = [column for column in columns if column.dtype.kind == "i"]
        others = [column for column in columns if column.dtype.kind == "f"]
        np.testing.assert_array_equal(categories, np.concatenate([np.zeros((len(numbers), 0)), *whole], axis=1))
        np.testing.assert_array_equal(numbers, np.concatenate([np.zeros((len(numbers), 0)), *others], axis=1))
        assert categories.dtype.kind in "iu"
    words = [f"{of}: {', '.join(arrays) or 'nothing'}" for of, arrays in (("nodes", nodes), ("edges", edges))]
    assert found.used == [f"{path}: {'; '.join(words)}"]


def test_arrays_that_are_not_used_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, LABELS | {"pos": np.zeros((6, 3)), "edge_index": np.zeros((3, 2), int)})
    assert read_graph_archive(path).used == "nodes: node_label; edges: nothing; not used: pos, edge_index"


def test_floats_in_the_place_of_codes_are_refused(tmp_path: Path) -> None:
    codes = read_graphs(write(tmp_path, LABELS), GraphFormat()).format
    for labels in (np.full(6, 2.0), np.full(6, 2.5)):
        path = write(tmp_path, LABELS | {"node_label": labels})
        if labels[0] == 2:
            assert read_graphs(path, codes).graphs[0].categories.tolist() == [[2], [2], [2]]
        else:
            with pytest.raises(InputError, match=r"node 0 of graph 0 carries 2.5, expected an integer: a code"):
                read_graphs(path, codes)


@pytest.mark.parametrize(
    ("arrays", "change", "message"),
    [
        (FEATURES, {"num_nodes": None}, "array 'num_nodes' is missing; found num_edges, node_feat, edge_index, edge_"),
        (FEATURES, {"edge_index": None}, "array 'edge_index' is missing; found num_nodes, num_edges, node_feat"),
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
        (FEATURES, {"edge_feat": np.zeros((1, 3))}, "array 'edge_feat' has 1 rows, expected 3, the sum of num_edges"),
        (FEATURES, {"node_feat": np.zeros((2, 6))}, "array 'node_feat' has 2 rows, expected 6, the sum of num_nodes"),
        (FEATURES, {"node_feat": np.zeros((6, 2, 2))}, "array 'node_feat' has shape (6, 2, 2), expected (6, features)"),
        (FEATURES, {"node_feat": np.full((6, 1), 1e39)}, "array 'node_feat' is 1e+39 at [0, 0], expected finite num"),
        (
            FEATURES,
            {"node_label": np.full(6, 2**60), "node_feat": np.full(6, 0.5)},
            "node_label has an integer beyond 2^53",
        ),
        (FEATURES, {"num_nodes": np.array([3, 1, 2**63], np.uint64)}, "num_nodes: graph 2 has 9223372036854775808, e"),
        (FEATURES, {"split": np.array([0, 1, 3])}, "array 'split' holds 3, expected 0 (train), 1 (valid) or 2 (test)"),
        (
            LABELS,
            {"node_label": None, "num_nodes": np.array([2**31 - 1, 1, 2])},
            "found 2,147,483,650 nodes that carry",
        ),
        (LABELS, {"fold": np.array([0, 9, 12])}, "array 'fold' holds 12, expected 0 to 9, or 255 for none"),
        (LABELS, {"fold": np.array([0, 9, -1])}, "array 'fold' holds -1, expected 0 to 9, or 255 for none"),
        (
            FEATURES,
            {"node_feat": np.array([[0.0]] * 5 + [[np.nan]])},
            "array 'node_feat' is nan at [5, 0], expected finite numbers up to 3.4e+38",
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
    with pytest.raises(InputError, match="not a valid NPZ file"):
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


def test_more_graphs_than_a_small_file_can_hold(tmp_path: Path) -> None:
    counts = {"num_nodes": np.ones(2_000_000, np.uint8), "num_edges": np.zeros(2_000_000, np.uint8)}
    path = write(tmp_path, counts | {"src": np.zeros(0, int), "dst": np.zeros(0, int)})
    with pytest.raises(InputError, match="bytes would unpack to 2,000,000,000, expected at most"):
        read_graph_archive(path)


@pytest.mark.parametrize("arrays", [FEATURES, LABELS], ids=["features", "labels"])
def test_changed_bytes_are_read_or_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    path = tmp_path / "graphs.npz"
    for save in (np.savez, np.savez_compressed):
        save(path, **arrays)
        content = path.read_bytes()
        random = np.random.default_rng(0)
        for _ in range(150):
            changed = bytearray(content)
            for place in random.integers(len(content), size=int(random.integers(1, 4))):
                changed[place] = int(random.integers(256))
            path.write_bytes(bytes(changed[: int(random.integers(len(content)))] if random.random() < 0.2 else changed))
            with contextlib.suppress(InputError):
                read_graphs(path, GraphFormat())
