"""The score-function gradient of a random choice: what the loss says about the probability of what was drawn."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sampleformer.distributed import over_shards


def ordered_log_probability(
    scores: Float[Tensor, "*rows n"],
    indices: Int64[Tensor, "*rows k"],
    mask: Bool[Tensor, "*rows n"] | None = None,
    valid: Bool[Tensor, "*rows k"] | None = None,
    extra: int = 0,
) -> Float[Tensor, "*rows"]:
    """The logarithm of the probability that Gumbel top-k draws these tokens in this order.

    ``log P = Σ_t (s_{i_t} − log Σ_{j not among i_1 … i_{t−1}} exp s_j)``: draws from softmax(s) without replacement.

    Args:
        scores: s, without noise.
        indices: of the tokens drawn, in the order of their scores with noise.
        mask: True where a token could be drawn. None: all could.
        valid: False where an index is none; these stand last and have probability one. None: all are.
        extra: Number of the last scores that are no tokens'. It matters where ranks share the tokens
            (`distributed.token_parallel`): the scores are then those of this rank's tokens, followed by these, which
            the mask leaves to the last rank; the indices are those among all tokens.

    Returns:
        Differentiable in the scores, O(n + k).

    Source: Kool et al. 2019 (arXiv 1903.06059), section 2.

    Example:
        >>> ordered_log_probability(torch.zeros(3), torch.tensor([2, 0])).exp()
        tensor(0.1667)
    """
    lowest = torch.finfo(scores.dtype).min / 4  # not infinite, whose gradients are not numbers
    if mask is not None:
        scores = scores.masked_fill(~mask, lowest)
    own, owned = over_shards.owned_places(indices, scores.shape[-1] - extra, extra)
    scores = F.pad(scores, (0, 1), value=lowest)  # the place of what other ranks hold
    drawn = over_shards.from_owners(scores.gather(-1, own)[..., None], owned)[..., 0]
    if valid is not None:
        drawn = drawn.masked_fill(~valid, lowest)
    others = over_shards.log_sum_exp(scores.scatter(-1, own, lowest).logsumexp(-1, keepdim=True))
    later = drawn.flip(-1).logcumsumexp(-1).flip(-1)
    each = drawn - torch.logaddexp(later, others)
    return (each if valid is None else each.masked_fill(~valid, 0)).sum(-1)


def leave_one_out(losses: Float[Tensor, "r b"], log_probabilities: Float[Tensor, "r b"]) -> Float[Tensor, ""]:
    """A term whose gradient is the score-function estimate, with the mean of the other draws' losses as baseline.

    ``mean_{r,b} (loss_rb − mean_{q≠r} loss_qb) · log P_rb``, the factor in brackets held fixed. Add it to the mean of
    the losses, which has the gradient of everything but the choice.

    Args:
        losses: of r >= 2 independent draws for each of b samples.
        log_probabilities: of what was drawn.

    Raises:
        ValueError: if there is one draw only, which leaves no baseline.

    Source: Kool et al. 2019, Buy 4 REINFORCE samples, get a baseline for free! (ICLR workshop), equation 9.

    Example:
        >>> log_probabilities = torch.zeros(2, 1, requires_grad=True)
        >>> leave_one_out(torch.tensor([[3.0], [1.0]]), log_probabilities).backward()
        >>> log_probabilities.grad
        tensor([[ 1.],
                [-1.]])
    """
    draws = losses.shape[0]
    if draws < 2:
        raise ValueError(f"losses are of {draws} draw, expected at least 2: the others are the baseline of each")
    losses = losses.detach()
    others = (losses.sum(0) - losses) / (draws - 1)
    return ((losses - others) * log_probabilities).mean()
