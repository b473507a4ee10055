"""Full attention, one sample, one head and one query at a time."""

import torch
from torch import Tensor, nn

from tests.naive.attention import attend_row, keys_and_values, real_tokens

VARIATIONS: dict[str, dict[str, object]] = {"defaults": {}, "no-bias": {"bias": False}}


def full(
    module: nn.Module,
    x: Tensor,
    mask: Tensor | None = None,
    context: Tensor | None = None,
    context_mask: Tensor | None = None,
    noise: Tensor | None = None,
) -> Tensor:
    """Every real token attends to every real token of the context, which is the input itself if there is no other."""
    context, context_mask = (x, mask) if context is None else (context, context_mask)
    rows = []
    for b in range(len(x)):
        seen = context[b][real_tokens(context_mask, b, context.shape[1])]
        by_head = [keys_and_values(module, seen, h) for h in range(module.heads)]
        rows.append(attend_row(module, x[b], real_tokens(mask, b, x.shape[1]), by_head))
    return torch.stack(rows)
