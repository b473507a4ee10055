"""Boosted trees over the descriptors of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.models.base import AnyModelSettings
from sampleformer.models.descriptors import DescriptorModel, descriptors_of
from sampleformer.models.fitted.base import EXTRA, FittedModel, fitted_rows
from sampleformer.models.fitted.columns import CLASSES, LABELS, VALUES, Columns, log_odds
from sampleformer.models.fitted.trees import Trees, check_depth, features_of_a_node
from sampleformer.tokens import Tokens

MOST_WORK = 20_000_000_000
"""Numbers that fitting looks at, samples × features of a node × levels × trees: some minutes. Of more, some samples."""
_DRAWN = 0.7  # of the samples for each tree
_LEAF = 3  # samples at least
_NEVER = float(log_odds(np.zeros(1))[0])  # of a class that the training part does not have

Rounds = Annotated[int, Field(ge=1, le=10_000)]


class BoostingSettings(AnyModelSettings):
    """Settings of `Boosting`.

    Args:
        name: "boosting".
        rounds: Numbers of trees of each output, rising; the validation part chooses.
        levels: Levels of a tree at most.
        rate: Share of its answer that a tree adds.
        form: Form of the targets, which fitting finds, see `Columns`.
        trees: Number of trees of each output, which fitting finds. 0: it has not been fitted.
        nodes: Nodes of the trees of each output, which fitting finds.
        depth: Levels of the deepest tree, which fitting finds.
    """

    name: str = "boosting"
    rounds: tuple[Rounds, ...] = Field(default=(50, 100, 200, 400), min_length=1)
    levels: int = Field(default=4, ge=1, le=20)
    rate: float = Field(default=0.05, gt=0, le=1)
    form: Literal["", "classes", "labels", "values"] = ""
    trees: int = Field(default=0, ge=0, le=10_000)
    nodes: tuple[int, ...] = ()
    depth: int = Field(default=0, ge=0, le=20)


class Boosting(DescriptorModel, FittedModel):
    """``y = y_0 + rate · Σ_t v_t(x)``: each tree is fitted to what those before it left over, by scikit-learn.

    y is log-odds of a label, log-probabilities of classes but for what all have in common, or a value. Each tree sees
    seven tenths of the samples and each of its nodes some of the features: a twentieth or their square root, of values
    a third.

    Args:
        settings: `BoostingSettings`, fitted.
        inputs: ``{"descriptors": bins of each code}``, see `ThermometerCode`.
        outputs: Number of outputs.
        level: "sample".

    Source: Friedman 2002, Stochastic gradient boosting, section 3.

    Example:
        >>> sample = Tokens(torch.zeros(20, 1, 0), descriptors=torch.arange(20.0)[:, None])
        >>> targets = Columns("classes", np.array([[0.0]] * 10 + [[1]] * 10), 2)
        >>> settings = BoostingSettings(rounds=(20,))
        >>> model = next(Boosting.candidates(settings, {"descriptors": [3]}, [sample], targets, seed=0))
        >>> model(sample).argmax(1)[::3].tolist()
        [0, 0, 0, 0, 1, 1, 1]
    """

    name = "boosting"
    Settings = BoostingSettings

    def build(self, settings: BoostingSettings) -> None:
        self._check_fitted(settings.trees)
        if len(settings.nodes) != self.outputs or settings.form not in (CLASSES, LABELS, VALUES):
            raise InputError(
                f"boosting: found trees of {len(settings.nodes)} outputs of {settings.form!r}, expected {self.outputs} "
                f"of {CLASSES}, {LABELS} or {VALUES}"
            )
        self.parts = nn.ModuleList(Trees(settings.trees, nodes, settings.depth, 1) for nodes in settings.nodes)

    def check_weights(self) -> None:
        check_depth(self.settings.depth, self.settings.nodes)
        for trees in self.parts:
            trees.check_places(len(self.inputs["descriptors"]))  # type: ignore[operator]

    def of_codes(self, codes: Float[Tensor, "b f"]) -> Float[Tensor, "b outputs"]:
        described = codes.to(self.parts[0].threshold.dtype)  # type: ignore[arg-type]
        return torch.cat([trees(described) for trees in self.parts], dim=1)

    @classmethod
    def candidates(
        cls,
        settings: BoostingSettings,
        inputs: Mapping[str, Any],
        chunks: Iterable[Tokens],
        columns: Columns,
        seed: int,
    ) -> Iterator[Self]:
        """One model for each number of trees; each goes on where the one before ended."""
        codes = len(inputs["descriptors"])
        features = descriptors_of(chunks, codes, len(columns.targets))
        if not codes:
            return
        features, columns = _some(settings, features, columns, seed)
        fitted: list[Any] | None = None
        for rounds in sorted(set(settings.rounds)):
            for each in fitted or ():
                if not isinstance(each, float):
                    each.set_params(n_estimators=rounds)
            fitted = columns.fitted(_maker(settings, columns.form, codes, rounds, seed), features, fitted)
            parts = _trees(fitted, features, columns, rounds)
            found = {
                "form": columns.form,
                "trees": rounds,
                "nodes": tuple(len(trees.feature) for trees in parts),
                "depth": max(trees.depth for trees in parts),
            }
            with torch.device("meta"):
                made = cls(settings.model_copy(update=found), inputs, columns.outputs)
            made.parts = nn.ModuleList(parts)
            yield made.eval()


def _some(settings: BoostingSettings, features: np.ndarray, columns: Columns, seed: int) -> tuple[np.ndarray, Columns]:
    """The samples, or of very many those that are drawn, see `MOST_WORK`."""
    each = (
        features_of_a_node(features.shape[1], of_values=columns.form == VALUES) * settings.levels * max(settings.rounds)
    )
    most = max(1, int(MOST_WORK / (_DRAWN * each * columns.outputs)))
    kept = fitted_rows(Boosting.name, len(features), most, seed)
    return (features, columns) if len(kept) == len(features) else (features[kept], columns.taken(kept))


def _maker(settings: BoostingSettings, form: str, features: int, rounds: int, seed: int) -> Callable[[], Any]:
    kind = "GradientBoostingRegressor" if form == VALUES else "GradientBoostingClassifier"

    def make() -> Any:
        return getattr(require("sklearn.ensemble", EXTRA), kind)(
            n_estimators=rounds,
            learning_rate=settings.rate,
            max_depth=settings.levels,
            max_features=features_of_a_node(features, of_values=form == VALUES),
            min_samples_leaf=_LEAF,
            subsample=_DRAWN,
            random_state=seed,
            warm_start=True,
        )

    return make


def _trees(fitted: list[Any], features: np.ndarray, columns: Columns, rounds: int) -> list[Trees]:
    """The trees of each output, whose mean is what the estimators answer."""
    if columns.form != CLASSES:
        return [tree for model in fitted for tree in _of_estimator(model, features, columns.form, rounds)]
    (model,) = fitted
    every = [_constant(_NEVER, rounds) for _ in range(columns.outputs)]
    if isinstance(model, float):
        every[int(model)] = _constant(0.0, rounds)
        return every
    found = _of_estimator(model, features, columns.form, rounds)
    if len(found) == 1:  # log-odds of the second of two classes
        found = [_constant(0.0, rounds), *found]
    for place, trees in zip(model.classes_.tolist(), found, strict=True):
        every[place] = trees
    return every


def _of_estimator(model: Any, features: np.ndarray, form: str, rounds: int) -> list[Trees]:
    """The trees of one estimator, or of the one value that a column has."""
    if isinstance(model, float):
        return [_constant(float(log_odds(np.array([model]))[0]) if form == LABELS else model, rounds)]
    first = features[:1]
    answer = (model.predict if form == VALUES else model.decision_function)(first).reshape(1, -1)
    parts = []
    for output, trees in enumerate(model.estimators_.T):
        added = [model.learning_rate * each.tree_.value[:, 0] for each in trees]
        start = answer[0, output] - model.learning_rate * sum(each.predict(first)[0] for each in trees)
        parts.append(Trees.of_forest(list(trees), [start + rounds * each for each in added]))
    return parts


def _constant(value: float, rounds: int) -> Trees:
    trees = Trees(rounds, 1, 0, 1)
    trees.value.fill_(value)
    return trees
