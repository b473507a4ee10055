"""Whether a kernel gives what its plain twin gives: what a table of times is worth."""

from collections.abc import Callable
from typing import TypedDict

import torch
from torch import Tensor

from sampleformer.bench.kernel_cases import KernelWork


class Agreement(TypedDict):
    """The largest difference of a kernel and its plain twin, relative to the largest number of the twin's tensor; the
    larger one of results and gradients is of all inputs. None: there are none."""

    kernel: str
    dtype: str
    n: int
    result: float
    gradients: float | None


def agreement(name: str, dtype: str, length: int, work: KernelWork, *, trains: bool) -> Agreement:
    """Runs both forms once.

    Args:
        name: of the case.
        dtype: of the inputs, by torch's name.
        length: n.
        work: its inputs and forms.
        trains: whether there are gradients.
    """
    upstream = torch.randn(work.result, generator=torch.Generator().manual_seed(0))
    results, gradients = zip(
        *(_run(work.forms[form], work.inputs, upstream if trains else None) for form in ("kernel", "plain")),
        strict=True,
    )
    pairs = list(zip(*gradients, strict=True))
    return {
        "kernel": name,
        "dtype": dtype,
        "n": length,
        "result": _difference(*results),
        "gradients": max(_difference(own, plain) for own, plain in pairs) if pairs else None,
    }


def _run(
    form: Callable[..., Tensor], inputs: tuple[Tensor, ...], upstream: Tensor | None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    if upstream is None:
        return form(*inputs), ()
    inputs = tuple(tensor.detach().requires_grad_() for tensor in inputs)
    result = form(*inputs)
    return result.detach(), torch.autograd.grad(result, inputs, upstream.to(result.device, result.dtype))


def _difference(found: Tensor, expected: Tensor) -> float:
    found, expected = found.double(), expected.double()
    largest = expected.abs().max().item()
    return float((found - expected).abs().max() / (largest or 1.0))
