"""All subsets of few tokens with their exact probabilities, to hold random choices against."""

import itertools

import torch
from torch import Tensor

LARGEST = 10
"""Tokens that can be enumerated; of more, the orders would be too many."""


def subsets(n: int, k: int) -> Tensor:
    """Every subset of k of n tokens, one a row, in the order of `itertools.combinations`: shape ``(S, k)``.

    Raises:
        ValueError: if k is not from 1 to n, or n is more than `LARGEST`.

    Example:
        >>> subsets(3, 2)
        tensor([[0, 1],
                [0, 2],
                [1, 2]])
    """
    if not 1 <= k <= n <= LARGEST:
        raise ValueError(f"n and k are {n} and {k}, expected 1 <= k <= n <= {LARGEST}")
    return torch.tensor(list(itertools.combinations(range(n), k)))


def topk_probabilities(scores: Tensor, k: int) -> Tensor:
    """The probability that Gumbel top-k draws each of `subsets`, differentiable in the scores.

    ``P(S) = Σ over orders of S of Π_t exp s_{i_t} / Σ_{j not among i_1 … i_{t−1}} exp s_j`` (Plackett and Luce).

    Args:
        scores: without noise, shape ``(n,)``.
        k: how many are drawn.

    Source: Kool et al. 2019 (arXiv 1903.06059), section 2.

    Example:
        >>> topk_probabilities(torch.tensor([2.0, 1.0, 1.0]).log(), 1)
        tensor([0.5000, 0.2500, 0.2500])
    """
    sets = subsets(len(scores), k)
    orders = sets[:, torch.tensor(list(itertools.permutations(range(k))))]  # (S, k!, k)
    weights = torch.softmax(scores, 0)[orders]
    # What is left before each draw, the weights of the tokens that are never drawn added first.
    undrawn = 1 - weights.sum(-1, keepdim=True)
    left = weights.flip(-1).cumsum(-1).flip(-1) + undrawn.clamp(min=0)
    return (weights / left).prod(-1).sum(-1)


def conditional_probabilities(scores: Tensor, k: int) -> Tensor:
    """``P(S) ∝ exp(Σ_{i in S} s_i)`` of each of `subsets`: independent draws, given that k succeed.

    Args:
        scores: shape ``(n,)``.
        k: how many are drawn.

    Example:
        >>> conditional_probabilities(torch.tensor([2.0, 1.0, 1.0]).log(), 2)
        tensor([0.4000, 0.4000, 0.2000])
    """
    return torch.softmax(scores[subsets(len(scores), k)].sum(-1), 0)


def candidate_probabilities(scores: Tensor, k: int, temperature: float = 1.0) -> Tensor:
    """The probability of each of `subsets` where 2k candidates are drawn first, and the subset among these.

    The candidates come from Gumbel top-2k (all tokens, if there are no more), the subset from
    ``P(S) ∝ exp(Σ_{i in S} s_i / T)`` among them.

    Args:
        scores: without noise, shape ``(n,)``.
        k: how many are drawn in the end.
        temperature: T of the second draw.

    Example:
        >>> scores = torch.tensor([2.0, 1.0, 1.0]).log()
        >>> bool((candidate_probabilities(scores, 2) == conditional_probabilities(scores, 2)).all())
        True
    """
    n = len(scores)
    if 2 * k >= n:
        return conditional_probabilities(scores / temperature, k)
    candidates = subsets(n, 2 * k)
    row = {tuple(members): number for number, members in enumerate(subsets(n, k).tolist())}
    inside = candidates[:, subsets(2 * k, k)]  # (C, S', k): the subsets of each set of candidates
    given = torch.softmax(scores[inside].sum(-1) / temperature, -1)
    both = topk_probabilities(scores, 2 * k)[:, None] * given
    rows = torch.tensor([row[tuple(members)] for members in inside.flatten(0, 1).tolist()])
    return torch.zeros(len(row), dtype=scores.dtype).index_add(0, rows, both.flatten())


def exact_gradient(probabilities: Tensor, losses: Tensor, scores: Tensor) -> Tensor:
    """The gradient of the expected loss ``Σ_S P(S) L(S)`` with respect to the scores.

    Args:
        probabilities: of each subset, a function of the scores.
        losses: of each subset, held fixed.
        scores: a leaf that needs a gradient.
    """
    (gradient,) = torch.autograd.grad((probabilities * losses.detach()).sum(), scores)
    return gradient
