"""A sample without some tokens is answered as if they had never been there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sampleformer.data import Sample, collate
from sampleformer.explain.deletion import without
from sampleformer.models import ModelSettings, TokenModel
from tests import test_cloud_models as clouds
from tests import test_graph_models as graphs

EXACT = {"rtol": 1e-10, "atol": 1e-10}
SAMSA = {"name": "samsa", "sampled": 5}


def rows(length: int, number: int = 4, share: float = 0.4) -> np.ndarray:
    """Sets of deleted tokens, of which one is empty."""
    deleted = np.random.default_rng(0).random((number, length)) < share
    deleted[0] = False
    return deleted


def test_points_are_gone_and_the_others_find_their_neighbours_anew() -> None:
    model, cloud = clouds.model("samsa", invariant=True), clouds.cloud(24, 0)
    deleted = rows(24)
    with torch.no_grad():
        found = model(without(clouds.wide(collate([cloud]).tokens), deleted))
        for answer, gone in zip(found, deleted, strict=True):
            rest = clouds.wide(collate([cloud.take(np.flatnonzero(~gone))]).tokens)
            torch.testing.assert_close(answer, model(rest)[0], **EXACT)


def test_words_are_gone_and_the_others_stay_at_their_places() -> None:
    settings = ModelSettings(width=8, layers=2, heads=2, feedforward=16, residual_scale=0.7, attention=SAMSA)
    model = TokenModel(settings, {"vocabulary": 9}, 3).double().eval()
    text = Sample(np.random.default_rng(1).integers(0, 9, 20), None, "text")
    deleted = rows(20)
    with torch.no_grad():
        found = model(without(collate([text]).tokens, deleted))
        for answer, gone in zip(found, deleted, strict=True):
            kept = np.flatnonzero(~gone)
            rest = replace(collate([text.take(kept)]).tokens, positions=torch.from_numpy(kept)[None])
            torch.testing.assert_close(answer, model(rest)[0], **EXACT)


@pytest.mark.parametrize("directed", [False, True])
def test_a_node_takes_its_edges_with_it_and_an_edge_goes_alone(directed: bool) -> None:
    graph = replace(graphs.graph(9, 14, 2), directed=directed)
    settings = {"width": 8, "layers": 2, "heads": 2, "feedforward": 16, "residual_scale": 0.7, "attention": SAMSA}
    inputs = {"vocabularies": [7], "edge_features": 3, "directed": directed, **graphs.PLACES.model_inputs}
    model = TokenModel(ModelSettings(**settings, embed={"name": "graph"}), inputs, 3).double().eval()
    deleted = rows(9 + 14, share=0.25)
    with torch.no_grad():
        found = model(without(graphs.wide(collate([graph]).tokens), deleted, directed=directed))
        for answer, gone in zip(found, deleted, strict=True):
            rest = graphs.wide(collate([smaller(graph, ~gone[:9], ~gone[9:])]).tokens)
            torch.testing.assert_close(answer, model(rest)[0], **EXACT)


def smaller(graph: Sample, nodes: np.ndarray, edges: np.ndarray) -> Sample:
    """The graph of some nodes, and of those of some edges whose two ends are among them."""
    kept = edges & nodes[graph.ends].all(axis=1)
    numbers = np.cumsum(nodes) - 1
    of_nodes = {name: getattr(graph, name)[nodes] for name in ("features", "encodings", "identifiers")}
    carried = graph.edge_features[kept]
    return replace(graph, **of_nodes, ends=numbers[graph.ends[kept]], edge_features=carried)
