"""Tests of the settings of a training."""

import pytest

from sampleformer.errors import InputError
from sampleformer.settings import validate
from sampleformer.training import TrainingSettings


@pytest.mark.parametrize(
    ("values", "total", "every"),
    [
        ({"steps": 10}, 10, 4),
        ({"steps": 3}, 3, 3),
        ({"steps": 10, "check_every": 6}, 10, 6),
        ({"epochs": 3}, 12, 4),
        ({"epochs": 3, "check_every": 1}, 12, 1),
    ],
)
def test_length_is_counted_in_steps(values: dict[str, int], total: int, every: int) -> None:
    settings = TrainingSettings(**values)
    assert settings.total_steps(batches_per_pass=4) == total
    assert settings.steps_between_checks(batches_per_pass=4) == every


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "settings: epochs, steps or minutes must be given"),
        ({"steps": 9, "min_steps": 10}, "settings: min_steps is 10, expected at most steps, which is 9"),
        ({"steps": 0}, "steps: input should be greater than or equal to 1, got 0"),
        ({"steps": 1, "learning_rate": 0}, "learning_rate: input should be greater than 0, got 0"),
        ({"steps": 1, "schedule": 3}, "schedule: input should be a valid"),
        ({"steps": 1, "learning_rat": 1}, "learning_rat: unknown setting; did you mean 'learning_rate'?"),
    ],
)
def test_wrong_settings_are_named(values: dict[str, int], message: str) -> None:
    with pytest.raises(InputError) as raised:
        validate(TrainingSettings, values)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("given", "batches_per_pass", "expected"),
    [({}, 20, 20), ({}, 3, 21), ({}, 1, 20), ({"check_every": 7}, 3, 7), ({}, 1000, 300)],
)
def test_a_check_follows_each_pass_or_as_many_as_are_twenty_steps(
    given: dict[str, int], batches_per_pass: int, expected: int
) -> None:
    assert TrainingSettings(steps=300, **given).steps_between_checks(batches_per_pass) == expected
