"""Places of numbers in a sorted list, in operations that every exported program has."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


def sorted_places(numbers: Int64[Tensor, " f"], asked: Int64[Tensor, "*asked"]) -> Int64[Tensor, "*asked"]:
    """The place of the largest of some sorted numbers that is not above each one asked for; 0 if all are above.

    A binary search of ``⌈log₂ f⌉`` steps by comparisons and gathers: ONNX knows no `torch.searchsorted`.

    Args:
        numbers: Increasing. At least one.
        asked: Numbers of any shape.

    Example:
        >>> sorted_places(torch.tensor([2, 5, 9]), torch.tensor([1, 2, 6, 9, 50]))
        tensor([0, 0, 1, 2, 2])
    """
    if not len(numbers):
        raise ValueError("numbers is empty, expected at least one")
    places = torch.zeros_like(asked)
    last = len(numbers) - 1
    for bit in reversed(range(last.bit_length())):
        further = (places + (1 << bit)).clamp(max=last)
        places = torch.where(numbers[further] <= asked, further, places)
    return places
