"""SAMSA's pairs of the k best and the next k: their mixture, or the gradient that the mixture gives the scores."""

import dataclasses
import functools
from collections.abc import Callable

import torch
from torch import Tensor

from sampleformer.bench.kernel_cases.case import KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.kernels.choice import choose_hard, choose_soft

# Of a pair: difference, exponential, sum and quotient forward; slope, gain, product and two sums more backward.
FORWARD, BACKWARD = 4, 9


def _rest(sizes: KernelSizes) -> int:
    return max(1, min(sizes.keys, sizes.length - sizes.keys))


def _work(sizes: KernelSizes, *, choose: Callable[..., Tensor], mixes: bool) -> KernelWork:
    rows, k, rest, width = (sizes.batch, sizes.heads), sizes.keys, _rest(sizes), 2 * sizes.head_width
    top, others = sizes.draw((*rows, k, width), (*rows, rest, width))
    wide = dataclasses.replace(sizes, dtype=torch.float32, seed=sizes.seed + 1)
    scores, other_scores = wide.draw((*rows, k), (*rows, rest))
    temperature = torch.ones(sizes.heads, device=sizes.device)

    def mix(top: Tensor, scores: Tensor, other_scores: Tensor, rest: Tensor = others, *, kernel: str) -> Tensor:
        return choose(top, rest, scores, other_scores, temperature, kernel=kernel)

    forms = {"kernel": functools.partial(mix, kernel="triton"), "plain": functools.partial(mix, kernel="plain")}
    inputs = (top, scores, other_scores)
    return KernelWork((*inputs, others) if mixes else inputs, forms, (*rows, k, width))


def _operations(sizes: KernelSizes, *, mixes: bool) -> tuple[Operations, Operations]:
    rows, k, rest, width = sizes.batch * sizes.heads, sizes.keys, _rest(sizes), 2 * sizes.head_width
    pairs, size = float(rows * k * rest), sizes.bytes_per_number
    products, both, top = 2 * pairs * width, rows * (k + rest) * width * size, rows * k * width * size
    numbers = 4 * rows * (k + rest)  # scores, float32
    if mixes:
        forward = Operations(FORWARD * pairs, products, both + top + numbers)
        backward = Operations(BACKWARD * pairs, 2 * products, 2 * both + top + 2 * numbers)
    else:  # a copy, and no gradient of rest
        forward = Operations(bytes=2 * top)
        backward = Operations((FORWARD + BACKWARD) * pairs, products, both + 2 * top + 2 * numbers)
    train = Operations(
        forward.vector + backward.vector, forward.matrix + backward.matrix, forward.bytes + backward.bytes
    )
    return forward, train


CHOOSE_SOFT = KernelCase(
    title="SAMSA's soft choice: each of k tokens mixed with the next k, keys and values of a head",
    work=functools.partial(_work, choose=choose_soft, mixes=True),
    operations=functools.partial(_operations, mixes=True),
)
CHOOSE_HARD = KernelCase(
    title="SAMSA's hard choice: k tokens, whose scores have the soft choice's gradient",
    work=functools.partial(_work, choose=choose_hard, mixes=False),
    operations=functools.partial(_operations, mixes=False),
)
