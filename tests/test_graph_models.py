"""Whole models of graphs: order, batch and padding change nothing, whichever the attention."""

import numpy as np
import pytest
import torch

from sampleformer.attention import ATTENTIONS
from sampleformer.data import Sample, collate
from sampleformer.data.graph.places import Places
from sampleformer.models import ModelSettings, TokenModel
from sampleformer.tokens import Tokens

EXACT = {"rtol": 1e-10, "atol": 1e-10}
LEVELS = ["sample", "token", "pair"]
PLACES = Places(identifiers=4, laplacian=0, random_walk=2)
ATTENTION = {name: {"name": name} for name in ATTENTIONS} | {
    "samsa": {"name": "samsa", "sampled": 5},
    "sft": {"name": "sft", "sampled": 5, "relative": "edges"},
    "yoso": {"name": "yoso", "hashes": 4, "code_length": 2},
}


def graph(nodes: int, edges: int, seed: int, level: str = "sample") -> Sample:
    """A random undirected graph with self-loops and double edges among its edges, prepared as evaluation does."""
    random = np.random.default_rng(seed)
    sample = Sample(
        random.integers(0, 7, (nodes, 1)),
        None,
        str(seed),
        level=level,
        encodings=random.standard_normal((nodes, 2)).astype(np.float32),
        ends=random.integers(0, nodes, (edges, 2)),
        edge_features=random.standard_normal((edges, 3)).astype(np.float32),
        pairs=random.integers(0, nodes, (3, 2)) if level == "pair" else None,
    )
    return PLACES.prepare(sample, np.random.default_rng(sample.digest()), training=False)


def wide(tokens: Tokens) -> Tokens:
    """The same tokens in float64."""
    return torch.utils._pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, tokens
    )


def model(attention: str, level: str = "sample") -> TokenModel:
    settings = ModelSettings(
        width=8,
        layers=2,
        heads=2,
        feedforward=16,
        residual_scale=0.7,
        attention=ATTENTION[attention],
        embed={"name": "graph"},
    )
    inputs = {"vocabularies": [7], "edge_features": 3, "directed": False, **PLACES.model_inputs}
    return TokenModel(settings, inputs, 3, level=level).double().eval()


def answers(made: TokenModel, samples: list[Sample]) -> list[torch.Tensor]:
    batch = collate(samples)
    more = {} if batch.pairs is None else {"pairs": batch.pairs}
    out = made(wide(batch.tokens), **more)
    if batch.answered is None:
        return list(out)
    return [row[real] for row, real in zip(out, batch.answered, strict=True)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("attention", ATTENTION)
def test_a_batch_of_unequal_graphs_equals_one_by_one(attention, level):
    made = model(attention, level)
    samples = [graph(9, 12, 0, level), graph(3, 2, 1, level), graph(1, 0, 2, level), graph(14, 20, 3, level)]
    for together, alone in zip(answers(made, samples), samples, strict=True):
        torch.testing.assert_close(together, answers(made, [alone])[0], **EXACT)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("attention", ATTENTION)
def test_the_order_of_nodes_and_edges_does_not_matter(attention, level):
    made, sample, random = model(attention, level), graph(11, 15, 4, level), np.random.default_rng(5)
    order, edges = random.permutation(11), random.permutation(15)
    place = np.argsort(order)
    moved = Sample(
        sample.features[order],
        None,
        "moved",
        level=level,
        encodings=sample.encodings[order],
        identifiers=sample.identifiers[order],
        ends=place[sample.ends][edges],
        edge_features=sample.edge_features[edges],
        pairs=None if sample.pairs is None else place[sample.pairs],
    )
    expected = answers(made, [sample])[0]
    expected = expected[order] if level == "token" else expected
    torch.testing.assert_close(answers(made, [moved])[0], expected, **EXACT)


@pytest.mark.parametrize("attention", ATTENTION)
def test_every_parameter_that_matters_gets_a_gradient(attention):
    made = model(attention).train()
    batch = collate([graph(9, 12, 0), graph(14, 20, 3)])
    made(wide(batch.tokens)).square().sum().backward()
    for name, parameter in made.embed.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_same_graph_gets_the_same_identifiers_wherever_it_stands():
    first, again, other = graph(9, 12, 0), graph(9, 12, 0), graph(9, 12, 1)
    assert np.array_equal(first.identifiers, again.identifiers)
    assert not np.array_equal(first.identifiers, other.identifiers)
