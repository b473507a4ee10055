"""The baselines by name, and what data each is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sampleformer.bench.baseline_settings import BaselineSettings
from sampleformer.bench.peers.baseline import BaselineResult, Score
from sampleformer.bench.peers.boosting import NumbersPart, train_boosting
from sampleformer.bench.peers.fingerprints import fingerprint_counts
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.tasks import Predictions, Task
from sampleformer.training.outputs import known_targets

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
    "fingerprints": Baseline(("molecules",), "counts of circular neighbourhoods (ECFP4)", _fingerprints),
}
"""300 boosted trees for each column or class. Networks are models of `train`: gin, pointnet, dgcnn, bag."""
