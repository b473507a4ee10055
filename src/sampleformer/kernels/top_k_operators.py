"""The operator of `top_k`: what the compiler sees in place of the kernels."""

import torch
from torch import Tensor


@torch.library.custom_op("sampleformer::gumbel_topk", mutates_args=())
def _gumbel_topk(scores: Tensor, noise: Tensor | None, mask: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
    from sampleformer.kernels.top_k_launch_triton import select

    return select(scores, noise, mask, wanted)


@_gumbel_topk.register_fake
def _(scores: Tensor, noise: Tensor | None, mask: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
    shape = (*scores.shape[:-1], wanted)
    return scores.new_empty(shape, dtype=torch.int64), scores.new_empty(shape, dtype=torch.bool)
