"""Graphs of PyTorch Geometric, and back."""

import contextlib
import random
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData, InMemoryDataset
from torch_geometric.datasets import FakeDataset
from torch_geometric.utils import contains_self_loops, is_undirected

from sampleformer.data.graph.graph import Graph
from sampleformer.data.graph.pyg import data_of_graph, graph_of_data, graphs_of_dataset
from sampleformer.data.graph.pyg_files import read_pyg_file
from sampleformer.data.graph.pyg_rows import rows_of_pyg
from sampleformer.errors import InputError


def data(ends: list[tuple[int, int]], **values: object) -> Data:
    index = torch.tensor(ends, dtype=torch.int64).reshape(-1, 2).T
    return Data(edge_index=index, **{"x": torch.arange(6.0).reshape(3, 2), **values})


def test_both_directions_become_one_edge() -> None:
    found = graph_of_data(data([(1, 0), (0, 1), (1, 2), (2, 1)], edge_attr=torch.tensor([5.0, 5.0, 7.0, 7.0]))).graph
    assert (found.directed, found.ends.tolist(), found.edge_features.tolist()) == (False, [[0, 1], [1, 2]], [[5], [7]])
    assert (found.nodes.tolist(), found.nodes.dtype) == ([[0, 1], [2, 3], [4, 5]], np.float32)


def test_double_edges_and_self_loops_are_kept() -> None:
    ends = [(0, 1), (1, 0), (0, 1), (1, 0), (2, 2), (2, 2)]
    found = graph_of_data(data(ends, edge_attr=torch.tensor([1, 2, 2, 1, 3, 4]))).graph
    assert (found.directed, found.ends.tolist()) == (False, [[0, 1], [0, 1], [2, 2], [2, 2]])
    assert found.edge_features[:, 0].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("ends", "features"),
    [
        ([(0, 1)], [1]),
        ([(0, 1), (2, 1)], [1, 1]),
        ([(0, 1), (1, 0)], [1, 2]),
        ([(0, 1), (0, 1), (1, 0)], [1, 1, 1]),
        ([(0, 1), (0, 1), (1, 0), (1, 0)], [1, 2, 1, 1]),
    ],
)
def test_without_an_equal_other_direction_the_graph_is_directed(
    ends: list[tuple[int, int]], features: list[int]
) -> None:
    found = graph_of_data(data(ends, edge_attr=torch.tensor(features))).graph
    assert (found.directed, found.ends.tolist()) == (True, [list(pair) for pair in ends])
    assert found.edge_features[:, 0].tolist() == features


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), unique=True, max_size=12))
def test_it_is_undirected_when_the_library_says_so(ends: list[tuple[int, int]]) -> None:
    made = data(ends, x=torch.zeros(5, 1))
    assert graph_of_data(made).graph.directed != is_undirected(made.edge_index, num_nodes=5)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), max_size=8),
    st.booleans(),
)
def test_there_and_back(edges: list[tuple[int, int, int]], directed: bool) -> None:
    numbers = np.array(edges, dtype=np.int64).reshape(-1, 3)
    made = Graph(np.arange(8, dtype=np.float32).reshape(4, 2), numbers[:, :2], numbers[:, 2:], directed)
    back = graph_of_data(data_of_graph(made)).graph

    def listing(graph: Graph) -> list[list[int]]:
        ends = graph.ends if graph.directed else np.sort(graph.ends, axis=1)
        return sorted(np.concatenate([ends, graph.edge_features.astype(np.int64)], axis=1).tolist())

    if not directed:
        assert (back.directed, listing(back)) == (False, listing(made) if made.size else [])
    elif back.directed:
        assert listing(back) == listing(made)
    np.testing.assert_array_equal(back.nodes, made.nodes)


def test_what_data_of_graph_writes() -> None:
    made = data_of_graph(Graph(np.arange(3), np.array([[0, 2], [1, 1]]), np.array([[1], [2]])), np.array([4]))
    assert made.edge_index.tolist() == [[0, 2, 1], [2, 0, 1]]
    assert (made.x.tolist(), made.edge_attr.tolist(), made.y.tolist()) == ([[0], [1], [2]], [[1], [1], [2]], [4])
    assert made.validate()
    assert contains_self_loops(made.edge_index)


