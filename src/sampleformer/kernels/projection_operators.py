"""The operators of `projection`: what the compiler sees in place of the kernels."""

from typing import Any

import torch
from torch import Tensor


@torch.library.custom_op("sampleformer::project_chosen", mutates_args=())
def project_chosen(
    features: Tensor, indices: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float | None
) -> Tensor:
    """The projections ``(b, g, m, c)`` in the dtype of the weight, of the tokens over their root mean square.

    Without an epsilon, of the tokens as they are.
    """
    from sampleformer.kernels.projection_launch_triton import project

    return project(features.contiguous(), indices.contiguous(), weight.contiguous(), bias, epsilon)


@torch.library.custom_op("sampleformer::project_chosen_backward", mutates_args=())
def project_chosen_backward(
    gradient: Tensor, features: Tensor, indices: Tensor, weight: Tensor, epsilon: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the features, the weight and the bias."""
    from sampleformer.kernels.projection_launch_triton import gradient_of_features, gradient_of_weight

    gradient, features, indices = gradient.contiguous(), features.contiguous(), indices.contiguous()
    inverse = None
    if epsilon is not None:
        length = torch.linalg.vector_norm(features, dim=-1, dtype=torch.float32)
        inverse = torch.rsqrt(length.square() / features.shape[-1] + epsilon)
    return (
        gradient_of_features(gradient, features, indices, weight.contiguous(), inverse),
        gradient_of_weight(gradient, features, indices, inverse).to(weight.dtype),
        gradient.sum((0, 2), dtype=torch.float32).to(weight.dtype),
    )


@project_chosen.register_fake
def _(features: Tensor, indices: Tensor, weight: Tensor, bias: Tensor | None, epsilon: float | None) -> Tensor:
    return weight.new_empty((*indices.shape, weight.shape[1]))


@project_chosen_backward.register_fake
def _(
    gradient: Tensor, features: Tensor, indices: Tensor, weight: Tensor, epsilon: float | None
) -> tuple[Tensor, Tensor, Tensor]:
    return features.new_empty(features.shape), weight.new_empty(weight.shape), weight.new_empty(weight.shape[:2])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    features, indices, weight, bias, ctx.epsilon = inputs
    ctx.biased = bias is not None
    ctx.save_for_backward(features, indices, weight)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    of_features, of_weight, of_bias = project_chosen_backward(gradient, *ctx.saved_tensors, ctx.epsilon)
    return of_features, None, of_weight, of_bias if ctx.biased else None, None


project_chosen.register_autograd(_gradients, setup_context=_keep)
