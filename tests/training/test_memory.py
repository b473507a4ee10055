"""Tests of memory that is given back."""

from types import SimpleNamespace

from sampleformer.training.callbacks.memory import STEPS_BETWEEN, ReturnMemory


def test_memory_is_returned_now_and_then() -> None:
    callback, trimmed = ReturnMemory(), []
    callback._trim = trimmed.append
    for step in range(1, 2 * STEPS_BETWEEN + 1):
        callback.on_train_batch_end(SimpleNamespace(global_step=step), None, None, None, 0)  # type: ignore[arg-type]
    assert trimmed == [0, 0]


def test_a_system_without_the_call_is_no_error() -> None:
    callback = ReturnMemory()
    callback._trim = None
    callback.on_train_batch_end(SimpleNamespace(global_step=STEPS_BETWEEN), None, None, None, 0)  # type: ignore[arg-type]
