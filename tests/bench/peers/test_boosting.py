"""Fingerprints and boosted trees as a baseline."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from sampleformer.bench.peers.boosting import NumbersPart, train_boosting
from sampleformer.bench.peers.fingerprints import fingerprint_counts
from sampleformer.errors import InputError
from sampleformer.tasks import Classification, MultiLabel, Regression

FEW = {"trees": 12, "check_every": 5}


def test_fingerprints_count_and_do_not_see_the_order_of_atoms() -> None:
    counts = fingerprint_counts(["CCO", "OCC", "CCCCO", "[Na+].[Cl-]", "C"])
    assert (counts.shape, counts.dtype) == ((5, 2048), np.float32)
    np.testing.assert_array_equal(counts[0], counts[1])
    assert counts[0].sum() == 6  # three atoms, two ends with a bond around them, one middle; radius 2 adds nothing new
    assert counts[2].max() > 1
    assert counts[4].sum() == 1


def test_a_text_that_is_no_molecule_is_named() -> None:
    with pytest.raises(InputError, match="^row 2: 'C1CC' is not a valid SMILES.*expected a molecule$"):
        fingerprint_counts(["CC", "C1CC"])


def parts_of(targets, seed: int = 0) -> tuple[NumbersPart, NumbersPart, NumbersPart]:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(seed)
    made = []
    for rows in (300, 120, 120):
        features = random.integers(0, 4, (rows, 6)).astype(np.float32)
        made.append(NumbersPart(features, targets(features)))
    return made[0], made[1], made[2]


class Asked:
    """A score that remembers what it was asked for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.outputs: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []

    def __call__(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        self.outputs.append(outputs)
        self.targets.append(targets)
        if self.name == "accuracy":
            return {"accuracy": float((outputs.argmax(1) == targets).mean())}
        if self.name == "mae":
            return {"mae": float(np.nanmean(np.abs(outputs - targets)))}
        return {"average_precision": float(((outputs > 0) == (targets > 0.5)).mean())}


def test_classes() -> None:
    parts = parts_of(lambda features: ((features[:, 0] > 1) * 2).astype(np.int64))  # class 1 never occurs
    asked = Asked("accuracy")
    found = train_boosting(parts, Classification("y", ["a", "b", "c"]), asked, **FEW)  # type: ignore[arg-type]
    assert found.best["accuracy"] == 1.0
    assert (found.steps, found.parameters) == (12, None)
    assert len(asked.outputs) == 5  # after 5, 10 and 12 trees, then the test part twice
    expected = HistGradientBoostingClassifier(max_iter=12, early_stopping=False, random_state=0)
    expected.fit(parts[0].features, parts[0].targets)
    probabilities = np.exp(asked.outputs[-1])
    np.testing.assert_allclose(probabilities[:, [0, 2]], expected.predict_proba(parts[2].features), rtol=1e-4)
    assert probabilities[:, 1].max() < 1e-6


def test_columns_of_labels_some_with_nothing_to_learn() -> None:
    def labels(features: np.ndarray) -> np.ndarray:
        first = np.where(features[:, 5] == 3, np.nan, features[:, 0] > 1)
        return np.stack([first, np.ones(len(features)), np.full(len(features), np.nan)], axis=1)

    parts, asked = parts_of(labels), Asked("average_precision")
    train_boosting(parts, MultiLabel(["a", "b", "c"]), asked, **FEW)  # type: ignore[arg-type]
    last = asked.outputs[-1]
    expected = HistGradientBoostingClassifier(max_iter=12, early_stopping=False, random_state=0)
    known = ~np.isnan(parts[0].targets[:, 0])
    expected.fit(parts[0].features[known], parts[0].targets[known, 0])
    np.testing.assert_allclose(last[:, 0], expected.decision_function(parts[2].features), rtol=1e-4)
    assert last[:, 1].min() > 10
    assert np.abs(last[:, 2]).max() == 0


def test_columns_of_values() -> None:
    def values(features: np.ndarray) -> np.ndarray:
        return np.stack(
            [features[:, 0] - features[:, 1], np.where(features[:, 2] == 0, np.nan, features[:, 3])], axis=1
        )

    parts, asked = parts_of(values), Asked("mae")
    found = train_boosting(parts, Regression(["a", "b"], [0.0, 0.0], [1.0, 1.0]), asked, **FEW)  # type: ignore[arg-type]
    expected = HistGradientBoostingRegressor(max_iter=12, early_stopping=False, random_state=0)
    expected.fit(parts[0].features, parts[0].targets[:, 0])
    np.testing.assert_allclose(asked.outputs[-1][:, 0], expected.predict(parts[2].features), rtol=1e-5, atol=1e-6)
    assert found.last["mae"] < 0.6
    assert found.best_valid["mae"] == min(
        float(np.nanmean(np.abs(o - t))) for o, t in zip(asked.outputs[:3], asked.targets[:3], strict=True)
    )


def test_the_number_of_trees_is_chosen_on_the_validation_part() -> None:
    calls: list[int] = []

    def first_is_best(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        calls.append(len(targets))
        return {"mae": float(len(calls))}

    parts = parts_of(lambda features: features[:, :1])
    found = train_boosting(parts, Regression(["y"], [0.0], [1.0]), first_is_best, **FEW)  # type: ignore[arg-type]
    assert (found.best_step, found.best_valid["mae"]) == (5, 1.0)
    assert calls == [120] * 5
