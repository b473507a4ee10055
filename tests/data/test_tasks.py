"""Which task target columns make."""

import numpy as np
import pytest

from sampleformer.data.report import RowReport
from sampleformer.data.table import Table
from sampleformer.data.targets import ClassTarget, NumberTarget
from sampleformer.data.tasks import infer_task, learn_targets, parse_targets, sort_labels
from sampleformer.errors import InputError


def table(**columns: list) -> Table:
    return Table("a.csv", columns, range(1, 1 + len(next(iter(columns.values())))))


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["pos", "neg", "pos"], "classification"),
        (["0", "1", "1.0"], "classification"),
        ([str(value) for value in range(20)], "classification"),
        ([str(value) for value in range(21)], "regression"),
        (["0.5", "1.5", "2"], "regression"),
        (["0", "1", "nan", ""], "classification"),
        (["0.5", "1.5", "abc"], "regression"),
        (["a", "b", "0.5"], "classification"),
        ([True, False], "classification"),
        ([None, None], "classification"),
        ([f"name {value}" for value in range(100)], "classification"),
    ],
)
def test_task_of_one_column(values: list, task: str) -> None:
    assert infer_task(table(y=values), ["y"]).name == task


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["0", "1", ""], "multilabel"),
        ([1.0, None, 0], "multilabel"),
        (["True", "False", ""], "multilabel"),
        (["yes", "NO", "no"], "multilabel"),
        ([True, False, None], "multilabel"),
        (["0", "1", "2"], "regression"),
    ],
)
def test_task_of_several_columns(values: list, task: str) -> None:
    assert infer_task(table(a=["0", "1", "1"], b=values), ["a", "b"]).name == task


def test_unknown_task_names_the_nearest() -> None:
    of = table(y=["a", "b"])
    with pytest.raises(InputError, match="task: found 'classify'; did you mean 'classification'"):
        parse_targets("classify", of, ["y"], RowReport(of.path, of.place))


def test_classification_takes_one_column() -> None:
    of = table(a=["0", "1"], b=["0", "1"])
    with pytest.raises(InputError, match="label: found 2 columns, expected one"):
        parse_targets("classification", of, ["a", "b"], RowReport(of.path, of.place))


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_parse_learn_encode(task: str) -> None:
    of = table(y=["0", "1", "1", "0"])
    report = RowReport(of.path, of.place)
    values = parse_targets(task, of, ["y"], report)
    targets = learn_targets(task, ["y"], values, of.path)
    encoded = targets.encode(values, report)
    expected = {
        "classification": [0, 1, 1, 0],
        "multilabel": [[0], [1], [1], [0]],
        "regression": [[-1], [1], [1], [-1]],
    }
    assert targets.task == task
    assert encoded.tolist() == expected[task]


def test_one_class_is_too_few() -> None:
    with pytest.raises(InputError, match="a.csv: column 'y': found only the class 'a' in the training part"):
        learn_targets("classification", ["y"], np.array(["a", "a"], dtype=object), "a.csv")


def test_labels_that_are_numbers_have_their_order() -> None:
    assert sort_labels({"10", "9", "-1"}) == ["-1", "9", "10"]
    assert sort_labels({"10", "9", "b"}) == ["10", "9", "b"]
    learnt = learn_targets("classification", ["y"], np.array(["10", "9"], dtype=object), "a.csv")
    assert isinstance(learnt, ClassTarget)
    assert learnt.labels == ["9", "10"]


def test_constant_regression_target_is_only_centred() -> None:
    learnt = learn_targets("regression", ["y"], np.full((3, 1), 7.0), "a.csv")
    assert isinstance(learnt, NumberTarget)
    assert learnt.encode(np.array([[8.0]]), RowReport("a.csv", str)).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        ([str(value) for value in range(30)], "regression", "30 different whole numbers; --task classification makes"),
        (["1", "2", "3"], "classification", "3 different whole numbers; --task regression predicts"),
        (["0", "1"], "classification", "2 different whole numbers"),
        (["True", "False"], "classification", "True and False"),
        ([True, False], "classification", "True and False"),
        (["2020-01-01", "2020-01-02"], "classification", "dates such as '2020-01-01', taken as names of classes"),
        (["a", "b", "b"], "classification", "2 different texts"),
        (["1.5", "2"], "regression", "numbers"),
    ],
)
def test_what_a_task_is_inferred_from(values: list, task: str, reason: str) -> None:
    found = infer_task(table(y=values), ["y"])
    assert found.name == task
    assert found.reason.startswith(reason)


def test_decimal_commas_make_no_classes() -> None:
    with pytest.raises(InputError, match="a.csv: row 2: column 'y': found '1,5'; give --decimal ,"):
        infer_task(table(y=["3", "1,5", "2,5"]), ["y"])
    declared = Table("a.csv", {"y": ["3", "1,5", "2,5"]}, [1, 2, 3], decimal=",")
    assert infer_task(declared, ["y"]).name == "regression"


def test_target_beside_which_all_others_vanish() -> None:
    of = table(y=[*map(str, range(30)), "1e30"])
    with pytest.raises(InputError, match="row 31: column 'y': found 1e.30, beside which most other values"):
        parse_targets("regression", of, ["y"], RowReport(of.path, of.place))