def test_targets_and_masks() -> None:
    mask = torch.tensor([True, False, False])
    made = data([(0, 1), (1, 0)], y=torch.tensor([1, 0, 2]), train_mask=mask, val_mask=~mask)
    found = graph_of_data(made)
    assert found.target is not None
    assert found.target.tolist() == [1, 0, 2]
    assert {name: values.tolist() for name, values in found.masks.items()} == {
        "train": [True, False, False],
        "valid": [False, True, True],
    }


def test_features_by_kind() -> None:
    assert graph_of_data(data([], x=torch.tensor([[1, 2]]))).graph.nodes.dtype == np.int64
    assert graph_of_data(data([], x=torch.tensor([1, 2]))).graph.nodes.shape == (2,)
    assert graph_of_data(data([], x=torch.tensor([1.0, 2.0]))).graph.nodes.shape == (2, 1)
    assert graph_of_data(data([], x=torch.ones(2, 3, dtype=torch.bfloat16))).graph.nodes.dtype == np.float32
    assert graph_of_data(data([], x=torch.tensor([[True]]))).graph.nodes.tolist() == [[1]]


def test_without_features_every_node_has_the_code_0() -> None:
    found = graph_of_data(data([(0, 1), (1, 0)], x=None, num_nodes=4)).graph
    assert (found.nodes.tolist(), found.edge_features.shape) == ([0, 0, 0, 0], (1, 0))


@pytest.mark.parametrize("empty", [torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0)])
def test_a_graph_without_edges(empty: torch.Tensor) -> None:
    found = graph_of_data(Data(x=torch.ones(3, 1), edge_index=empty)).graph
    assert (found.order, found.ends.shape, found.directed) == (3, (0, 2), False)


OF_NODES = {
    "x": torch.arange(6.0).reshape(3, 2),
    "codes": torch.tensor([[4], [2], [7]]),
    "pos": torch.arange(9.0).reshape(3, 3) + 0.5,
}
OF_EDGES = {"edge_attr": torch.tensor([3, 3, 4, 4]), "edge_weight": torch.tensor([0.5, 0.5, 1.5, 1.5])}


@pytest.mark.parametrize("edges", [(), ("edge_attr",), ("edge_weight",), ("edge_attr", "edge_weight")])
@pytest.mark.parametrize("nodes", [(), ("x",), ("codes",), ("pos",), ("x", "pos"), ("codes", "pos")])
def test_every_attribute_is_used_or_named(nodes: tuple[str, ...], edges: tuple[str, ...]) -> None:
    held = {"x" if name == "codes" else name: OF_NODES[name] for name in nodes} | {
        name: OF_EDGES[name] for name in edges
    }
    made = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3, z=torch.ones(3), name="a", **held)
    found = graph_of_data(made)
    assert (found.nodes, found.edges) == (tuple("x" if name == "codes" else name for name in nodes), edges)
    rows = rows_of_pyg("graphs", [found])
    words = [f"{of}: {', '.join(names) or 'nothing'}" for of, names in (("nodes", found.nodes), ("edges", edges))]
    assert rows.used == [f"graphs: {'; '.join(words)}; not used: name, z"]
    (raw,) = rows.graphs
    codes = [[4], [2], [7]] if "codes" in nodes else [[]] * 3 if nodes else [[0]] * 3
    numbers = np.concatenate([np.zeros((3, 0)), *(OF_NODES[name].numpy() for name in nodes if name != "codes")], axis=1)
    np.testing.assert_array_equal(raw.categories, codes)
    np.testing.assert_array_equal(raw.numbers, numbers)
    np.testing.assert_array_equal(raw.edge_categories, [[3], [4]] if "edge_attr" in edges else [[], []])
    np.testing.assert_array_equal(raw.edge_numbers, [[0.5], [1.5]] if "edge_weight" in edges else [[], []])
    assert not raw.directed


