"""Estimators of scikit-learn's kind."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sampleformer.errors import InputError, shown
from sampleformer.integrations.sklearn.rows import LABEL, SPLIT, Kind, framed, validation_rows, with_parts
from sampleformer.recipes import request
from sampleformer.tables.table import Table
from sampleformer.training.predictor import Predictor
from sampleformer.training.random_state import get_random_state, set_random_state
from sampleformer.training.recipe import Recipe, make_source
from sampleformer.training.run import train
from sampleformer.wording import count


class _Estimator(BaseEstimator):
    """What both estimators share: a training of the house in a folder that is thrown away."""

    def __init__(
        self,
        *,
        text: str | Sequence[str] | None = None,
        smiles: str | None = None,
        features: Sequence[str] | None = None,
        recipe: str | None = None,
        model: str | None = None,
        attention: str | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        minutes: float | None = None,
        validation_fraction: float = 0.1,
        settings: Sequence[str] = (),
        device: str = "cpu",
        random_state: Any = 0,
    ) -> None:
        self.text = text
        self.smiles = smiles
        self.features = features
        self.recipe = recipe
        self.model = model
        self.attention = attention
        self.epochs = epochs
        self.steps = steps
        self.minutes = minutes
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.device = device
        self.random_state = random_state

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "predictor_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _checked(self, kind: Kind, X: Any, y: Any = None, *, reset: bool) -> tuple[Any, Any]:
        """Samples and targets as scikit-learn checks them: numbers as an array, texts as they are."""
        if kind.name == "numbers":
            finite = "allow-nan"  # a gap; infinity stays wrong
            if y is None:
                return validate_data(self, X, reset=reset, ensure_all_finite=finite), None
            of_numbers = isinstance(self, RegressorMixin)
            return validate_data(self, X, y, reset=reset, ensure_all_finite=finite, y_numeric=of_numbers)
        if y is not None:
            y = column_or_1d(y, warn=True)
            if len(y) != len(X):
                raise InputError(f"y: found {count(len(y), 'target')}, expected {len(X)}, one a sample")
        return X, y

    def _train(self, X: Any, targets: Sequence[Any], strata: np.ndarray, kind: Kind, task: str) -> None:
        """Trains on samples that are checked, and keeps what answers for new ones."""
        share = self.validation_fraction
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise InputError(f"validation_fraction: found {shown(share)}, expected a number between 0 and 1")
        random = check_random_state(self.random_state)
        table = with_parts(kind.table(X), targets, validation_rows(strata, share, random))
        recipe = self._recipe(kind, table, task, int(random.randint(2**31)))
        states = get_random_state()  # a training starts the generators anew, which are the user's
        try:
            with tempfile.TemporaryDirectory() as folder:
                source = make_source(recipe).holding(table)  # type: ignore[attr-defined]
                run = train(recipe, Path(folder) / "run", device=self.device, quiet=True, source=source)
                model, encoding = run.read_trained(trust_code=True)
        finally:
            set_random_state(states)
        self.kind_ = kind
        self.predictor_ = Predictor(model, encoding, recipe.training.max_tokens)

    def _recipe(self, kind: Kind, table: Table, task: str, seed: int) -> Recipe:
        columns = [name for name in table.columns if name not in (LABEL, SPLIT)]
        data = {"path": "samples", "label": LABEL, "valid": SPLIT, "test": SPLIT, "task": task, **kind.data}
        return request(
            self.recipe,
            data=data | ({"columns": columns} if kind.name == "numbers" else {}),
            epochs=self.epochs,
            steps=self.steps,
            minutes=self.minutes,
            seed=seed,
            model=self.model,
            attention=self.attention,
            changes=self.settings,
        )

    def _answers(self, X: Any) -> dict[str, list[Any]]:
        """Columns of predictions for new samples."""
        check_is_fitted(self)
        X, _ = self._checked(self.kind_, framed(X), reset=False)
        return self.predictor_(self.kind_.samples(X))


class SampleformerClassifier(ClassifierMixin, _Estimator):
    """Classifier with scikit-learn's interface, trained as ``sampleformer train`` does.

    Samples are rows of numbers ``(n, features)``, texts, or rows of a DataFrame of pandas or polars or of a
    ``Dataset`` of Hugging Face's datasets. Among numbers NaN is a gap.

    Args:
        text: Column of the texts in a DataFrame, or several that make one text. None: a list or an array of strings is
            one of texts.
        smiles: Column of molecules as SMILES. With it, a list or an array of strings is one of SMILES.
        features: Columns of a DataFrame that describe a sample beside its text or SMILES. None: none.
        recipe: Packaged recipe or YAML file. None: that of the kind of the samples.
        model: Name of the model, see `MODELS`. None: that of the recipe.
        attention: Name of the attention. None: that of the recipe.
        epochs, steps, minutes: Length of the training; one of them at most. None: that of the recipe.
        validation_fraction: Share of the samples by which the best weights are chosen. Between 0 and 1.
        settings: Further settings, ``dotted.name=value`` each, as ``train --set`` takes them.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        random_state: Seed, a generator of NumPy, or None.

    Attributes:
        classes_: The classes, sorted.
        predictor_: The trained model as a `Predictor`.

    Example:
        >>> classifier = SampleformerClassifier(text="review", minutes=5)     # doctest: +SKIP
        >>> classifier.fit(frame, frame["sentiment"]).predict(new)            # doctest: +SKIP
        array(['positive', 'negative'], dtype=object)
    """

    def fit(self, X: Any, y: Any) -> SampleformerClassifier:
        """Trains.

        Args:
            X: Samples.
            y: Class of each.

        Raises:
            InputError: if a sample, a target or an argument cannot be used.
        """
        X = framed(X)
        kind = Kind.of(X, self.text, self.smiles, self.features)
        X, y = self._checked(kind, X, y, reset=True)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y: found only one class, {shown(self.classes_.tolist()[0])}, expected two or more")
        self._train(X, [str(code) for code in codes.tolist()], codes, kind, "classification")
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class of `classes_`, ``(n, classes)``."""
        columns = self._answers(X)
        return np.column_stack([columns[f"probability_{code}"] for code in range(len(self.classes_))])

    def predict(self, X: Any) -> np.ndarray:
        """Class of each sample, ``(n,)``."""
        places = self.predict_proba(X).argmax(axis=1)
        return self.classes_[places]


class SampleformerRegressor(RegressorMixin, _Estimator):
    """Regressor with scikit-learn's interface, trained as ``sampleformer train`` does.

    Args: as for `SampleformerClassifier`.

    Attributes:
        predictor_: The trained model as a `Predictor`.

    Example:
        >>> SampleformerRegressor(smiles="smiles").fit(frame, frame["solubility"])   # doctest: +SKIP
    """

    def fit(self, X: Any, y: Any) -> SampleformerRegressor:
        """Trains.

        Args:
            X: Samples.
            y: Number of each.

        Raises:
            InputError: if a sample, a target or an argument cannot be used.
        """
        X = framed(X)
        kind = Kind.of(X, self.text, self.smiles, self.features)
        X, y = self._checked(kind, X, y, reset=True)
        y = column_or_1d(y, warn=True).astype(np.float64)
        self._train(X, y.tolist(), np.zeros(len(y)), kind, "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Number for each sample, ``(n,)``."""
        return np.array(self._answers(X)[LABEL])
