"""A forest of randomised trees over the descriptors of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from typing_extensions import Self

from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models.base import AnyModelSettings
from sampleformer.models.descriptors import DescriptorModel, descriptors_of
from sampleformer.models.fitted.base import EXTRA, FittedModel
from sampleformer.models.fitted.columns import CLASSES, LABELS, VALUES, Columns
from sampleformer.models.fitted.trees import Trees, check_depth, features_of_a_node
from sampleformer.tokens import Tokens

MOST_BYTES = 256_000_000
"""Of the arrays of a forest: of many samples, leaves are made larger."""
_TOGETHER = 20  # trees that are grown before they become arrays, which are a quarter of what scikit-learn makes
_BYTES = 16  # of a node, beside 4 for each output
_FEWEST = 0.5  # what all rows together say of a leaf of which nothing is known


class ForestSettings(AnyModelSettings):
    """Settings of `Forest`.

    Args:
        name: "forest".
        trees: Number of trees.
        tried: Trees with which leaves are compared; the chosen forest then grows the others.
        leaves: Samples of a leaf at least; the validation part chooses. Of very many samples more, see `MOST_BYTES`.
        cuts: Where a feature is cut: "random": at random places, all samples for each tree (extremely randomised
            trees); "best": at the best place, samples drawn with replacement (random forest).
        form: Form of the targets, which fitting finds, see `Columns`.
        nodes: Nodes of all trees together, which fitting finds. 0: it has not been fitted.
        depth: Levels of the deepest tree, which fitting finds.
    """

    name: str = "forest"
    trees: int = Field(default=300, ge=1, le=10_000)
    tried: int = Field(default=100, ge=1, le=10_000)
    leaves: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 3, 10), min_length=1)
    cuts: Literal["random", "best"] = "random"
    form: Literal["", "classes", "labels", "values"] = ""
    nodes: int = Field(default=0, ge=0)
    depth: int = Field(default=0, ge=0, le=10_000)


class Forest(DescriptorModel, FittedModel):
    """The mean of many trees over the descriptors of a sample, as scikit-learn fits them.

    Of T trees the mean p of a class or label is smoothed, ``(p + ε) / (1 + ε c)`` with ``ε = 1 / 2T`` and c classes (2
    for a label), and gives ``log p`` for classes, ``log p / (1 − p)`` for labels.

    One forest answers for all outputs. Where targets are unknown, trees grow with the means of all rows in their place,
    and leaves hold means over what is known.

    Args:
        settings: `ForestSettings`, fitted.
        inputs: ``{"descriptors": bins of each code}``, see `ThermometerCode`.
        outputs: Number of outputs.
        level: "sample".

    Source: Geurts, Ernst and Wehenkel 2006, Extremely randomized trees, section 2; Breiman 2001, Random forests.

    Example:
        >>> sample = Tokens(torch.zeros(4, 1, 0), descriptors=torch.tensor([[0.0], [1], [2], [3]]))
        >>> targets = Columns("classes", np.array([[0.0], [0], [1], [1]]), 2)
        >>> settings = ForestSettings(trees=20, leaves=(1,))
        >>> model = next(Forest.candidates(settings, {"descriptors": [3]}, [sample], targets, seed=0))
        >>> model(sample).argmax(1).tolist()
        [0, 0, 1, 1]
    """

    name = "forest"
    Settings = ForestSettings
    _growth: _Growth | None = None

    def build(self, settings: ForestSettings) -> None:
        self._check_fitted(settings.nodes)
        if settings.form not in (CLASSES, LABELS, VALUES):
            raise InputError(f"forest.form: found {settings.form!r}, expected {CLASSES}, {LABELS} or {VALUES}")
        self.trees = Trees(settings.trees, settings.nodes, settings.depth, self.outputs)

    def check_weights(self) -> None:
        check_depth(self.settings.depth, [self.settings.nodes])
        self.trees.check_places(len(self.inputs["descriptors"]))

    def of_codes(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        mean = self.trees(codes.to(self.trees.threshold.dtype))
        if self.settings.form == VALUES:
            return mean
        least = 0.5 / self.settings.trees
        if self.settings.form == CLASSES:
            return ((mean + least) / (1 + least * self.outputs)).log()
        return (mean + least).log() - (1 - mean + least).log()

    @classmethod
    def candidates(
        cls, settings: ForestSettings, inputs: Mapping[str, Any], chunks: Iterable[Tokens], columns: Columns, seed: int
    ) -> Iterator[Self]:
        """One model for each size of leaves, of a few trees if there are several, see `complete`."""
        codes = len(inputs["descriptors"])
        features = descriptors_of(chunks, codes, len(columns.targets))
        if not codes:
            return
        some = ~np.isnan(columns.targets).all(1)
        if not some.all():
            features, columns = np.asfortranarray(features[some]), columns.taken(some)
        most = MOST_BYTES // (_BYTES + 4 * columns.outputs)
        fewest = -(-2 * len(features) * settings.trees // most)  # a tree has at most twice as many nodes as leaves
        leaves = sorted({max(leaf, fewest) for leaf in settings.leaves}, reverse=True)
        tried = min(settings.tried, settings.trees) if len(leaves) > 1 else settings.trees
        for leaf in leaves:
            # Not bound to a name, which would keep it beside the next one.
            yield cls._of(_Growth(settings, columns, features, leaf, seed), tried, inputs, columns)

    @classmethod
    def _of(cls, growth: _Growth, trees: int, inputs: Mapping[str, Any], columns: Columns) -> Self:
        with torch.device("meta"):
            made = cls(growth.settings.model_copy(update={"nodes": 1, "form": columns.form}), inputs, columns.outputs)
        made._growth = growth
        made._grow(trees)
        return made.eval()

    def _grow(self, trees: int) -> None:
        """Grows the forest to so many trees."""
        assert self._growth is not None
        self.trees = self._growth.trees(trees)
        found = {"trees": trees, "nodes": len(self.trees.feature), "depth": self.trees.depth}
        self.settings = self.settings.model_copy(update=found)

    def complete(self) -> None:
        if self._growth is not None:
            self._grow(self._growth.settings.trees)
            self._growth = None


class _Growth:
    """Trees that are grown part by part: together they are those of one forest of scikit-learn.

    Args:
        settings: Settings of the forest.
        columns: Targets, of each row some.
        features: Descriptors of the rows.
        leaf: Samples of a leaf at least.
        seed: Seed of all that is random.
    """

    def __init__(self, settings: ForestSettings, columns: Columns, features: np.ndarray, leaf: int, seed: int) -> None:
        self.settings = settings
        self._columns = columns
        self._targets = columns.filled()
        self._features = features
        self._leaf = leaf
        self._random = np.random.RandomState(seed)  # goes on from some trees to the next
        self._grown: list[Trees] = []

    def trees(self, count: int) -> Trees:
        """So many trees, those that were grown before among them."""
        if not len(self._targets) or (self._targets == self._targets[0]).all():
            return _constant(count, self._columns, self._targets)
        while (grown := sum(len(each.roots) for each in self._grown)) < count:
            self._grown.append(self._some(min(_TOGETHER, count - grown)))
        self._grown = [Trees.joined(self._grown)]
        return self._grown[0]

    def _some(self, count: int) -> Trees:
        """The next trees."""
        of_values = self._columns.form == VALUES
        of_numbers = of_values or bool(np.isnan(self._columns.targets).any())
        kind = ("ExtraTrees" if self.settings.cuts == "random" else "RandomForest") + (
            "Regressor" if of_numbers else "Classifier"
        )
        targets = self._targets
        forest = getattr(require("sklearn.ensemble", EXTRA), kind)(
            n_estimators=count,
            min_samples_leaf=self._leaf,
            max_features=features_of_a_node(self._features.shape[1], of_values=of_values),
            n_jobs=torch.get_num_threads(),
            random_state=self._random,
        )
        forest.fit(self._features, targets if targets.shape[1] > 1 else targets[:, 0])
        return _arrays(forest, self._features, self._columns)


def _arrays(forest: Any, features: np.ndarray, columns: Columns) -> Trees:
    """The trees of a fitted forest, whose leaves hold means over what is known."""
    trees = forest.estimators_
    if np.isnan(columns.targets).any():
        return Trees.of_forest(trees, [_known(each.tree_, each.apply(features), columns) for each in trees])
    return Trees.of_forest(trees, [_held(forest, each.tree_.value, columns) for each in trees])


def _known(tree: Any, leaves: np.ndarray, columns: Columns) -> np.ndarray:
    """Means over the known targets of each leaf, with the mean of all as half a row more, ``(nodes, outputs)``."""
    known = ~np.isnan(columns.targets)
    total, count = np.zeros((2, tree.node_count, columns.outputs))
    np.add.at(total, leaves, np.where(known, columns.targets, 0))
    np.add.at(count, leaves, known)
    return (total + _FEWEST * columns.means()) / (count + _FEWEST)


def _held(forest: Any, value: np.ndarray, columns: Columns) -> np.ndarray:
    """What the nodes of a tree say of each output, ``(nodes, outputs)``."""
    if columns.form == VALUES:
        return value[:, :, 0]
    held = np.zeros((len(value), columns.outputs))
    shares = value / value.sum(2, keepdims=True)
    if columns.form == CLASSES:
        held[:, forest.classes_.astype(np.int64)] = shares[:, 0]
        return held
    classes = forest.classes_ if columns.outputs > 1 else [forest.classes_]
    for output, of_column in enumerate(classes):
        if 1.0 in of_column:
            held[:, output] = shares[:, output, list(of_column).index(1.0)]
    return held


def _constant(count: int, columns: Columns, targets: np.ndarray) -> Trees:
    """A forest of leaves alone: all known rows agree, or there is none."""
    trees = Trees(count, 1, 0, columns.outputs)
    if not len(targets):
        trees.value.fill_(0.0 if columns.form == VALUES else 0.5)
    elif columns.form == CLASSES:
        trees.value[0, int(targets[0, 0])] = 1.0
    else:
        trees.value[0] = torch.from_numpy(targets[0])
    return trees
