"""Tests of memory that is given back."""

from types import SimpleNamespace

import pytest

from sampleformer.training.callbacks import memory


def test_memory_is_returned_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    step, returned = 0, []
    monkeypatch.setattr(memory, "return_freed_memory", lambda: returned.append(step))
    for step in range(1, 2 * memory.STEPS_BETWEEN + 1):
        memory.ReturnMemory().on_train_batch_end(SimpleNamespace(global_step=step), None, None, None, 0)  # type: ignore[arg-type]
    assert returned == [memory.STEPS_BETWEEN, 2 * memory.STEPS_BETWEEN]
