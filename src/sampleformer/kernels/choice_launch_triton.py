"""Starts the kernels of the soft and the hard choice; see `kernels.choice`."""

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from sampleformer.kernels.choice_triton import mix_kernel, pull_kernel
from sampleformer.kernels.device import on_its_device
from sampleformer.kernels.precision import of_products

FEW = 128
"""With fewer programs than this, half the processors of a large GPU would have nothing to do."""


@dataclass(frozen=True)
class Pairs:
    """The scores of both sides of some rows, contiguous, float32.

    Args:
        top_scores: of the k best, ``(rows, k)``.
        rest_scores: of the next, ``(rows, r)``.
        temperature: of each row, ``(rows,)``.
        top_valid: False where a slot of top holds no token; None: all hold one.
        rest_valid: the same for rest.
    """

    top_scores: Tensor
    rest_scores: Tensor
    temperature: Tensor
    top_valid: Tensor | None
    rest_valid: Tensor | None


@dataclass(frozen=True)
class Pulls:
    """Sums over the other side, float32: ``(rows, k)``, but ``of_rest``, which is ``(rows, r)``.

    Args:
        of_top: of the pulls.
        of_rest: of the pulls.
        stretched: of the pulls times the difference of their scores over the temperature.
        losses: of the probabilities that the other one wins, over k.
    """

    of_top: Tensor
    of_rest: Tensor
    stretched: Tensor
    losses: Tensor


@on_its_device
def mix(top: Tensor, rest: Tensor, pairs: Pairs) -> Tensor:
    """``(1 - Σ_j l_ij) top_i + Σ_j l_ij rest_j`` with ``l_ij = (1 - p_ij) / k``, in the dtype of top."""
    return _mixed(rest, top, pairs, top.shape[1])


@on_its_device
def gradient_of_rest(gradient: Tensor, pairs: Pairs) -> Tensor:
    """``Σ_i l_ij g_i`` for each j of rest."""
    return _mixed(gradient, None, pairs, gradient.shape[1])


@on_its_device
def pull(gradient: Tensor, top: Tensor, rest: Tensor, pairs: Pairs) -> Pulls:
    """``p_ij (1 - p_ij) <g_i, top_i - rest_j>``, summed over j and over i, and what else is summed on the way."""
    rows, slots, width = top.shape
    others = rest.shape[1]
    own, of_top, stretched, losses = (
        torch.empty(rows, slots, dtype=torch.float32, device=top.device) for _ in range(4)
    )
    of_rest = torch.empty(rows, others, dtype=torch.float32, device=top.device)
    if not rows:
        return Pulls(of_top, of_rest, stretched, losses)
    side, next_side = (pairs.top_scores, pairs.top_valid), (pairs.rest_scores, pairs.rest_valid)
    for left, right, (scores, valid), (other_scores, other_valid), found in (
        (gradient, rest, side, next_side, of_top),
        (rest, gradient, next_side, side, of_rest),
    ):
        count = left.shape[1]
        block = _block(rows, count)
        lanes = min(64 if left.dtype == torch.float32 else 128, max(16, triton.next_power_of_2(width)))
        pull_kernel[(rows, triton.cdiv(count, block))](
            left,
            right,
            top,
            scores,
            other_scores,
            pairs.temperature,
            scores if valid is None else valid,
            other_scores if other_valid is None else other_valid,
            found,
            own,
            stretched,
            losses,
            count,
            right.shape[1],
            width,
            slots,
            *left.stride()[:2],
            *right.stride()[:2],
            *top.stride()[:2],
            OF_TOP=found is of_top,
            VALID=valid is not None,
            OTHER_VALID=other_valid is not None,
            WHOLE=width <= lanes,
            **of_products(left.dtype),
            BLOCK=block,
            OTHERS=32,
            LANES=lanes,
            num_warps=4,
            num_stages=2,
        )
    return Pulls(of_top, of_rest, stretched, losses)


def _mixed(values: Tensor, own: Tensor | None, pairs: Pairs, slots: int) -> Tensor:
    """Of each slot of one side the mixture of the other side's values: into top if it has values of its own."""
    into_top = own is not None
    scores, other_scores = (pairs.top_scores, pairs.rest_scores)[:: 1 if into_top else -1]
    valid, other_valid = (pairs.top_valid, pairs.rest_valid)[:: 1 if into_top else -1]
    (rows, count), (_, others, width) = scores.shape, values.shape
    out = values.new_empty(rows, count, width)
    if not out.numel():
        return out
    block = _block(rows, count)
    lanes = min(64, max(16, triton.next_power_of_2(width)))
    kept = values if own is None else own  # read only if it is there
    mix_kernel[(rows, triton.cdiv(count, block), triton.cdiv(width, lanes))](
        values,
        kept,
        out,
        scores,
        other_scores,
        pairs.temperature,
        scores if valid is None else valid,
        other_scores if other_valid is None else other_valid,
        count,
        others,
        width,
        slots,
        *values.stride()[:2],
        *kept.stride()[:2],
        INTO_TOP=into_top,
        VALID=valid is not None,
        OTHER_VALID=other_valid is not None,
        **of_products(values.dtype),
        BLOCK=block,
        OTHERS=32,
        LANES=lanes,
        num_warps=4,
        num_stages=2,
    )
    return out


def _block(rows: int, count: int) -> int:
    return 64 if rows * triton.cdiv(count, 64) >= FEW else 32
