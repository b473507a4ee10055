"""ListOps expressions: their grammar, values and frequencies, against independent programs."""

import statistics
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampleformer.data.sequence.listops_generator import ListOpsGenerator, apply
from sampleformer.errors import InputError

FUNCTIONS = {
    "[MIN": min,
    "[MAX": max,
    "[MED": lambda values: int(statistics.median(values)),
    "[SM": lambda values: sum(values) % 10,
}


def evaluate(expression: str) -> int:
    """The value by a stack, without a tree."""
    stack: list = []
    for word in expression.split():
        if word == "]":
            start = max(place for place, entry in enumerate(stack) if isinstance(entry, str))
            stack[start:] = [FUNCTIONS[stack[start]](stack[start + 1 :])]
        else:
            stack.append(word if word in FUNCTIONS else int(word))
    (value,) = stack
    return value


def nodes(expression: str) -> list[tuple[int, str, int]]:
    """Depth, word and number of arguments of each node."""
    found: list[tuple[int, str, int]] = []
    counts: list[list] = []
    for word in expression.split():
        if word == "]":
            depth, operator, count = counts.pop()
            found.append((depth, operator, count))
            continue
        if counts:
            counts[-1][2] += 1
        if word in FUNCTIONS:
            counts.append([len(counts) + 1, word, 0])
        else:
            found.append((len(counts) + 1, word, 0))
    assert counts == []
    return found


def test_the_evaluator_of_this_test() -> None:
    assert evaluate("[MAX 2 9 [MIN 4 7 ] 0 ]") == 9
    assert evaluate("[SM 9 [MED 1 4 4 8 ] [MED 3 1 2 ] ]") == 5
    assert evaluate("[MED 1 2 ]") == 1


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 10))
def test_values_agree_with_an_independent_evaluator(seed: int, depth: int, arguments: int) -> None:
    generator = ListOpsGenerator(0, 500, depth, arguments, seed)
    for expression, value in generator.chunk(0)[:50]:
        assert value == evaluate(expression)
        for level, word, count in nodes(expression):
            assert level <= depth
            assert 2 <= count <= arguments if word in FUNCTIONS else count == 0


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.integers(0, 9), min_size=2, max_size=10))
def test_operators(operator: str, arguments: list[int]) -> None:
    expected = int(np.median(arguments)) if operator == "[MED" else FUNCTIONS[operator](arguments)
    assert apply(operator, arguments) == expected


def test_the_published_limits() -> None:
    expressions = ListOpsGenerator().chunk(0)
    assert len(expressions) > 100
    for expression, value in expressions:
        assert 500 < len(expression.split()) < 2000
        assert value == evaluate(expression)


def test_frequencies_without_limits_on_the_length() -> None:
    """Nodes are values with probability 0.75; operators, counts of arguments and values are uniform."""
    depth = 4
    found = [node for expression, _ in ListOpsGenerator(0, 10**9, depth, 10, 0).chunk(0) for node in nodes(expression)]
    free = [word in FUNCTIONS for level, word, _ in found if level < depth]
    assert not any(word in FUNCTIONS for level, word, _ in found if level == depth)
    assert_share(sum(free), len(free), 0.25)
    operators = Counter(word for _, word, _ in found if word in FUNCTIONS)
    for operator in FUNCTIONS:
        assert_share(operators[operator], operators.total(), 1 / 4)
    counts = Counter(count for _, word, count in found if word in FUNCTIONS)
    for count in range(2, 11):
        assert_share(counts[count], counts.total(), 1 / 9)
    values = Counter(word for _, word, _ in found if word not in FUNCTIONS)
    for digit in "0123456789":
        assert_share(values[digit], values.total(), 1 / 10)


def assert_share(count: int, total: int, probability: float) -> None:
    assert total > 1000
    assert abs(count / total - probability) < 4 * np.sqrt(probability * (1 - probability) / total)


def test_expressions_do_not_depend_on_the_number_of_processes() -> None:
    generator = ListOpsGenerator(10, 60, 5, 5, seed=3)
    alone = list(islice(generator.distinct(workers=1), 6000))
    together = list(islice(generator.distinct(workers=2), 6000))
    assert alone == together


def test_expressions_differ_and_so_do_seeds() -> None:
    first = list(islice(ListOpsGenerator(2, 8, 3, 3, seed=0).distinct(), 2000))
    assert len(set(first)) == 2000
    second = list(islice(ListOpsGenerator(2, 8, 3, 3, seed=1).distinct(), 2000))
    assert first != second


def test_limits_that_leave_too_few_expressions() -> None:
    with pytest.raises(InputError, match="found only 10 different expressions with .*expected limits that leave more"):
        list(ListOpsGenerator(0, 2, 1, 2).distinct())


@pytest.mark.parametrize(
    ("limits", "name"),
    [((500, 501), "max_length"), ((-1, 5), "min_length"), ((0, 9, 0), "max_depth"), ((0, 9, 2, 1), "max_a")],
)
def test_limits_without_meaning(limits: tuple[int, ...], name: str) -> None:
    with pytest.raises(InputError, match=name):
        ListOpsGenerator(*limits)
