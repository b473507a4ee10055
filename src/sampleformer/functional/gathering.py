"""Looking up tokens by their index."""

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
