"""Starts the kernels that choose k of n; see `kernels.top_k`."""

from typing import Any

import torch
import triton
from torch import Tensor

from sampleformer.kernels.device import on_its_device
from sampleformer.kernels.top_k_triton import BINS, compact_kernel, digit_kernel, key_kernel, rank_kernel, tally_kernel

BLOCK = 4096
"""Numbers of a row that one program reads."""
SHORT = 1024
"""Rows of up to so many numbers are ranked as they are: each number is compared with all others."""
SHIFTS = (24, 16, 8, 0)
"""Of the digits of a key, the highest first."""


@on_its_device
def select(scores: Tensor, noise: Tensor | None, mask: Tensor | None, wanted: int) -> tuple[Tensor, Tensor]:
    """Indices of the best of each row of ``(b, g, n)``, best first, and whether each is valid."""
    batch, groups, length = scores.shape
    rows, blocks = batch * groups, triton.cdiv(length, BLOCK)
    short = length <= SHORT
    integers: dict[str, Any] = {"dtype": torch.int32, "device": scores.device}
    indices = torch.empty(batch, groups, wanted, dtype=torch.int64, device=scores.device)
    valid = torch.empty(batch, groups, wanted, dtype=torch.bool, device=scores.device)
    if not rows or not length:
        return indices, valid
    keys = torch.empty(rows, length, **integers)
    counts = torch.zeros(len(SHIFTS), 0 if short else rows, BINS.value, **integers)
    added, allowed = (scores if given is None else given for given in (noise, mask))
    key_kernel[(rows, blocks)](
        scores,
        added,
        allowed,
        keys,
        counts[0],
        groups,
        length,
        *scores.stride(),
        *added.stride(),
        *allowed.stride(),
        NOISE=noise is not None,
        MASK=mask is not None,
        COUNT=not short,
        SHIFT=SHIFTS[0],
        BLOCK=triton.next_power_of_2(length) if short else BLOCK,
        num_warps=4 if short else 8,
    )
    places = keys  # not read
    if not short:
        keys, places = _compacted(keys, counts, wanted)
    found = keys.shape[1]
    rank_kernel[(rows, triton.cdiv(found, 32))](
        keys, places, indices, valid, found, wanted, GATHERED=not short, BLOCK=32, OTHERS=128, num_warps=4
    )
    return indices, valid


def _compacted(keys: Tensor, counts: Tensor, wanted: int) -> tuple[Tensor, Tensor]:
    """The keys of the best of each row and their indices, both ``(rows, wanted)``, in the order of the index."""
    rows, length = keys.shape
    blocks = triton.cdiv(length, BLOCK)
    states = keys.new_empty(len(SHIFTS), rows, 2)
    tallies = keys.new_empty(rows, blocks, 2)
    best, places = keys.new_empty(rows, wanted), keys.new_empty(rows, wanted)
    for stage in range(1, len(SHIFTS)):
        digit_kernel[(rows, blocks)](
            keys,
            counts[stage - 1],
            counts[stage],
            states[stage - 2],  # at stage 1 not read
            states[stage - 1],
            length,
            wanted,
            FIRST=stage == 1,
            SHIFT=SHIFTS[stage],
            BLOCK=BLOCK,
            num_warps=8,
        )
    tally_kernel[(rows, blocks)](
        keys, counts[-1], states[-2], states[-1], tallies, length, blocks, BLOCK=BLOCK, num_warps=8
    )
    compact_kernel[(rows, blocks)](
        keys,
        states[-1],
        tallies,
        best,
        places,
        length,
        blocks,
        wanted,
        BLOCKS=triton.next_power_of_2(blocks),
        BLOCK=BLOCK,
        num_warps=8,
    )
    return best, places
