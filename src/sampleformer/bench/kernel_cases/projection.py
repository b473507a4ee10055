"""SAMSA's keys and values: tokens that a head chose, normalised and projected; in training k and the next k."""

import functools

import torch
from torch import Tensor

from sampleformer.bench.kernel_cases.case import KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.kernels.projection import project_chosen


def _work(sizes: KernelSizes) -> KernelWork:
    batch, heads, n, e = sizes.batch, sizes.heads, sizes.length, sizes.head_width
    width, chosen = heads * e, min(2 * sizes.sampled, n)
    features, weight, bias, scale = sizes.draw((batch, n, width), (heads, 2 * e, width), (heads, 2 * e), (width,))
    generator = torch.Generator(sizes.device).manual_seed(sizes.seed)
    order = torch.rand(batch, heads, n, generator=generator, device=sizes.device)
    indices = order.topk(chosen, sorted=False).indices

    def project(features: Tensor, weight: Tensor, bias: Tensor, scale: Tensor, *, kernel: str) -> Tensor:
        return project_chosen(features, indices, weight, bias, scale, kernel=kernel)

    forms = {
        "kernel": functools.partial(project, kernel="triton"),
        "plain": functools.partial(project, kernel="plain"),
    }
    inputs = (features, weight * width**-0.5, bias, scale)
    return KernelWork(inputs, forms, (batch, heads, chosen, 2 * e))


def _operations(sizes: KernelSizes) -> tuple[Operations, Operations]:
    width, chosen = sizes.heads * sizes.head_width, min(2 * sizes.sampled, sizes.length)
    rows, carried = sizes.batch * sizes.heads * chosen, 2 * sizes.head_width
    products, weights = 2.0 * rows * carried * width, sizes.heads * carried * width
    # Tokens that several heads chose are read once.
    tokens = sizes.batch * min(sizes.length, sizes.heads * chosen) * width
    forward = tokens + weights + rows * carried
    # They again, and gradients as large: that of the features has a row for every token.
    backward = forward + sizes.batch * sizes.length * width + weights
    size = sizes.bytes_per_number
    return (
        Operations(matrix=products, bytes=forward * size),
        Operations(matrix=3 * products, bytes=(forward + backward) * size),
    )


PROJECT_CHOSEN = KernelCase(
    title="SAMSA's keys and values: RMSNorm and projection of 2k tokens for each head, read where they are",
    work=_work,
    operations=_operations,
)
