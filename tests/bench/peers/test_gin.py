"""GIN as a baseline: what must hold of it, and how it is trained and judged."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from sampleformer.bench.peers.gin import GIN
from sampleformer.bench.peers.graph_part import GraphBatch, GraphPart
from sampleformer.bench.peers.network_training import NetworkTraining, network_outputs, train_network
from sampleformer.tasks import Classification, Regression

SIZES = (5, 3)
Graph = tuple[np.ndarray, np.ndarray, np.ndarray]


def graphs(number: int, seed: int = 0) -> list[Graph]:
    """Random graphs; every fourth is a single node without edges."""
    random = np.random.default_rng(seed)
    made = []
    for place in range(number):
        nodes = 1 if place % 4 == 3 else int(random.integers(2, 9))
        edges = 0 if nodes == 1 else int(random.integers(1, 2 * nodes))
        codes = np.stack([random.integers(0, size, nodes) for size in SIZES], axis=1).astype(np.uint8)
        ends = random.integers(0, nodes, (edges, 2))
        made.append((codes, ends, random.integers(0, 2, (edges, 4)).astype(np.uint8)))
    return made


def part(made: list[Graph], targets: np.ndarray) -> GraphPart:
    nodes, ends, features = zip(*made, strict=True)
    return GraphPart(nodes, ends, features, targets)


def settled(**options: object) -> nn.Module:
    """In float64 with statistics that are not those of the start."""
    model = GIN(3, sizes=SIZES, edge_features=4, width=8, layers=2, **options).double()  # type: ignore[arg-type]
    model.train()(doubled(part(graphs(20, seed=5), np.zeros(20)).batch(range(20))))
    return model.eval()


def doubled(batch: GraphBatch) -> GraphBatch:
    return dataclasses.replace(batch, edge_features=batch.edge_features.double())


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_the_order_of_nodes_edges_and_graphs_does_not_matter(pooling: str) -> None:
    model, made, random = settled(pooling=pooling), graphs(6), np.random.default_rng(1)
    together = model(doubled(part(made, np.zeros(6)).batch(range(6))))
    assert together.std() > 1e-3
    for row, (codes, ends, features) in enumerate(made):
        places, edges = random.permutation(len(codes)), random.permutation(len(ends))
        flipped = np.argsort(places)[ends[edges]][:, ::-1]
        alone = part([(codes[places], flipped, features[edges])], np.zeros(1)).batch([0])
        torch.testing.assert_close(model(doubled(alone))[0], together[row], rtol=1e-10, atol=1e-12)


def test_what_nodes_and_edges_carry_matters() -> None:
    model, (codes, ends, features) = settled(), graphs(1)[0]
    one = doubled(part([(codes, ends, features)], np.zeros(1)).batch([0]))
    for other in ((codes, ends, 1 - features), ((codes + 1) % 3, ends, features), (codes, ends[:-1], features[:-1])):
        assert not torch.allclose(model(doubled(part([other], np.zeros(1)).batch([0]))), model(one))


def test_one_convolution_is_its_formula() -> None:
    model = settled()
    codes, ends, features = graphs(1)[0]
    batch = doubled(part([(codes, ends, features)], np.zeros(1)).batch([0]))
    nodes, convolution = torch.randn(len(codes), 8, dtype=torch.float64), model.convolutions[0]
    total = (1 + convolution.eps) * nodes
    for (source, target), feature in zip(ends, torch.from_numpy(features).double(), strict=True):
        carried = convolution.lin(feature)
        total = total.index_add(0, torch.tensor([target]), torch.relu(nodes[[source]] + carried))
        total = total.index_add(0, torch.tensor([source]), torch.relu(nodes[[target]] + carried))
    torch.testing.assert_close(convolution(nodes, batch.ends, batch.edge_features), convolution.nn(total))


def test_nodes_with_numbers_and_edges_without_features() -> None:
    model = GIN(2, features=3, width=8, layers=1).eval()
    made = part([(np.ones((4, 3)), np.array([[0, 1]]), np.zeros((1, 0)))], np.zeros(1))
    assert model(made.batch([0])).shape == (1, 2)
    assert "GINConv" in type(model.convolutions[0]).__name__


def test_directed_edges_are_written_once() -> None:
    made = GraphPart([np.array([0, 1])], [np.array([[0, 1]])], [np.zeros((1, 0))], np.zeros(1), directed=True)
    assert made.batch([0]).ends.tolist() == [[0], [1]]


def test_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="expected exactly one of them"):
        GIN(2)
    with pytest.raises(ValueError, match="pooling is 'max', expected mean or sum"):
        GIN(2, sizes=SIZES, pooling="max")
    with pytest.raises(ValueError, match=r"of \[1, 1, 1, 2\] graphs"):
        part(graphs(1), np.zeros(2))
    with pytest.raises(ValueError, match="expected a limit"):
        NetworkTraining()
    with pytest.raises(ValueError, match="batch is 0, expected more than 0"):
        NetworkTraining(steps=1, batch=0)


def mean_error(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    return {"mae": float(np.nanmean(np.abs(outputs - targets)))}


def share_right(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    return {"accuracy": float((outputs.argmax(1) == targets).mean())}


def parts_of(target) -> tuple[GraphPart, GraphPart, GraphPart]:  # type: ignore[no-untyped-def]
    made = [graphs(number, seed) for number, seed in ((80, 1), (30, 2), (30, 3))]
    first, second, third = (part(some, np.array([target(*graph) for graph in some])) for some in made)
    return first, second, third


def test_training_learns_what_can_be_learned() -> None:
    parts = parts_of(lambda codes, ends, features: int((codes[:, 0] == 2).any()))
    model = GIN(2, sizes=SIZES, edge_features=4, width=16, layers=1, pooling="sum")
    settings = NetworkTraining(steps=150, learning_rate=0.01, batch=20)
    found = train_network(model, parts, Classification("y", ["a", "b"]), share_right, settings)
    chance = max(np.mean(parts[2].targets), 1 - np.mean(parts[2].targets))
    assert found.best["accuracy"] >= 0.9 > chance
    assert (found.steps, found.parameters) == (150, sum(parameter.numel() for parameter in model.parameters()))
    assert found.best_valid["accuracy"] >= 0.9


def test_the_best_state_is_chosen_on_the_validation_part_and_the_last_is_kept() -> None:
    parts = parts_of(lambda codes, ends, features: [float(len(ends)), np.nan if len(codes) == 1 else 1.0])
    asked: list[np.ndarray] = []

    def ever_worse(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        asked.append(outputs)
        return {"mae": float(len(asked))}  # what is asked first is best, whatever it is

    model = GIN(2, sizes=SIZES, edge_features=4, width=8, layers=1)
    found = train_network(
        model, parts, Regression(["y"], [0.0], [1.0]), ever_worse, NetworkTraining(steps=9, check_every=4)
    )
    assert (found.best_step, found.steps) == (4, 9)
    assert len(asked) == 5  # three checks of the validation part, then the test part twice
    first, last, best = asked[0], asked[3], asked[4]
    assert (len(first), len(last)) == (len(parts[1]), len(parts[2]))
    np.testing.assert_array_equal(last, network_outputs(model, parts[2]))
    assert np.abs(best - last).max() > 1e-6
    assert found.best_valid["mae"] == 1
    assert (found.last["mae"], found.best["mae"]) == (4, 5)


def test_the_same_seed_gives_the_same_and_a_time_limit_ends_it() -> None:
    parts = parts_of(lambda codes, ends, features: [float(len(ends))])

    def run(**limit: float) -> tuple[float, int]:
        torch.manual_seed(3)
        model = GIN(1, sizes=SIZES, edge_features=4, width=8, layers=1, dropout=0.5)
        found = train_network(model, parts, Regression(["y"], [0.0], [1.0]), mean_error, NetworkTraining(**limit))  # type: ignore[arg-type]
        return found.last["mae"], found.steps

    assert run(steps=6) == run(steps=6)
    assert run(seconds=1e-9)[1] == 1