def test_weights_that_differ_by_direction_make_a_directed_graph() -> None:
    found = graph_of_data(data([(0, 1), (1, 0)], edge_weight=torch.tensor([0.5, 0.75]))).graph
    assert (found.directed, found.edge_features.tolist()) == (True, [[0.5], [0.75]])


def test_graphs_with_other_attributes_are_refused() -> None:
    graphs = graphs_of_dataset([data([(0, 1)]), data([(0, 1)], pos=torch.ones(3, 2))])
    with pytest.raises(InputError, match="the nodes of graph 0 carry x, those of graph 1 x, pos, expected the same"):
        rows_of_pyg("graphs", graphs)


@pytest.mark.parametrize(
    ("targets", "columns", "level"),
    [
        ([torch.tensor([1]), torch.tensor([0])], {"y": [1, 0]}, "sample"),
        ([torch.tensor(1), None], {"y": [1, None]}, "sample"),
        ([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])], {"y0": [1, 3], "y1": [2, 4]}, "sample"),
        ([torch.tensor([1, 2, 0]), None], {"y": [1, 2, 0, None, None, None]}, "token"),
        ([torch.tensor([[1], [2], [0]]), torch.tensor([[3], [4], [5]])], {"y": [1, 2, 0, 3, 4, 5]}, "token"),
    ],
)
def test_targets_of_graphs_and_of_nodes(targets: list, columns: dict[str, list], level: str) -> None:
    rows = rows_of_pyg("graphs", graphs_of_dataset([data([(0, 1)], y=y) for y in targets]))
    table = rows if level == "sample" else rows.nodes
    assert table is not None
    assert {name: list(table.columns[name]) for name in columns} == columns


@pytest.mark.parametrize("y", [torch.zeros(2, 2), torch.zeros(2, 3), torch.zeros(3, 2, 2), torch.zeros(1, 1, 2)])
def test_targets_in_another_order_of_axes_are_refused(y: torch.Tensor) -> None:
    graphs = graphs_of_dataset([data([(0, 1)], y=y)])
    with pytest.raises(InputError, match=r"y of graph 0 has shape \(.*\), expected \(nodes,\), \(nodes, targets\)"):
        rows_of_pyg("graphs", graphs)


def test_masks_that_are_not_used_are_said() -> None:
    masks = {f"{name}_mask": torch.eye(3)[:, :2].bool() for name in ("train", "val", "test")}
    several = rows_of_pyg("g", graphs_of_dataset([data([(0, 1)], y=torch.arange(3), **masks)]))
    assert several.used == ["g: nodes: x; edges: nothing; of 2 splits the first"]
    of_graph = rows_of_pyg("g", graphs_of_dataset([data([(0, 1)], y=torch.tensor([1]), **masks)]))
    assert of_graph.used[0].endswith("not used: masks of test nodes, masks of train nodes, masks of valid nodes")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("text", "found str, expected torch_geometric.data.Data"),
        (HeteroData(), "found HeteroData, expected torch_geometric.data.Data"),
        (Data(x=torch.ones(1, 1)), "edge_index is missing; found x"),
        (
            Data(x=torch.ones(1, 1), edge_index=torch.zeros(3, 2, dtype=torch.int64)),
            "edge_index has shape (3, 2) and dtype int64, expected (2, edges) integers",
        ),
        (Data(x=torch.ones(1, 1), edge_index=torch.zeros(2, 1)), "edge_index has shape (2, 1) and dtype float32"),
        (data([(0, 3)]), "edge 0 joins 0 and 3, expected nodes from 0 to 2"),
        (data([(0, 1)], edge_attr=torch.ones(2, 1)), "edge_attr has shape (2, 1), expected (1, features)"),
        (data([], x=torch.ones(2, 2, 2)), "x has shape (2, 2, 2), expected (nodes, features)"),
        (
            data([], x=torch.full((3, 1), 1e300, dtype=torch.float64)),
            "feature 0 of node 0 is 1e+300, expected a number",
        ),
        (data([(0, 1)], edge_weight=torch.ones(2)), "edge_weight has shape (2,), expected (1, features)"),
        (data([], pos=torch.ones(3, 4).T), "pos has shape (4, 3), expected (3, features)"),
        (data([], x=torch.tensor([[2**60]] * 3), pos=torch.ones(3, 1)), "x has an integer beyond 2^53, expected"),
        (data([], x=torch.tensor([[float("nan")]])), "feature 0 of node 0 is nan, expected a finite number"),
        (data([], x=torch.ones(3, 1, device="meta")), "x is a torch.strided tensor, expected a dense tensor"),
        (data([], x=torch.ones(1, 1).expand(3, 10)), "x of shape (3, 10) repeats its numbers, expected one that is"),
        (data([], x=torch.ones(3, 1, dtype=torch.complex64)), "x holds complex64, expected numbers"),
        (data([], y=[{"a": 1}, {}, {}]), "y holds object, expected numbers"),
        (data([], x=None, num_nodes=10**12), "found 1,000,000,000,000 nodes that carry nothing and 0 edges, expected"),
        (data([(0, 10**12)], x=None), "found 1,000,000,000,001 nodes that carry nothing and 1 edges, expected"),
        (data([], x=torch.eye(3).to_sparse()), "x is a torch.sparse_coo tensor, expected a dense tensor"),
        (data([], train_mask=torch.tensor([True])), "train_mask has shape (1,) and dtype bool, expected (3,) booleans"),
        (data([], y="text"), "y is a str, expected a dense tensor"),
    ],
)
def test_what_is_no_graph(made: object, message: str) -> None:
    with pytest.raises(ValueError, match="found|expected") as raised:
        graph_of_data(made)
    assert str(raised.value).startswith(message)
    with pytest.raises(InputError) as raised:
        graphs_of_dataset([data([]), made])
    assert str(raised.value).startswith(f"graph 1 of the dataset: {message}")


