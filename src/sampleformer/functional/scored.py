"""Attention by scores, put together: a score of every pair, relative terms, weights, a mean of the values."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.functional.probabilities import PROBABILITIES
from sampleformer.functional.scores import SCORES


def scored_attention(
    query: Float[Tensor, "b h n e"],
    key: Float[Tensor, "b h k e"],
    value: Float[Tensor, "b h k c"],
    valid: Bool[Tensor, "b #h k"] | None = None,
    *,
    leak: Float[Tensor, "b h k"] | None = None,
    terms: tuple[Float[Tensor, "b h n k"], Float[Tensor, "b h n k"]] | None = None,
    presence: Float[Tensor, "b #h k"] | None = None,
    score: str = "maxout",
    probability: str = "leaky_relu",
) -> Float[Tensor, "b h n c"]:
    """``out_i = Σ_j A_ij v_j`` with ``A_i = probability(score(q_i, k_j) · softplus(w_ij) + u_ij)``.

    Args:
        query: one vector a query and head.
        key: one vector a slot and head.
        value: of the slots.
        valid: False where a slot holds nothing. None: all hold something.
        leak: of every slot, if the probability leaks.
        terms: w and u, of every pair. None: the score is the logit.
        presence: how often each slot counts: its weight is multiplied by it before weights are made to sum to one.
            None: each counts once.
        score: a name of `functional.scores.SCORES`.
        probability: a name of `functional.probabilities.PROBABILITIES`.

    Returns:
        One vector a query, in the dtype of the values; zeros where no slot is valid.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> query, key, value = torch.ones(3, 1, 1, 2, 8)
        >>> scored_attention(query, key, value, leak=torch.full((1, 1, 2), -30.0)).sum(-1)
        tensor([[[8., 8.]]])
    """
    logits = SCORES[score](query, key)
    if terms is not None:
        multiplicative, additive = (term.to(logits.dtype) for term in terms)
        logits = torch.addcmul(additive, logits, F.softplus(multiplicative))
    numerators, denominators = PROBABILITIES[probability].split(logits, leak, valid, presence)
    return (numerators.to(value.dtype) @ value) / denominators.to(value.dtype)
