"""The baselines by name, and what data each is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sampleformer.bench.baseline_settings import BaselineSettings
from sampleformer.bench.peers.baseline import BaselineResult, Score
from sampleformer.bench.peers.boosting import NumbersPart, train_boosting
from sampleformer.bench.peers.cloud_network import CloudNetwork
from sampleformer.bench.peers.cloud_part import CloudPart
from sampleformer.bench.peers.dgcnn import DGCNN
from sampleformer.bench.peers.fingerprints import fingerprint_counts
from sampleformer.bench.peers.gin import GIN
from sampleformer.bench.peers.graph_part import GraphPart
from sampleformer.bench.peers.network import Network
from sampleformer.bench.peers.network_training import Part, train_network
from sampleformer.bench.peers.pointnet import PointNet
from sampleformer.data.encoding import Encoding
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.tasks import Predictions, Task
from sampleformer.training.outputs import known_targets
from sampleformer.training.random_state import WEIGHTS, seed_everything

Watch = Callable[[str], None]


@dataclass(frozen=True)
class Baseline:
    """A known model that can be trained beside ours.

    Args:
        kinds: of data that it takes, as `kind_of_data` names them.
        sees: what it is given of each sample, in words.
        train: trains it and scores it.
    """

    kinds: tuple[str, ...]
    sees: str
    train: Callable[[Splits, BaselineSettings, Watch], BaselineResult]


def kind_of_data(splits: Splits) -> str:
    """``molecules``, ``graphs``, ``point clouds`` or ``sequences``; the training part must not be empty."""
    sample = splits.train[0]
    if sample.ends is not None:
        return "molecules" if splits.encoding.unit == "atom" and sample.source is not None else "graphs"
    return "sequences" if sample.coordinates is None else "point clouds"


def _network(
    build: Callable[[Encoding], Network], parts: Callable[[Splits], tuple[Part, Part, Part]]
) -> Callable[[Splits, BaselineSettings, Watch], BaselineResult]:
    """Trains a network on parts of its own form."""

    def train(splits: Splits, settings: BaselineSettings, watch: Watch) -> BaselineResult:
        seed_everything(settings.recipe.seed, WEIGHTS)
        return train_network(
            build(splits.encoding).to(settings.device),
            parts(splits),
            splits.encoding.task,
            _score(splits.encoding.task),
            settings.network_training(splits),
            watch,
            selected_by=settings.selected_by(splits),
        )

    return train


def _gin(encoding: Encoding) -> GIN:
    said = encoding.inputs
    alike = said.get("features") == 0  # nodes that carry nothing have the code 0
    return GIN(
        encoding.task.outputs,
        sizes=[1] if alike else said.get("vocabularies"),
        features=None if alike else said.get("features"),
        edge_features=said.get("edge_features", 0),
    )


def _graph_parts(splits: Splits) -> tuple[GraphPart, GraphPart, GraphPart]:
    return GraphPart.of(splits.train), GraphPart.of(splits.valid), GraphPart.of(splits.test)


def _cloud_parts(splits: Splits) -> tuple[CloudPart, CloudPart, CloudPart]:
    parts = (splits.train, splits.valid, splits.test)
    points = max(int(samples.sizes.max()) for samples in parts)
    train, valid, test = (CloudPart(samples, points) for samples in parts)
    return train, valid, test


def _fingerprints(splits: Splits, settings: BaselineSettings, watch: Watch) -> BaselineResult:
    watch("fingerprints")
    parts = (_numbers(splits.train), _numbers(splits.valid), _numbers(splits.test))
    watch("boosted trees")
    return train_boosting(
        parts,
        splits.encoding.task,
        _score(splits.encoding.task),
        seed=settings.recipe.seed,
        selected_by=settings.selected_by(splits),
    )


def _numbers(samples: Samples) -> NumbersPart:
    smiles = [samples[row].source or "" for row in range(len(samples))]
    return NumbersPart(fingerprint_counts(smiles), known_targets(samples))


def _score(task: Task) -> Score:
    """The scores that our own models get."""

    def scores(outputs: np.ndarray, targets: np.ndarray) -> Mapping[str, float]:
        rows = np.arange(len(outputs))
        return task.score(Predictions(outputs, targets, [str(row) for row in rows], rows))

    return scores


BASELINES: dict[str, Baseline] = {
    "gin": Baseline(("molecules", "graphs"), "what nodes and edges carry", _network(_gin, _graph_parts)),
    "fingerprints": Baseline(("molecules",), "counts of circular neighbourhoods (ECFP4)", _fingerprints),
    "pointnet": Baseline(
        ("point clouds",),
        "coordinates",
        _network(lambda encoding: CloudNetwork(PointNet(encoding.task.outputs)), _cloud_parts),
    ),
    "dgcnn": Baseline(
        ("point clouds",),
        "coordinates",
        _network(lambda encoding: CloudNetwork(DGCNN(encoding.task.outputs, factored=True)), _cloud_parts),
    ),
}
"""GIN of 5 layers of width 64; 300 boosted trees for each column or class; the other two as published."""