def test_a_dataset_of_the_library() -> None:
    random.seed(0)
    dataset = FakeDataset(num_graphs=4, avg_num_nodes=12, edge_dim=0, is_undirected=True)
    found = graphs_of_dataset(dataset)
    assert [graph.graph.order for graph in found] == [made.num_nodes for made in dataset]
    for graph, made in zip(found, dataset, strict=True):
        assert not graph.graph.directed
        loops = int((made.edge_index[0] == made.edge_index[1]).sum())
        assert graph.graph.size == (made.num_edges + loops) / 2
        back = data_of_graph(graph.graph)
        assert {tuple(end) for end in back.edge_index.T.tolist()} == {tuple(e) for e in made.edge_index.T.tolist()}


def test_without_the_library_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    with pytest.raises(InputError, match=r'the package torch_geometric: pip install "sampleformer\[graph\]"'):
        graph_of_data(data([]))


@pytest.mark.parametrize("one", [False, True])
def test_a_file_of_graphs(tmp_path: Path, one: bool) -> None:
    path = tmp_path / "graphs.pt"
    made = data([(0, 1), (1, 0)], y=torch.tensor([[1.0, float("nan")]]))
    torch.save(made if one else [made, data([(0, 2)])], path)
    found = read_pyg_file(path)
    assert [graph.graph.ends.tolist() for graph in found] == ([[[0, 1]]] if one else [[[0, 1]], [[0, 2]]])
    np.testing.assert_array_equal(found[0].target, [[1, np.nan]])


def test_the_file_of_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "data.pt"
    made = [data([(0, 1), (1, 0)], y=torch.tensor([1])), data([(0, 2)], x=torch.ones(3, 2), y=torch.tensor([0]))]
    InMemoryDataset.save(made, str(path))
    found = read_pyg_file(path)
    assert [graph.graph.ends.tolist() for graph in found] == [[[0, 1]], [[0, 2]]]
    assert [None if graph.target is None else graph.target.tolist() for graph in found] == [[1], [0]]


