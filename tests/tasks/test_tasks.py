"""Targets as numbers for the loss, outputs as columns, tasks as JSON."""

import json

import numpy as np
import pytest

from sampleformer.errors import InputError
from sampleformer.tables.report import RowReport
from sampleformer.tables.table import Table
from sampleformer.tasks import (
    TASKS,
    Classification,
    Link,
    MultiLabel,
    PartSegmentation,
    Regression,
    Segmentation,
    Task,
    task_from_json,
    task_to_json,
)
from sampleformer.tasks.classification import sort_labels
from sampleformer.tasks.task import check_level

ALL = [
    Classification("y", ["no", "yes"]),
    MultiLabel(["a", "b"]),
    Regression(["u", "v"], mean=[10.0, -1.0], deviation=[2.0, 0.5]),
    Regression(["u"], mean=[1.0], deviation=[2.0], level="token"),
    Link(["link"]),
    Segmentation("labels", ["floor", "wall"]),
    PartSegmentation("labels", ["0", "1", "2"], {"cup": ["0", "1"], "lamp": ["2"]}),
]


def report(on_error: str = "stop") -> RowReport:
    return RowReport("a.csv", lambda row: f"row {row + 1}", on_error)


def test_class_predictions() -> None:
    columns = ALL[0].decode(np.array([[0.0, np.log(3.0)], [1000.0, 0.0]], dtype=np.float32))
    assert list(columns) == ["prediction", "probability_no", "probability_yes"]
    assert columns["prediction"] == ["yes", "no"]
    assert columns["probability_no"] == pytest.approx([0.25, 1.0])
    assert columns["probability_yes"] == pytest.approx([0.75, 0.0])


def test_multilabel_predictions() -> None:
    columns = ALL[1].decode(np.array([[0.0, -1000.0], [np.log(3.0), 1000.0]]))
    assert columns == {"probability_a": pytest.approx([0.5, 0.75]), "probability_b": pytest.approx([0.0, 1.0])}


def test_regression_predictions_have_the_targets_unit() -> None:
    assert ALL[2].decode(np.array([[1.0, -2.0]])) == {"u": [12.0], "v": [-2.0]}


def test_regression_targets_are_standardised_and_turned_back() -> None:
    values = np.random.default_rng(0).normal(50, 9, size=(100, 2))
    targets = Regression.learn(["u", "v"], values, "a.csv")
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


@pytest.mark.parametrize("task", ALL, ids=lambda task: f"{task.name} {task.level}")
def test_json_brings_a_task_back(task: Task) -> None:
    again = task_from_json(json.loads(json.dumps(task_to_json(task))))
    outputs = np.random.default_rng(0).normal(size=(2, task.outputs))
    assert (type(again), again.level, again.labels) == (type(task), task.level, task.labels)
    assert (again.columns, again.metrics) == (task.columns, task.metrics)
    assert again.decode(outputs) == task.decode(outputs)


@pytest.mark.parametrize("task", ALL, ids=lambda task: f"{task.name} {task.level}")
def test_activations_are_turned_back(task: Task) -> None:
    outputs = np.random.default_rng(0).normal(size=(3, task.outputs))
    again = task.activation(task.inverse_activation(task.activation(outputs)))
    np.testing.assert_allclose(again, task.activation(outputs), rtol=1e-12)


def test_every_registered_task_is_tested_here() -> None:
    assert {type(task) for task in ALL} >= {each for each in TASKS.values() if not each.from_inputs}


def test_targets_as_columns() -> None:
    assert ALL[0].decode_targets(np.array([1, -1])) == {"target": ["yes", ""]}
    assert ALL[1].decode_targets(np.array([[1.0, np.nan]])) == {"target_a": [1.0], "target_b": [""]}
    assert ALL[2].decode_targets(np.array([[1.0, np.nan]])) == {"target_u": [12.0], "target_v": [""]}


def test_a_level_that_the_task_is_not_defined_for() -> None:
    with pytest.raises(ValueError, match="level is 'pair', expected one of"):
        Classification("y", ["a", "b"], "pair")
    check_level(Classification, "token")
    with pytest.raises(InputError, match="task: 'link' is for each pair, but the labels are for each sample"):
        check_level(Link, "sample")


def table(**columns: list) -> Table:
    return Table("a.csv", columns, range(1, 1 + len(next(iter(columns.values())))))


def test_classification_takes_one_column() -> None:
    with pytest.raises(InputError, match="label: found 2 columns, expected one"):
        Classification.parse_columns(table(a=["0", "1"], b=["0", "1"]), ["a", "b"], report())


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Classification, [0, 1, 1, 0]),
        (MultiLabel, [[0], [1], [1], [0]]),
        (Regression, [[-1], [1], [1], [-1]]),
    ],
)
def test_parse_learn_encode(task: type[Task], expected: list) -> None:
    values = task.parse_columns(table(y=["0", "1", "1", "0"]), ["y"], report())
    assert task.learn(["y"], values, "a.csv").encode(values, report()).tolist() == expected


def test_one_class_is_too_few() -> None:
    with pytest.raises(InputError, match="a.csv: column 'y': found only the class 'a' in the training part"):
        Classification.learn(["y"], np.array(["a", "a"], dtype=object), "a.csv")


def test_labels_that_are_numbers_have_their_order() -> None:
    assert sort_labels({"10", "9", "-1"}) == ["-1", "9", "10"]
    assert sort_labels({"10", "9", "b"}) == ["10", "9", "b"]
    assert Classification.learn(["y"], np.array(["10", "9"], dtype=object), "a.csv").labels == ["9", "10"]


def test_constant_regression_target_is_only_centred() -> None:
    learnt = Regression.learn(["y"], np.full((3, 1), 7.0), "a.csv")
    assert learnt.encode(np.array([[8.0]]), report()).tolist() == [[1.0]]


def test_target_beside_which_all_others_vanish() -> None:
    values = Regression.parse_columns(table(y=[*map(str, range(30)), "1e30"]), ["y"], report())
    with pytest.raises(InputError, match="row 31: column 'y': found 1e.30, beside which most other values"):
        Regression.check_values(values, ["y"], report())


def test_the_only_row_of_a_class_cannot_be_split() -> None:
    found = Classification.unsplittable(np.array(["a", "b", "a"], dtype=object), ["y"])
    assert list(found) == [1]
    assert found[1].startswith("column 'y': label 'b' occurs once")
