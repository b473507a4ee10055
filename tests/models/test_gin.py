"""GIN: what must hold of it, and one convolution against its formula."""

from typing import Any

import numpy as np
import pytest
import torch

from sampleformer.data import collate
from sampleformer.errors import InputError
from sampleformer.models import GIN
from sampleformer.models.gin import GINSettings, _joined
from sampleformer.sample import Sample
from sampleformer.tokens import Tokens

SIZES = [5, 3]
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
        made.append((codes, ends, random.integers(0, 2, (edges, 4)).astype(np.float32)))
    return made


def tokens(made: list[Graph], directed: bool = False) -> Tokens:
    samples = [
        Sample(codes, None, "", ends=ends, edge_features=features, directed=directed) for codes, ends, features in made
    ]
    return collate(samples).tokens


def settled(**settings: Any) -> GIN:
    """In float64 with statistics that are not those of the start."""
    options = GINSettings(**{"width": 8, "layers": 2} | settings)
    model = GIN(options, {"vocabularies": SIZES, "edge_features": 4}, 3).double()
    model.train()(tokens(graphs(20, seed=5)))
    return model.eval()


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_the_order_of_nodes_edges_and_graphs_does_not_matter(pooling: str) -> None:
    model, made, random = settled(pooling=pooling), graphs(6), np.random.default_rng(1)
    together = model(tokens(made))
    assert together.std() > 1e-3
    for row, (codes, ends, features) in enumerate(made):
        places, edges = random.permutation(len(codes)), random.permutation(len(ends))
        flipped = np.argsort(places)[ends[edges]][:, ::-1]
        alone = tokens([(codes[places], flipped, features[edges])])
        torch.testing.assert_close(model(alone)[0], together[row], rtol=1e-10, atol=1e-12)


def test_what_padding_holds_does_not_matter() -> None:
    model, given = settled(), tokens(graphs(6))
    spoilt = torch.where(given.mask[..., None], given.features, 99)  # type: ignore[index]
    torch.testing.assert_close(model(given.with_features(spoilt)), model(given), rtol=0, atol=0)


def test_what_nodes_and_edges_carry_matters() -> None:
    model, (codes, ends, features) = settled(), graphs(1)[0]
    one = model(tokens([(codes, ends, features)]))
    for other in ((codes, ends, 1 - features), ((codes + 1) % 3, ends, features), (codes, ends[:-1], features[:-1])):
        assert not torch.allclose(model(tokens([other])), one)


def test_the_whole_network_is_its_formula() -> None:
    model, made = settled(), graphs(3)
    found = model(tokens(made))
    for row, graph in enumerate(made):
        torch.testing.assert_close(found[row], naive(model, *graph), rtol=1e-10, atol=1e-12)


def naive(model: GIN, codes: np.ndarray, ends: np.ndarray, features: np.ndarray) -> torch.Tensor:
    """One graph, node by node and edge by edge."""
    nodes = torch.stack([sum(table.weight[code] for table, code in zip(model.codes, row)) for row in codes.tolist()])  # type: ignore[misc]  # noqa: B905
    total = model.head[0](nodes.mean(0))
    for place, convolution in enumerate(model.convolutions):
        sums = [(1 + convolution.eps.detach()) * node for node in nodes]
        for (first, second), feature in zip(ends.tolist(), torch.from_numpy(features).double(), strict=True):
            for source, target in ((first, second), (second, first)):
                sums[target] = sums[target] + torch.relu(nodes[source] + convolution.lin(feature))
        norm = model.norms[place]
        mapped = convolution.nn(torch.stack(sums)[:, :])
        nodes = torch.relu(
            (mapped - norm.running_mean) / (norm.running_var + norm.epsilon).sqrt() * norm.weight + norm.bias
        )
        total = total + model.head[place + 1](nodes.mean(0))
    return total.squeeze()


def test_outputs_of_nodes() -> None:
    options = GINSettings(width=8, layers=1)
    model = GIN(options, {"features": 3, "edge_features": 0}, 2, level="token").eval()
    samples = [Sample(np.ones((n, 3), np.float32), None, "", ends=np.array([[0, n - 1]])) for n in (4, 2)]
    given = collate(samples).tokens
    found = model(given)
    assert found.shape == (2, 4, 2)
    assert not found[1, 2:].any()
    torch.testing.assert_close(found[1, :2], model(collate(samples[1:]).tokens)[0])
    assert "GINConv" in type(model.convolutions[0]).__name__


def test_a_step_on_a_graph_of_one_node() -> None:
    """It has no variance: the norms give their bias, and keep their statistics."""
    model, graph = settled().train(), (np.zeros((1, 2), np.uint8), np.zeros((0, 2), np.int64), np.zeros((0, 4)))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    found = model(tokens([graph]))
    found.square().sum().backward()
    assert found.isfinite().all()
    assert all(each.grad.isfinite().all() for each in model.parameters() if each.grad is not None)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_nodes_that_carry_nothing_are_told_apart_by_their_edges() -> None:
    model = GIN(GINSettings(width=8, layers=1), {"features": 0, "edge_features": 0}, 2).eval()
    nothing = np.zeros((4, 0), np.float32)
    found = [
        model(collate([Sample(nothing, None, "", ends=np.array(ends))]).tokens)
        for ends in ([[0, 1]], [[0, 1], [1, 2]], [[1, 3]])
    ]
    assert not torch.allclose(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_directed_edges_lead_from_source_to_target() -> None:
    given = tokens([(np.zeros((3, 2), np.uint8), np.array([[0, 2]]), np.ones((1, 4), np.float32))], directed=True)
    ends, features = _joined(given, torch.ones(1, 3, dtype=torch.bool))
    assert (ends.tolist(), features.shape) == ([[0], [2]], (1, 4))


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="model.name: 'gin' is for tokens with edge_features, but these have vocab"):
        GIN(GINSettings(), {"vocabulary": 5}, 2)
    with pytest.raises(
        InputError, match="'gin' has outputs for each sample or token, but the labels are for each pair"
    ):
        GIN(GINSettings(), {"features": 1, "edge_features": 0}, 2, level="pair")
    with pytest.raises(InputError, match="the tokens have no edges"):
        GIN(GINSettings(), {"features": 1, "edge_features": 0}, 2)(torch.zeros(1, 2, 1))
