"""Simple models that are scikit-learn's estimators over numbers of the samples."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from sampleformer.compare.features.clouds import point_parts, shape_parts
from sampleformer.compare.features.graphs import graph_parts, node_parts, pair_parts
from sampleformer.compare.features.molecules import molecule_parts
from sampleformer.compare.features.numbers import equal_length, sequence_parts
from sampleformer.compare.features.parts import Parts
from sampleformer.compare.features.texts import code_grams, word_grams
from sampleformer.compare.learners import Boosting, ExtraTrees, Learner, Linear, RandomForest
from sampleformer.compare.simple_model import Conditions, SimpleModel, Stopwatch, Trial
from sampleformer.data.sequence.tokenizers import WordTokenizer
from sampleformer.data.source import Splits
from sampleformer.sample import LEVELS
from sampleformer.tasks.columns import columns_of
from sampleformer.tasks.metrics import better
from sampleformer.training.blending import scored
from sampleformer.training.loss import make_loss
from sampleformer.training.outputs import known_targets
from sampleformer.training.predictions import predictions_of

log = logging.getLogger("sampleformer")

MOST_ROWS = 500_000
"""Rows of the training part that are learnt from, drawn at random of more: points and nodes can be many millions."""
MOST_NUMBERS = 20_000
"""Numbers of a sample; of more, neither a line nor a tree learns in the time of a training."""
_MOST_CODES = 4_096  # in a vocabulary of which runs are counted; words have more


class FeatureModel(SimpleModel):
    """A family of estimators over numbers of each sample, with the setting that is best on the validation part.

    Attributes:
        features: Makes the numbers of the parts.
        learner: The family.
    """

    features: ClassVar[Callable[[Splits], Parts]]
    learner: ClassVar[type[Learner]]
    needs = ("sklearn",)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.seeded, cls.counts = cls.learner.seeded, cls.learner.counts

    def train(self, conditions: Conditions, seed: int) -> Trial:
        """Fits one setting after the other until none is better, or the time is used up."""
        watch, splits = Stopwatch(conditions.minutes), conditions.splits
        task, targets = splits.encoding.task, known_targets(splits.train)
        loss, columns = make_loss(task, conditions.recipe.training.loss, targets), columns_of(task, targets)
        parts = conditions.parts(type(self).features, watch)
        rows = _some_rows(parts.train.shape[0], seed)
        features, columns = (parts.train, columns) if rows is None else (parts.train[rows], columns.taken(rows))
        watch.check()
        learner = self.learner()
        best, outputs, chosen, size, worse = None, None, "", 0, 0
        for candidate in learner.candidates(features, columns, seed):
            scores = scored(splits, candidate.predict(parts.valid), loss)
            if better(conditions.metric, scores, best):
                best, outputs, worse = scores, candidate.predict(parts.test), 0
                chosen, size = candidate.words, candidate.size
            else:
                worse += 1
            if worse >= learner.patience:
                break
            if watch.used_up:
                log.info("%s: its time was used up after %s", self.title, candidate.words)
                chosen += ", when its time was used up"
                break
            del candidate  # or it stands under the peak of the next one
        assert best is not None
        assert outputs is not None
        predictions = predictions_of(splits.test, outputs, task)
        return Trial(predictions, task.score(predictions), best, *watch.seconds, size=size, chosen=chosen)


def _some_rows(rows: int, seed: int) -> np.ndarray | None:
    """Which rows of too many are learnt from, ``(MOST_ROWS,)``; None: all."""
    if rows <= MOST_ROWS:
        return None
    return np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))


class Words(FeatureModel):
    """TF-IDF and a linear model."""

    name = "words"
    title = "a bag of words"
    sees = "words and pairs of words of the whole text, counted (TF-IDF)"
    kinds = ("texts",)
    features = word_grams
    learner = Linear


class Codes(FeatureModel):
    """Counts of codes and runs of codes, and a linear model."""

    name = "codes"
    title = "a bag of codes"
    sees = "codes and runs of up to three of them, counted"
    kinds = ("texts", "codes")
    features = code_grams
    learner = Linear

    @classmethod
    def misfit(cls, kind: str, splits: Splits) -> str:
        """Words are for `Words`; several codes of a token are no runs."""
        if reason := super().misfit(kind, splits):
            return reason
        if isinstance(getattr(splits.encoding.inputs, "tokenizer", None), WordTokenizer):
            return "it is for texts cut otherwise than into words, for which there is 'words'"
        size = splits.encoding.model_inputs.get("vocabulary")
        return "" if size is not None and size <= _MOST_CODES else f"it is for at most {_MOST_CODES:,} different codes"


class _OfNumbers(FeatureModel):
    """What learns from the numbers of a sample in their order."""

    kinds = ("numbers", "codes")
    features = sequence_parts
    learner: ClassVar[type[Learner]] = Linear

    @classmethod
    def misfit(cls, kind: str, splits: Splits) -> str:
        """Samples must have equally many numbers."""
        if reason := super().misfit(kind, splits):
            return reason
        length = equal_length(splits)
        if length is None:
            return "it is for samples of equal length"
        many = length * max(1, splits.train[0].features.size // max(1, length))
        return f"it is for at most {MOST_NUMBERS:,} numbers a sample" if many > MOST_NUMBERS else ""


class LinearNumbers(_OfNumbers):
    """Logistic or ridge regression."""

    name = "linear"
    title = "a linear model"
    sees = "all numbers, each for itself"
    learner = Linear


class BoostedNumbers(_OfNumbers):
    """Gradient-boosted trees."""

    name = "boosting"
    title = "gradient boosting"
    sees = "all numbers"
    learner = Boosting


class _OfMolecules(FeatureModel):
    kinds = ("molecules",)
    sees = "counts of circular neighbourhoods (ECFP4) and of paths of four atoms, and RDKit's descriptors"
    features = molecule_parts
    learner: ClassVar[type[Learner]] = ExtraTrees


class FingerprintTrees(_OfMolecules):
    """Extra trees over fingerprints and descriptors."""

    name = "fingerprint-trees"
    title = "a forest over fingerprints"
    learner = ExtraTrees


class FingerprintLinear(_OfMolecules):
    """A linear model over fingerprints and descriptors."""

    name = "fingerprint-linear"
    title = "a linear model over fingerprints"
    learner = Linear


class FingerprintBoosting(_OfMolecules):
    """Boosted trees over fingerprints and descriptors."""

    name = "fingerprint-boosting"
    title = "boosting over fingerprints"
    learner = Boosting


class GraphStatistics(FeatureModel):
    """A random forest over numbers of a graph."""

    name = "graph-statistics"
    title = "a forest over graph statistics"
    sees = "degrees, triangles, what nodes and edges carry, and counts of neighbourhoods"
    kinds = ("graphs",)
    features = graph_parts
    learner = RandomForest


class NeighbourMeans(FeatureModel):
    """A linear model over what a node and its neighbours carry."""

    name = "neighbour-means"
    title = "a linear model over neighbour means"
    sees = "what a node carries, means over its neighbours and theirs, and its degree"
    kinds = ("graphs", "molecules")
    levels = LEVELS[1:2]
    features = node_parts
    learner = Linear


class CommonNeighbours(FeatureModel):
    """Boosted trees over the neighbours that two nodes share."""

    name = "common-neighbours"
    title = "boosting over common neighbours"
    sees = "how many neighbours two nodes share, indices of that, and their degrees"
    kinds = ("graphs", "molecules")
    levels = LEVELS[2:]
    features = pair_parts
    learner = Boosting


class ShapeStatistics(FeatureModel):
    """A random forest over numbers of a shape."""

    name = "shape-statistics"
    title = "a forest over shape statistics"
    sees = "extents, spread, heights, and the distances of points to the centre and to each other"
    kinds = ("clouds",)
    features = shape_parts
    learner = RandomForest


class PointStatistics(FeatureModel):
    """Boosted trees over numbers of each point."""

    name = "point-statistics"
    title = "boosting over points"
    sees = "place, height, normal and features of each point, without its neighbours"
    kinds = ("clouds",)
    levels = LEVELS[1:2]
    features = point_parts
    learner = Boosting
