"""The operators of `choice`, on one dimension of rows: what the compiler sees in place of the kernels."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from sampleformer.kernels.choice_launch_triton import Pairs


@torch.library.custom_op("sampleformer::choose_soft", mutates_args=())
def choose_soft(
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> Tensor:
    """The mixtures ``(rows, k, c)``; the temperature has one number for each row."""
    from sampleformer.kernels.choice_launch_triton import mix

    return mix(
        _unit_stride(top), _unit_stride(rest), _pairs(top_scores, rest_scores, temperature, top_valid, rest_valid)
    )


@torch.library.custom_op("sampleformer::choose_soft_backward", mutates_args=())
def choose_soft_backward(
    gradient: Tensor,
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of top, rest, their scores and the temperature."""
    from sampleformer.kernels.choice_launch_triton import gradient_of_rest, pull

    gradient, top, rest = _unit_stride(gradient), _unit_stride(top), _unit_stride(rest)
    pairs = _pairs(top_scores, rest_scores, temperature, top_valid, rest_valid)
    found = pull(gradient, top, rest, pairs)
    share = 1 / (top.shape[1] * pairs.temperature[:, None])
    return (
        ((1 - found.losses)[..., None] * gradient).to(top.dtype),
        gradient_of_rest(gradient, pairs).to(rest.dtype),
        (found.of_top * share).to(top_scores.dtype),
        (-found.of_rest * share).to(rest_scores.dtype),
        (-found.stretched.sum(-1) * share[:, 0]).to(temperature.dtype),
    )


@torch.library.custom_op("sampleformer::choose_hard", mutates_args=())
def choose_hard(
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> Tensor:
    """What top holds, ``(rows, k, c)``."""
    return top.clone(memory_format=torch.contiguous_format)


@torch.library.custom_op("sampleformer::choose_hard_backward", mutates_args=())
def choose_hard_backward(
    gradient: Tensor,
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the scores of top and rest, and of the temperature."""
    from sampleformer.kernels.choice_launch_triton import pull

    pairs = _pairs(top_scores, rest_scores, temperature, top_valid, rest_valid)
    found = pull(_unit_stride(gradient), _unit_stride(top), _unit_stride(rest), pairs)
    share = 1 / (top.shape[1] * pairs.temperature[:, None].clamp(min=1))
    of_temperature = -found.stretched.sum(-1) / (top.shape[1] * pairs.temperature)
    return (
        (found.of_top * share).to(top_scores.dtype),
        (-found.of_rest * share).to(rest_scores.dtype),
        of_temperature.to(temperature.dtype),
    )


@torch.library.custom_op("sampleformer::pulls", mutates_args=())
def pulls(
    gradient: Tensor,
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    temperature: Tensor,
    top_valid: Tensor | None,
    rest_valid: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The pulls of top, ``(rows, k)``, and of rest, ``(rows, r)``."""
    from sampleformer.kernels.choice_launch_triton import pull

    pairs = _pairs(top_scores, rest_scores, temperature, top_valid, rest_valid)
    found = pull(_unit_stride(gradient), _unit_stride(top), _unit_stride(rest), pairs)
    return found.of_top.to(top_scores.dtype), found.of_rest.to(rest_scores.dtype)


def _unit_stride(tensor: Tensor) -> Tensor:
    # Rows and slots may lie where they are; the numbers of a slot must lie side by side.
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _pairs(
    top_scores: Tensor, rest_scores: Tensor, temperature: Tensor, top_valid: Tensor | None, rest_valid: Tensor | None
) -> "Pairs":
    from sampleformer.kernels.choice_launch_triton import Pairs

    top_scores, rest_scores, temperature = (
        numbers.float().contiguous() for numbers in (top_scores, rest_scores, temperature)
    )
    top_valid, rest_valid = (None if valid is None else valid.contiguous() for valid in (top_valid, rest_valid))
    return Pairs(top_scores, rest_scores, temperature, top_valid, rest_valid)


def _like_top(top: Tensor, *rest: Any) -> Tensor:
    return top.new_empty(top.shape)


def _like_all(gradient: Tensor, *given: Any) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in given[:5])


def _like_numbers(gradient: Tensor, top: Tensor, rest: Tensor, *given: Any) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in given[:3])


def _like_scores(gradient: Tensor, top: Tensor, rest: Tensor, *given: Any) -> tuple[Tensor, ...]:
    return tuple(tensor.new_empty(tensor.shape) for tensor in given[:2])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _soft_gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return *choose_soft_backward(gradient, *ctx.saved_tensors), None, None


def _hard_gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    return gradient, None, *choose_hard_backward(gradient, *ctx.saved_tensors), None, None


choose_soft.register_fake(_like_top)
choose_hard.register_fake(_like_top)
choose_soft_backward.register_fake(_like_all)
choose_hard_backward.register_fake(_like_numbers)
pulls.register_fake(_like_scores)
choose_soft.register_autograd(_soft_gradients, setup_context=_keep)
choose_hard.register_autograd(_hard_gradients, setup_context=_keep)