@pytest.mark.parametrize("change", ["fewer entries", "more entries", "fewer graphs", "falling", "missing"])
def test_the_file_of_a_dataset_with_wrong_counts(tmp_path: Path, change: str) -> None:
    path = tmp_path / "data.pt"
    InMemoryDataset.save([data([(0, 1), (1, 0)], y=torch.tensor([k])) for k in range(4)], str(path))
    whole, starts, *others = torch.load(path, weights_only=False)
    if change == "fewer entries":
        whole["x"] = whole["x"][:-1]
    elif change == "more entries":
        whole["edge_index"] = torch.cat([whole["edge_index"]] * 2, dim=1)
    elif change == "fewer graphs":
        starts["y"], whole["y"] = starts["y"][:-1], whole["y"][:-1]
    elif change == "falling":
        starts["x"] = torch.tensor([0, 6, 3, 9, 12])
    else:
        del whole["x"]
    torch.save((whole, starts, *others), path)
    with pytest.raises(InputError, match="data.pt: .*expected|data.pt: the places where 'x' of each graph begins"):
        read_pyg_file(path)


def test_a_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "graphs.pt"
    torch.save([data([(0, 1)], x=torch.full((3, 100), 1.5))], path)
    content = bytearray(path.read_bytes())
    place = content.index(np.float32(1.5).tobytes() * 20) + 42
    content[place] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="is damaged: its checksum is another one"):
        read_pyg_file(path)


class Trap:
    """Runs code when it is read, as any pickle may."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path, touched = tmp_path / "graphs.pt", tmp_path / "touched"
    torch.save([data([]), Trap(touched)], path)
    with pytest.raises(InputError, match="graphs.pt: found objects of .*, expected nothing but Data and tensors"):
        read_pyg_file(path)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "found an empty list, expected a list of torch_geometric.data.Data"),
        ({"a": torch.ones(1)}, "found a dict, expected a list"),
        ([torch.ones(1)], "found a list of Tensor, expected a list"),
        (torch.ones(1), "found a Tensor, expected a list"),
        ([data([(0, 9)])], "graph 0 of the dataset: edge 0 joins 0 and 9, expected nodes from 0 to 2"),
    ],
)
def test_files_of_other_things(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "graphs.pt"
    torch.save(content, path)
    with pytest.raises(InputError) as raised:
        read_pyg_file(path)
    assert str(raised.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("what", ["missing", "folder", "text", "cut", "damaged"])
def test_damaged_files(tmp_path: Path, what: str) -> None:
    path = tmp_path / "graphs.pt"
    if what == "folder":
        path.mkdir()
    elif what == "text":
        path.write_text("no graphs")
    elif what in ("cut", "damaged"):
        torch.save([data([(0, 1)])], path)
        content = path.read_bytes()
        path.write_bytes(content[:-50] if what == "cut" else content[:70] + b"\xff" * 60 + content[130:])
    words = {
        "missing": "no such file",
        "folder": "found a folder, expected a file",
        "damaged": "data.pkl is damaged: its checksum is another one",
    }
    with pytest.raises(InputError, match=words.get(what, "not a file of graphs that torch.save wrote")):
        read_pyg_file(path)


@pytest.mark.parametrize("collated", [False, True])
def test_changed_bytes_are_read_or_refused(tmp_path: Path, collated: bool) -> None:
    path, changed_path = tmp_path / "graphs.pt", tmp_path / "changed.pt"
    graphs = [data([(0, 1), (1, 0)], y=torch.tensor([k]), pos=torch.ones(3, 2)) for k in range(3)]
    if collated:
        InMemoryDataset.save(graphs, str(path))
    else:
        torch.save(graphs, path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    random = np.random.default_rng(0)
    pickled = next(name for name in members if name.endswith("data.pkl"))
    for _ in range(150):
        changed = bytearray(members[pickled])
        for place in random.integers(len(changed), size=int(random.integers(1, 4))):
            changed[place] = int(random.integers(256))
        with zipfile.ZipFile(changed_path, "w") as archive:  # with right checksums, so that torch reads it
            for name, content in members.items():
                archive.writestr(name, bytes(changed) if name == pickled else content)
        with contextlib.suppress(InputError):
            rows_of_pyg(str(changed_path), read_pyg_file(changed_path))
