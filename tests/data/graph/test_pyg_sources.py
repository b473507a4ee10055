"""Datasets and lists of PyTorch Geometric as sources."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset
from torch_geometric.data import Data

from sampleformer.data import GraphFiles, GraphList, PygDataset
from sampleformer.errors import InputError
from sampleformer.recipes import load
from sampleformer.training import evaluate, predict, train


def _graph(number: int, **more: torch.Tensor) -> Data:
    order = 3 + number % 4
    ends = torch.stack([torch.arange(order - 1), torch.arange(1, order)])
    return Data(torch.randn(order, 2), torch.cat([ends, ends.flip(0)], dim=1), y=torch.tensor([number % 2]), **more)


class Parted(Dataset):
    """A dataset that comes in parts, as many do."""

    def __init__(self, root: str, split: str = "train") -> None:
        if "cache" not in root:
            raise ValueError(f"root {root} is not in the cache")
        self.graphs = [_graph(number) for number in range({"train": 20, "val": 6, "test": 8}[split])]

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, index: int) -> Data:
        return self.graphs[index]


def test_a_dataset_by_its_import_path() -> None:
    arguments = {"num_graphs": 40, "avg_num_nodes": 6, "num_channels": 4, "num_classes": 3, "edge_dim": 2}
    splits = PygDataset("torch_geometric.datasets.FakeDataset", arguments, random_walk=2).load()
    assert splits.encoding.model_inputs == {
        "features": 4,
        "edge_features": 2,
        "directed": True,
        "encodings": 2,
        "identifiers": 32,
    }
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [32, 4, 4]
    assert PygDataset("FakeDataset", arguments).load().encoding.task.name == "classification"


def test_a_dataset_that_comes_in_parts() -> None:
    splits = PygDataset(f"{__name__}.Parted").load()
    assert [len(part) for part in (splits.train, splits.valid, splits.test)] == [20, 6, 8]
    assert not splits.encoding.model_inputs["directed"]


@pytest.mark.parametrize(
    ("dataset", "arguments", "message"),
    [
        ("torch_geometric.datasets.Nothing", {}, "dataset: cannot import 'torch_geometric.datasets.Nothing'"),
        (f"{__name__}.Parted", {"root": "/elsewhere"}, "cannot be made with .*root /elsewhere is not in the cache"),
        (f"{__name__}.Parted", {"rot": 1}, "cannot be made with .*unexpected keyword argument"),
    ],
)
def test_datasets_that_cannot_be_made(dataset: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PygDataset(dataset, arguments).load()


def test_masks_split_the_nodes() -> None:
    part = torch.arange(30) % 4  # the last quarter is in no mask
    masks = {f"{name}_mask": part == number for number, name in enumerate(("train", "val", "test"))}
    ends = torch.stack([torch.arange(29), torch.arange(1, 30)])
    splits = GraphList([Data(torch.randn(30, 2), ends, y=torch.arange(30) // 4 % 2, **masks)]).load()
    assert splits.encoding.task.level == "token"
    for number, samples in enumerate((splits.train, splits.valid, splits.test)):
        assert samples.targets is not None
        np.testing.assert_array_equal(np.flatnonzero(samples.targets >= 0), np.flatnonzero(part == number))


def test_several_targets() -> None:
    graphs = [_graph(number) for number in range(20)]
    for graph in graphs:
        graph.y = torch.rand(1, 3)
    encoding = GraphList(graphs).load().encoding
    assert (encoding.task.name, encoding.task.labels) == ("regression", ["y0", "y1", "y2"])


def test_a_list_is_trained_evaluated_and_predicted(tmp_path: Path) -> None:
    graphs = [_graph(number) for number in range(24)]
    small = ["model.width=8", "model.layers=1", "model.heads=2", "training.steps=4", "training.check_every=2"]
    source = GraphList(graphs, valid=graphs[:4], test=graphs[4:9])
    folder = train(load("graphs", small), tmp_path / "run", source=source, quiet=True)
    results = folder.read_results()
    assert results is not None
    assert results["samples"] == {"train": 24, "valid": 4, "test": 5}
    assert folder.read_recipe().data.name == "sampleformer.data.graph.graph_list.GraphList"
    torch.save(graphs[:3], tmp_path / "new.pt")
    assert evaluate(folder.path, tmp_path / "new.pt")["samples"] == 3
    assert predict(folder.path, tmp_path / "new.pt", tmp_path / "predictions.csv") == 3
    with pytest.raises(InputError, match="the data of this run was given in Python and cannot be read again"):
        evaluate(folder.path)


def test_lists_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="found one of valid and test"):
        GraphList([_graph(0)], valid=[_graph(1)])
    with pytest.raises(InputError, match="graphs: found no graphs"):
        GraphList([]).load()
    with pytest.raises(InputError, match="graph 1 of the dataset: found str"):
        GraphList([_graph(0), "graph"]).load()


def _one_way(number: int, edges: int = 2) -> Data:
    index = torch.tensor([[0, 1], [1, 2]])[:, :edges]
    return Data(x=torch.full((3, 1), float(number)), edge_index=index, y=torch.tensor([number % 2]))


def test_new_graphs_of_a_directed_kind_may_lead_both_ways_or_nowhere(tmp_path: Path) -> None:
    torch.save([_one_way(number) for number in range(40)], tmp_path / "directed.pt")
    encoding = GraphFiles(str(tmp_path / "directed.pt"), identifiers=0).load().encoding
    assert encoding.model_inputs["directed"]
    both = torch.tensor([[0, 1], [1, 0]])
    torch.save([Data(x=torch.ones(3, 1), edge_index=both), _one_way(1, edges=0)], tmp_path / "new.pt")
    samples = encoding.read(tmp_path / "new.pt", targets=False)
    assert [sample.directed for sample in (samples[0], samples[1])] == [True, True]
    ends = [sample.ends.tolist() for sample in (samples[0], samples[1])]  # type: ignore[union-attr]
    assert ends == [[[0, 1], [1, 0]], []]


def test_files_of_another_kind_than_the_training(tmp_path: Path) -> None:
    both = torch.tensor([[0, 1], [1, 0]])
    undirected = [Data(x=torch.ones(2, 1), edge_index=both, y=torch.tensor([k % 2])) for k in range(40)]
    torch.save(undirected, tmp_path / "undirected.pt")
    torch.save([_one_way(number) for number in range(12)], tmp_path / "directed.pt")
    source = GraphFiles(str(tmp_path / "undirected.pt"), valid=str(tmp_path / "directed.pt"))
    with pytest.raises(InputError, match=r"directed\.pt: found directed graphs, expected undirected ones"):
        source.load()


def test_graphs_that_carry_different_features(tmp_path: Path) -> None:
    empty = torch.zeros((2, 0), dtype=torch.int64)
    torch.save([Data(x=torch.ones(2, width), edge_index=empty) for width in (1, 2)], tmp_path / "graphs.pt")
    with pytest.raises(InputError, match=r"graphs\.pt: the nodes of some graphs carry 1 features and of others 2"):
        GraphFiles(str(tmp_path / "graphs.pt")).load()
