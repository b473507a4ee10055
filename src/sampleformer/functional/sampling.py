"""Choosing k of n tokens: Gumbel top-k, and the soft and the hard choice with their gradients."""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.functional.pulls import pulls
from sampleformer.tracing import has_values


def gumbel_noise(
    *shape: int,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """Independent draws of the standard Gumbel distribution, ``-log(-log(u))`` with u uniform.

    Args:
        shape: of the result.
        generator: source of randomness; None: torch's global one.
        device: of the result.
        dtype: of the result, float32 or wider.

    Example:
        >>> gumbel_noise(2, 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3])
    """
    # The logarithm of a uniform is minus an exponential, and torch never draws an exponential of zero.
    return -torch.empty(shape, device=device, dtype=dtype).exponential_(generator=generator).log()


def uniform_noise(
    *shape: int,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "..."]:
    """Independent draws from [0, 1).

    The numbers of `torch.rand`, which cannot be compiled for any length when it is given a generator.

    Args: as for `gumbel_noise`.

    Example:
        >>> uniform_noise(2, 3, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3])
    """
    return torch.empty(shape, device=device, dtype=dtype).uniform_(generator=generator)


def gumbel_topk(
    scores: Float[Tensor, "*rows n"],
    k: int,
    *,
    noise: Float[Tensor, "*rows n"] | None = None,
    mask: Bool[Tensor, "*rows n"] | None = None,
) -> tuple[Int64[Tensor, "*rows m"], Bool[Tensor, "*rows m"] | None]:
    """Indices of the k best scores, best first; with Gumbel noise, a sample from softmax(scores) without replacement.

    ``indices = topk(scores + noise, k)``. Equal scores are taken in the order of their index.

    Args:
        scores: importance of each token; float32 or wider, so that the choice does not depend on rounding.
        k: how many to choose; with ``k > n`` all n are chosen.
        noise: draws of `gumbel_noise`; None: the k best.
        mask: True where a token may be chosen. The others come last and are marked as not valid.

    Returns:
        The indices, ``m = min(k, n)`` in each row, and whether each is valid (None: all of them are).

    Raises:
        ValueError: if ``k < 1`` or the scores are half precision.

    Source: SAMSA (arXiv 2408.05391), section 3; Kool et al. 2019 (arXiv 1903.06059), section 2.

    Example:
        >>> gumbel_topk(torch.tensor([0.1, 3.0, 2.0, 3.0]), 3)[0]
        tensor([1, 3, 2])
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    if scores.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(f"scores are {scores.dtype}, expected float32 or float64: half precision makes ties")
    if noise is not None:
        scores = scores + noise
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    # Dynamo turns a plain minimum into sym_min itself, which that of torch 2.8 cannot trace by name. Elsewhere a plain
    # minimum would tie an exported program to one length.
    smaller = min if torch.compiler.is_dynamo_compiling() else torch.sym_min
    indices = ordered_topk(scores.detach(), smaller(k, scores.shape[-1]))
    return indices, None if mask is None else mask.gather(-1, indices)


def ordered_topk(scores: Float[Tensor, "*rows n"], k: int) -> Int64[Tensor, "*rows k"]:
    """Indices of the k largest values, largest first, equal ones in the order of their index.

    `torch.topk` leaves the order of equal values open. Padding (minus infinity) may come in any order.

    Args:
        scores: values to compare.
        k: at most n.
    """
    if has_values(scores):  # where an operator of our own would only take time
        return _ordered_topk(scores, k)
    return torch.ops.sampleformer.ordered_topk(scores, k)


def _ordered_topk(scores: Tensor, k: int) -> Tensor:
    # One more than asked for shows whether the cut runs between equal values.
    values, indices = scores.topk(min(k + 1, scores.shape[-1]), dim=-1)
    equal = values[..., 1:] == values[..., :-1]
    indices = indices[..., :k].contiguous()
    if not bool(equal.any()):
        return indices
    equal &= values[..., 1:] > -torch.inf
    if bool(equal[..., k - 1 :].any()):
        return scores.sort(dim=-1, descending=True, stable=True).indices[..., :k].contiguous()
    indices = indices.sort(dim=-1).values
    order = scores.gather(-1, indices).sort(dim=-1, descending=True, stable=True).indices
    return indices.gather(-1, order)


@torch.library.custom_op("sampleformer::ordered_topk", mutates_args=())
def _ordered_topk_operator(scores: Tensor, k: int) -> Tensor:
    return _ordered_topk(scores, k)


@_ordered_topk_operator.register_fake
def _(scores: Tensor, k: int) -> Tensor:
    return scores.new_empty((*scores.shape[:-1], k), dtype=torch.int64)


@_ordered_topk_operator.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], scores: Tensor, k: int) -> tuple[Tensor, int]:
    assert in_dims[0] is not None
    return ordered_topk(scores.movedim(in_dims[0], 0), k), 0


def choose_soft(
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    temperature: Float[Tensor, "..."],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
) -> Float[Tensor, "*rows k c"]:
    """Mixes each of the k best tokens with the next ones, by the probability that it beats them.

    ``p_ij = sigmoid((top_scores_i - rest_scores_j) / T)``, ``out_i = mean_j(p_ij) top_i + mean_j((1 - p_ij) rest_j)``.
    A pair with an invalid token does not mix (p = 1); rest slots that are missing (``r < k``) count as invalid.

    Args:
        top: what the k best tokens carry.
        rest: what the next ``r <= k`` carry.
        top_scores: scores of the k best.
        rest_scores: scores of the next.
        temperature: T > 0, broadcast against the rows.
        top_valid: False where a slot of top holds no token. None: all hold one.
        rest_valid: the same for rest.

    Returns:
        One mixture for each of the k best, differentiable in everything, the temperature included.

    Source: SAMSA (arXiv 2408.05391), section 3.

    Example:
        >>> one, zero = torch.ones(1, 1), torch.zeros(1, 1)
        >>> choose_soft(one, zero, torch.tensor([0.0]), torch.tensor([0.0]), torch.tensor(1.0))
        tensor([[0.5000]])
    """
    difference = _difference(top_scores, rest_scores, top_valid, rest_valid)
    loses = _masked_pairs(torch.sigmoid(-difference / temperature[..., None, None]), top_valid, rest_valid)
    loses = (loses / top.shape[-2]).to(top.dtype)
    rest = _without_invalid(rest, rest_valid)
    return top * (1 - loses.sum(-1, keepdim=True)) + loses @ rest


def choose_hard(
    top: Float[Tensor, "*rows k c"],
    rest: Float[Tensor, "*rows r c"],
    top_scores: Float[Tensor, "*rows k"],
    rest_scores: Float[Tensor, "*rows r"],
    temperature: Float[Tensor, "..."],
    top_valid: Bool[Tensor, "*rows k"] | None = None,
    rest_valid: Bool[Tensor, "*rows r"] | None = None,
) -> Float[Tensor, "*rows k c"]:
    """The k best tokens themselves, with the soft choice's gradient for the scores.

    Forward ``out_i = top_i``. Backward, with ``g_i`` the gradient of ``out_i`` and ``p_ij`` as in `choose_soft`:
    ``d top_i = g_i``; ``d top_scores_i = sum_j p_ij (1 - p_ij) <g_i, top_i - rest_j> / (k max(T, 1))``, the slope
    capped so that a small T cannot blow it up; ``d rest_scores_j`` is minus the same sum over i; ``d rest_j = 0``; and
    ``d T = -sum_ij p_ij (1 - p_ij) (top_scores_i - rest_scores_j) <g_i, top_i - rest_j> / (k T²)``, not capped.

    Args, Returns: as for `choose_soft`.

    Source: SAMSA (arXiv 2408.05391), section 3.
    """
    return _HardChoice.apply(top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid)


class _HardChoice(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        top: Tensor,
        rest: Tensor,
        top_scores: Tensor,
        rest_scores: Tensor,
        temperature: Tensor,
        top_valid: Tensor | None,
        rest_valid: Tensor | None,
    ) -> Tensor:
        return top.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor | None, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        top, rest, top_scores, rest_scores, temperature, top_valid, rest_valid = ctx.saved_tensors
        top_scores, rest_scores = _without_invalid_scores(top_scores, top_valid, rest_scores, rest_valid)
        top, rest = _without_invalid(top, top_valid), _without_invalid(rest, rest_valid)
        row_temperature = temperature[..., None]
        slots = max(1, top.shape[-2])  # with none, nothing is divided by nothing
        of_top, of_rest = pulls(
            gradient, top, rest, top_scores / row_temperature, rest_scores / row_temperature, top_valid, rest_valid
        )
        temperature_gradient = None
        if ctx.needs_input_grad[4]:
            # Of each pair its pull times the difference of its scores: the sum falls apart into two.
            pulled = (of_top * top_scores).sum(-1) - (of_rest * rest_scores).sum(-1)
            temperature_gradient = (-pulled / (slots * temperature**2)).sum_to_size(temperature.shape)
        share = 1 / (slots * row_temperature.clamp(min=1))
        return gradient, None, of_top * share, -of_rest * share, temperature_gradient, None, None


def _difference(top_scores: Tensor, rest_scores: Tensor, top_valid: Tensor | None, rest_valid: Tensor | None) -> Tensor:
    top_scores, rest_scores = _without_invalid_scores(top_scores, top_valid, rest_scores, rest_valid)
    return top_scores[..., :, None] - rest_scores[..., None, :]


def _without_invalid_scores(
    top: Tensor, top_valid: Tensor | None, rest: Tensor, rest_valid: Tensor | None
) -> tuple[Tensor, Tensor]:
    # Zero instead of infinity minus infinity: neither the value nor the gradient of an invalid pair may become NaN.
    top = top if top_valid is None else top.masked_fill(~top_valid, 0)
    return top, rest if rest_valid is None else rest.masked_fill(~rest_valid, 0)


def _masked_pairs(pairs: Tensor, top_valid: Tensor | None, rest_valid: Tensor | None) -> Tensor:
    if top_valid is not None:
        pairs = pairs.masked_fill(~top_valid[..., :, None], 0)
    if rest_valid is not None:
        pairs = pairs.masked_fill(~rest_valid[..., None, :], 0)
    return pairs


def _without_invalid(values: Tensor, valid: Tensor | None) -> Tensor:
    return values if valid is None else values.masked_fill(~valid[..., None], 0)
