"""SFT's pairs, one pair at a time."""

import torch
from torch import Tensor


def mix_pairs(
    top: Tensor,
    rest: Tensor,
    top_scores: Tensor,
    rest_scores: Tensor,
    top_valid: Tensor | None = None,
    rest_valid: Tensor | None = None,
) -> Tensor:
    """`(a top_i + b rest_i) / (a + b)` with a and b the softplus of the scores; top_i itself without a partner."""
    rows = []
    for row in range(len(top)):
        mixed = []
        for i in range(top.shape[1]):
            alone = i >= rest.shape[1]
            alone = alone or (top_valid is not None and not bool(top_valid[row, i]))
            alone = alone or (rest_valid is not None and not bool(rest_valid[row, i]))
            if alone:
                mixed.append(top[row, i])
                continue
            a = torch.log(1 + torch.exp(top_scores[row, i]))
            b = torch.log(1 + torch.exp(rest_scores[row, i]))
            mixed.append((a * top[row, i] + b * rest[row, i]) / (a + b))
        rows.append(torch.stack(mixed))
    return torch.stack(rows)
