"""Looking up tokens by their index, and projecting those alone."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


def rows_at(features: Float[Tensor, "b n d"], indices: Int64[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
    """``result[b, i] = features[b, indices[b, i]]``, with a fast backward, unlike that of `torch.gather`.

    Args:
        features: of n tokens.
        indices: of the tokens wanted, each from 0 to n − 1.

    Example:
        >>> rows_at(torch.tensor([[[5.0], [7.0]]]), torch.tensor([[1, 1, 0]])).flatten()
        tensor([7., 7., 5.])
    """
    batch, length, _ = features.shape
    first = torch.arange(batch, device=indices.device)[:, None] * length
    return F.embedding(indices + first, features.flatten(0, 1))


def project_chosen(
    features: Float[Tensor, "b n d"],
    indices: Int64[Tensor, "b g m"],
    weight: Float[Tensor, "g c d"],
    bias: Float[Tensor, "g c"] | None = None,
    norm: Callable[[Tensor], Tensor] | None = None,
) -> Float[Tensor, "b g m c"]:
    """``result[b, g, i] = weight[g] · norm(features[b, indices[b, g, i]]) + bias[g]``: projects what was chosen alone.

    Args:
        features: of n tokens.
        indices: of the m tokens that each group chose, each from 0 to n − 1.
        weight: of each group's projection.
        bias: of each group's projection; None: none.
        norm: of single tokens, ``(…, d)`` to ``(…, d)``; None: none.

    Example:
        >>> tokens, weight = torch.tensor([[[5.0], [7.0]]]), torch.tensor([[[2.0]]])
        >>> project_chosen(tokens, torch.tensor([[[1, 0]]]), weight).flatten()
        tensor([14., 10.])
    """
    batch, length, _ = features.shape
    first = torch.arange(batch, device=indices.device)[:, None, None] * length
    rows = (indices + first).transpose(0, 1).flatten(1)
    # A look-up with its own fast backward, unlike gather's.
    tokens = F.embedding(rows, features.flatten(0, 1))
    tokens = tokens if norm is None else norm(tokens)
    if bias is None:
        projected = tokens @ weight.transpose(1, 2)
    else:
        projected = torch.baddbmm(bias[:, None], tokens, weight.transpose(1, 2))
    return projected.unflatten(1, indices.shape[::2]).transpose(0, 1)
