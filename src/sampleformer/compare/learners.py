"""Families of scikit-learn's estimators over numbers, each with some settings of which the validation part chooses."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sampleformer.extras import require
from sampleformer.models.fitted.base import EXTRA
from sampleformer.models.fitted.columns import CLASSES, LABELS, VALUES, Columns, Estimator, log_odds


@dataclass(frozen=True)
class Candidate:
    """One setting of a family, fitted.

    Args:
        words: The setting, for people.
        predict: From features to outputs; it holds until the next candidate is made.
        size: Number of what was learnt.
    """

    words: str
    predict: Callable[[Any], np.ndarray]
    size: int


class Learner(ABC):
    """A family of estimators.

    Attributes:
        seeded: Whether another seed gives another result.
        patience: Candidates without a better one after which the search ends.
        counts: What `Candidate.size` is a number of, as a noun.
    """

    seeded: ClassVar[bool] = False
    patience: ClassVar[int] = 2
    counts: ClassVar[str]

    @abstractmethod
    def candidates(self, features: Any, columns: Columns, seed: int) -> Iterator[Candidate]:
        """Fitted settings, the fastest ones first.

        Args:
            features: Of the training part, ``(rows, f)``, dense or sparse.
            columns: Targets of the training part.
            seed: Of all that is random.
        """


class Linear(Learner):
    """Logistic regression for classes and labels, ridge regression for values; its penalty is chosen.

    A gap counts as the mean of its column, and a further column says where gaps are.
    """

    counts = "parameter"
    strengths: ClassVar[tuple[float, ...]] = (0.01, 0.1, 1.0, 10.0, 100.0)

    def candidates(self, features: Any, columns: Columns, seed: int) -> Iterator[Candidate]:
        linear, pipeline = require("sklearn.linear_model", EXTRA), require("sklearn.pipeline", EXTRA)
        scaling, impute = require("sklearn.preprocessing", EXTRA), require("sklearn.impute", EXTRA)
        for strength in self.strengths:

            def make(strength: float = strength) -> Any:
                if columns.form == VALUES:
                    last = linear.Ridge(alpha=1 / strength)
                else:
                    last = linear.LogisticRegression(C=strength, max_iter=300)
                if not _is_dense(features):
                    return last
                fill = [impute.SimpleImputer(add_indicator=True)] if np.isnan(features).any() else []
                return pipeline.make_pipeline(*fill, scaling.StandardScaler(), last)

            with _quiet():
                models = columns.fitted(make, features)
            words = f"alpha = {1 / strength:g}" if columns.form == VALUES else f"C = {strength:g}"
            yield Candidate(words, _predictor(columns, models), sum(map(_parameters, models)))


class RandomForest(Learner):
    """A forest of randomised trees; the fewest rows of a leaf are chosen.

    Labels share one, in which what is unknown counts as the mean of its column.
    """

    seeded = True
    counts = "node"
    trees: ClassVar[int] = 300
    leaves: ClassVar[tuple[int, ...]] = (1, 3, 10)
    estimators: ClassVar[tuple[str, str]] = ("RandomForestClassifier", "RandomForestRegressor")

    def candidates(self, features: Any, columns: Columns, seed: int) -> Iterator[Candidate]:
        features = np.asfortranarray(features)  # trees read column after column
        for leaf in self.leaves:
            yield self._candidate(features, columns, leaf, seed)  # not bound to a name, which would keep its trees

    def _candidate(self, features: np.ndarray, columns: Columns, leaf: int, seed: int) -> Candidate:
        kind = getattr(require("sklearn.ensemble", EXTRA), self.estimators[columns.form != CLASSES])
        features_of_a_node = 1 / 3 if columns.form == VALUES else "sqrt"

        def make() -> Any:
            return kind(
                n_estimators=self.trees, min_samples_leaf=leaf, max_features=features_of_a_node, random_state=seed
            )

        if columns.form == LABELS:
            models = [make().fit(features, columns.filled())]
            predict = _shares(models[0])
        else:
            models = columns.fitted(make, features)
            predict = _predictor(columns, models)
        return Candidate(f"leaves of at least {leaf}", predict, sum(map(_nodes, models)))


class ExtraTrees(RandomForest):
    """A forest whose trees cut at random places."""

    estimators = ("ExtraTreesClassifier", "ExtraTreesRegressor")


class Boosting(Learner):
    """Gradient-boosted trees over histograms; their number is chosen."""

    counts = "tree"
    stages: ClassVar[tuple[int, ...]] = (20, 40, 80, 150, 300)

    def candidates(self, features: Any, columns: Columns, seed: int) -> Iterator[Candidate]:
        ensemble = require("sklearn.ensemble", EXTRA)
        of_values = columns.form == VALUES
        made = ensemble.HistGradientBoostingRegressor if of_values else ensemble.HistGradientBoostingClassifier
        leaf = int(np.clip(len(features) // 20, 2, 20))  # scikit-learn's 20 would split no tree of a small table
        kept = (features != np.median(features, axis=0)).sum(axis=0) >= leaf  # no tree could split the other columns
        kept |= not kept.any()
        features = features[:, kept]
        options = {"warm_start": True, "early_stopping": False, "min_samples_leaf": leaf, "random_state": seed}
        models: list[Estimator] | None = None
        for trees in self.stages:
            if models is not None:
                for model in models:
                    if not isinstance(model, float):
                        model.set_params(max_iter=trees)
            models = columns.fitted(lambda trees=trees: made(max_iter=trees, **options), features, models)  # type: ignore[misc]
            yield Candidate(f"{trees} trees", _predictor(columns, models, kept), sum(map(_trees, models)))


def _predictor(
    columns: Columns, models: Sequence[Estimator], kept: np.ndarray | slice = slice(None)
) -> Callable[[Any], np.ndarray]:
    """Outputs of estimators that were fitted to some columns of the features."""
    return lambda features: columns.predict(models, features[:, kept])


def _is_dense(features: Any) -> bool:
    return isinstance(features, np.ndarray)


def _parameters(model: Estimator) -> int:
    if isinstance(model, float):
        return 1
    last = model[-1] if hasattr(model, "steps") else model
    return int(np.size(last.coef_) + np.size(last.intercept_))


def _shares(forest: Any) -> Callable[[Any], np.ndarray]:
    """Log-odds of the shares that a forest says for all labels."""
    return lambda features: log_odds(forest.predict(features).reshape(len(features), -1)).astype(np.float32)


def _nodes(model: Estimator) -> int:
    return 1 if isinstance(model, float) else sum(tree.tree_.node_count for tree in model.estimators_)


def _trees(model: Estimator) -> int:
    return 0 if isinstance(model, float) else int(model.n_iter_ * model.n_trees_per_iteration_)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence about a search that was stopped at its last allowed iteration: the validation part judges the result."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=require("sklearn.exceptions", EXTRA).ConvergenceWarning)
        yield
