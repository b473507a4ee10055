"""The peak of allocated memory, where it is known."""

import pytest
import torch
from torch import Tensor

from sampleformer.bench.memory import peak_bytes

MEBI = 2**20


def block(mebibytes: int) -> Tensor:
    return torch.empty(mebibytes * MEBI, dtype=torch.uint8)


def test_the_peak_is_in_the_middle() -> None:
    def work() -> Tensor:
        first, second = block(1), block(4)
        del first
        third = block(2)  # 6 at a time: the peak
        del second, third
        return block(3)

    assert peak_bytes(work, "cpu") == 6 * MEBI


def test_what_is_kept_counts_and_what_was_there_does_not() -> None:
    there = block(8)
    assert peak_bytes(lambda: there.clone(), "cpu") == 8 * MEBI
    assert peak_bytes(lambda: there.zero_(), "cpu") == 0


def test_backward_counts() -> None:
    values = torch.ones(MEBI // 4, requires_grad=True)  # 1 MiB

    def work() -> None:
        (values.exp() * 2).sum().backward()

    # exp is kept for backward (1); the product (1) is gone when the gradients of product and exp (1 each) come.
    peak = peak_bytes(work, "cpu")
    assert peak is not None
    assert 2 * MEBI <= peak <= 3 * MEBI + 1024
    assert values.grad is not None


def test_work_runs_once() -> None:
    calls = []
    peak_bytes(lambda: calls.append(1), "cpu")
    assert calls == [1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda() -> None:
    def work() -> Tensor:
        first = torch.empty(4 * MEBI, dtype=torch.uint8, device="cuda")
        del first
        return torch.empty(2 * MEBI, dtype=torch.uint8, device="cuda")

    assert peak_bytes(work, "cuda") == 4 * MEBI
