"""Targets as numbers for the loss, and outputs as columns."""

import json

import numpy as np
import pytest

from sampleformer.data.report import RowReport
from sampleformer.data.targets import ClassTarget, MultiLabelTarget, NumberTarget, Targets, targets_from_json
from sampleformer.errors import InputError

ALL = [
    ClassTarget("y", ["no", "yes"]),
    MultiLabelTarget(["a", "b"]),
    NumberTarget(["u", "v"], mean=[10.0, -1.0], deviation=[2.0, 0.5]),
]


def report(on_error: str = "stop") -> RowReport:
    return RowReport("a.csv", lambda row: f"row {row + 1}", on_error)


def test_class_predictions() -> None:
    columns = ALL[0].predictions(np.array([[0.0, np.log(3.0)], [1000.0, 0.0]], dtype=np.float32))
    assert list(columns) == ["prediction", "probability_no", "probability_yes"]
    assert columns["prediction"] == ["yes", "no"]
    assert columns["probability_no"] == pytest.approx([0.25, 1.0])
    assert columns["probability_yes"] == pytest.approx([0.75, 0.0])


def test_multilabel_predictions() -> None:
    columns = ALL[1].predictions(np.array([[0.0, -1000.0], [np.log(3.0), 1000.0]]))
    assert columns == {"probability_a": pytest.approx([0.5, 0.75]), "probability_b": pytest.approx([0.0, 1.0])}


def test_regression_predictions_have_the_targets_unit() -> None:
    assert ALL[2].predictions(np.array([[1.0, -2.0]])) == {"u": [12.0], "v": [-2.0]}


def test_regression_targets_are_standardised_and_turned_back() -> None:
    values = np.random.default_rng(0).normal(50, 9, size=(100, 2))
    targets = NumberTarget.learn(["u", "v"], values)
    encoded = targets.encode(values, report())
    assert encoded.dtype == np.float32
    assert encoded.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    assert encoded.std(axis=0) == pytest.approx([1, 1], abs=1e-6)
    assert targets.in_units(encoded) == pytest.approx(values, rel=1e-6)


def test_unseen_label_names_the_row() -> None:
    with pytest.raises(InputError, match="a.csv: row 2: column 'y': label 'maybe' does not occur in the training part"):
        ALL[0].encode(np.array(["no", "maybe"], dtype=object), report())


def test_unseen_label_is_skipped_and_counted() -> None:
    found = report("skip")
    ALL[0].encode(np.array(["no", "maybe", "yes"], dtype=object), found)
    assert found.kept(3).tolist() == [0, 2]


@pytest.mark.parametrize("targets", ALL, ids=lambda targets: targets.task)
def test_json_brings_targets_back(targets: Targets) -> None:
    again = targets_from_json(json.loads(json.dumps(targets.to_json())))
    outputs = np.array([[0.3, -0.4], [2.0, 1.0]])
    assert (again.task, again.labels, again.columns) == (targets.task, targets.labels, targets.columns)
    assert again.predictions(outputs) == targets.predictions(outputs)
