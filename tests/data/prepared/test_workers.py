"""Worker processes."""

import os
from collections.abc import Iterator

import pytest

from sampleformer.data.prepared.workers import in_order
from sampleformer.errors import InputError


def _added(state: int, number: int) -> tuple[int, int]:
    return state + number, os.getpid()


def _wrong(state: str, number: int) -> int:
    if number == 2:
        raise InputError(f"{state}: row {number}")
    return number


def _dead(state: None, number: int) -> int:
    os._exit(number)


def test_results_come_in_order_and_arguments_are_taken_as_work_goes_on() -> None:
    taken = []

    def arguments() -> Iterator[tuple[int]]:
        for number in range(20):
            taken.append(number)
            yield (number,)

    found, others = [], set()
    for total, process in in_order(_added, 100, arguments(), workers=2):
        found.append(total)
        others.add(process)
        assert len(taken) <= len(found) + 2
    assert found == list(range(100, 120))
    assert os.getpid() not in others


@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_task_raises_is_raised_here(workers: int) -> None:
    results = in_order(_wrong, "t.csv", ((number,) for number in range(4)), workers)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match="t.csv: row 2"):
        next(results)


def test_a_process_that_dies_is_one_line() -> None:
    with pytest.raises(InputError, match="workers: one of the 1 worker processes died, perhaps for want of memory"):
        list(in_order(_dead, None, [(9,)], workers=1))
