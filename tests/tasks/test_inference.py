"""Which task target columns make."""

import pytest

from sampleformer.errors import InputError
from sampleformer.tables.table import Table
from sampleformer.tasks import infer_task


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
    assert infer_task(table(y=values), ["y"]).task.name == task


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
    assert infer_task(table(a=["0", "1", "1"], b=values), ["a", "b"]).task.name == task


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        ([str(value) for value in range(30)], "regression", "30 different whole numbers; --task classification makes"),
        (["1", "2", "3"], "classification", "3 different whole numbers; --task regression predicts"),
        (["0", "1"], "classification", "2 different whole numbers"),
        (["True", "False"], "classification", "True and False"),
        ([True, False], "classification", "True and False"),
        (["TRUE", "true", "False"], "classification", "3 different texts"),
        (["2020-01-01", "2020-01-02"], "classification", "dates such as '2020-01-01', taken as names of classes"),
        (["a", "b", "b"], "classification", "2 different texts"),
        (["1.5", "2"], "regression", "numbers"),
    ],
)
def test_what_a_task_is_inferred_from(values: list, task: str, reason: str) -> None:
    found = infer_task(table(y=values), ["y"])
    assert found.task.name == task
    assert found.reason.startswith(reason)


def test_decimal_commas_make_no_classes() -> None:
    with pytest.raises(InputError, match="a.csv: row 2: column 'y': found '1,5'; give --decimal ,"):
        infer_task(table(y=["3", "1,5", "2,5"]), ["y"])
    declared = Table("a.csv", {"y": ["3", "1,5", "2,5"]}, [1, 2, 3], decimal=",")
    assert infer_task(declared, ["y"]).task.name == "regression"
