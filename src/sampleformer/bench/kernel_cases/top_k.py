"""SAMSA's choice of tokens: the 2k best of each head, with noise and a mask. Scores are always float32."""

import dataclasses
import functools

import torch
from torch import Tensor

from sampleformer.bench.kernel_cases.case import KernelCase, KernelSizes, KernelWork, Operations
from sampleformer.kernels.top_k import gumbel_topk


def _work(sizes: KernelSizes) -> KernelWork:
    shape = (sizes.batch, sizes.heads, sizes.length)
    scores, noise = dataclasses.replace(sizes, dtype=torch.float32).draw(shape, shape)
    mask = torch.arange(sizes.length, device=sizes.device) < sizes.length - 1

    def choose(scores: Tensor, noise: Tensor, *, kernel: str) -> Tensor:
        return gumbel_topk(scores, 2 * sizes.sampled, noise=noise, mask=mask.expand(shape), kernel=kernel)[0]

    forms = {
        "kernel": functools.partial(choose, kernel="triton"),
        "plain": functools.partial(choose, kernel="plain"),
    }
    return KernelWork((scores, noise), forms, (*shape[:2], min(2 * sizes.sampled, sizes.length)))


def _operations(sizes: KernelSizes) -> tuple[Operations, Operations]:
    rows, chosen = sizes.batch * sizes.heads, min(2 * sizes.sampled, sizes.length)
    # Scores and noise, the mask that the heads share, and indices with their validity.
    moved = 8 * rows * sizes.length + sizes.batch * sizes.length + 9 * rows * chosen
    # Of a number a sum and its key; of a pair of the chosen ones two comparisons.
    work = Operations(vector=rows * (2.0 * sizes.length + 2.0 * chosen**2), bytes=moved)
    return work, work


TOP_K = KernelCase(
    title="SAMSA's choice: the 2k best of n scores of each head, with noise and a mask; float32",
    work=_work,
    operations=_operations,
    trains=False,
)
