"""Times of passes, taken so that they can be compared."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn


class Pass:
    """A computation over some tensors, forward alone or a training step; call it to run it once.

    Forward is evaluation without gradients. A training step is forward and backward, with the gradients of the inputs
    and, if the function is a module, of its parameters.

    Args:
        function: maps the inputs to a tensor.
        inputs: of the function.
        gradient: of the result, from which the backward pass starts: its values cost nothing. None: forward alone.
    """

    def __init__(
        self, function: Callable[..., Tensor], inputs: Sequence[Tensor], gradient: Tensor | None = None
    ) -> None:
        self.function = function
        self.gradient = gradient
        self.inputs = [tensor.detach().requires_grad_(gradient is not None) for tensor in inputs]

    def __call__(self) -> Tensor:
        training = self.gradient is not None
        if isinstance(self.function, nn.Module):
            self.function.train(training)
        with torch.set_grad_enabled(training):
            result = self.function(*self.inputs)
        if training:
            result.backward(self.gradient)
        return result

    def clear(self) -> None:
        """Gives the gradients of an earlier run back."""
        if isinstance(self.function, nn.Module):
            self.function.zero_grad(set_to_none=True)
        for tensor in self.inputs:
            tensor.grad = None

    def seconds(self) -> float:
        """Runs once and takes the time, from a clean state to a clean state."""
        device = self.inputs[0].device.type
        self.clear()
        wait(device)
        start = time.perf_counter()
        kept = self()
        wait(device)
        end = time.perf_counter()
        del kept
        self.clear()
        return end - start


def round_robin(
    passes: Mapping[str, Pass], repeats: int, watch: Callable[[str], None] = lambda doing: None
) -> dict[str, list[float]]:
    """Times all passes in turns, so that whatever else the machine does hits them alike.

    Args:
        passes: by name; each turn begins with another one.
        repeats: times of each.
        watch: told before each turn what is being done.

    Returns:
        Seconds of each pass, by name.
    """
    names = list(passes)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(repeats):
        watch(f"pass {turn + 1} of {repeats}")
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            times[name].append(passes[name].seconds())
    return times


def predicted_seconds(known: Sequence[tuple[int, float]], length: int) -> float | None:
    """Time of a pass at a length, from what was measured at shorter ones.

    The power of the length that the last two tell of goes on, at least a straight line; a single one is taken for the
    start of a square.

    Args:
        known: lengths and seconds, rising.
        length: longer than all of them.

    Returns:
        None if nothing is known.

    Example:
        >>> predicted_seconds([(1000, 1.0), (2000, 2.0)], 8000)
        8.0
    """
    if not known:
        return None
    (last_length, last_seconds), power = known[-1], 2.0
    if len(known) > 1:
        earlier_length, earlier_seconds = known[-2]
        power = max(1.0, math.log(last_seconds / earlier_seconds) / math.log(last_length / earlier_length))
    return last_seconds * (length / last_length) ** power


def wait(device: str) -> None:
    """Waits until a device has done what it was given; a CPU always has."""
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()
