"""Relaxed choices, subsets of k and the score function, from their definitions: by search and by enumeration."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def relaxed_topk(scores: Sequence[float], k: int, temperature: float) -> list[float]:
    """`sigmoid((s_i − θ) / T)` of one row of tokens, θ found by halving an interval until they add up to k."""
    if len(scores) <= k:
        return [1.0] * len(scores)

    def shares(threshold: float) -> list[float]:
        return [1 / (1 + math.exp(-(score - threshold) / temperature)) for score in scores]

    low, high = min(scores) - 60 * temperature, max(scores) + 60 * temperature
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(shares(middle)) > k else (low, middle)
    return shares(low)


def relaxed_subset(scores: Tensor, k: int, temperature: float) -> Tensor:
    """Sum of k softmaxes of one row, each of which takes off what the ones before have taken."""
    if len(scores) <= k:
        return torch.ones_like(scores)
    logits, total = list(scores), [torch.zeros_like(score) for score in scores]
    for _ in range(k):
        weights = [torch.exp(logit / temperature) for logit in logits]
        share = [weight / sum(weights) for weight in weights]
        total = [one + other for one, other in zip(total, share, strict=True)]
        logits = [logit + torch.log(1 - part) for logit, part in zip(logits, share, strict=True)]
    return torch.stack(total)


def subsets(n: int, k: int) -> list[tuple[int, ...]]:
    """All subsets of k of n tokens."""
    return list(itertools.combinations(range(n), min(k, n)))


def subset_probabilities(scores: Tensor, k: int) -> Tensor:
    """`P(S) ∝ exp(Σ_{i in S} s_i)` of every subset of one row, in the order of `subsets`."""
    return torch.stack([scores[list(subset)].sum() for subset in subsets(len(scores), k)]).softmax(0)


def subset_marginals(scores: Tensor, k: int) -> Tensor:
    """`Σ_{S contains i} P(S)` for each token of one row."""
    probabilities = subset_probabilities(scores, k)
    marginals = [torch.zeros_like(score) for score in scores]
    for probability, subset in zip(probabilities, subsets(len(scores), k), strict=True):
        for i in subset:
            marginals[i] = marginals[i] + probability
    return torch.stack(marginals)


def ordered_log_probability(scores: Tensor, order: Sequence[int]) -> Tensor:
    """`log Π_t exp s_{i_t} / Σ_{j not drawn before} exp s_j` of one row."""
    left = list(range(len(scores)))
    total = torch.zeros((), dtype=scores.dtype)
    for index in order:
        total = total + torch.log(torch.exp(scores[index]) / sum(torch.exp(scores[j]) for j in left))
        left.remove(index)
    return total


def set_probability(scores: Tensor, subset: Sequence[int]) -> Tensor:
    """Probability that Gumbel top-k draws these tokens, in whatever order."""
    return sum(ordered_log_probability(scores, order).exp() for order in itertools.permutations(subset))


def relaxed_topk_with_gradient(scores: Tensor, k: int, temperature: Tensor) -> Tensor:
    """`relaxed_topk`, whose threshold moves with the scores by the implicit function theorem.

    `Σ_i p_i = k` stays, so `dθ = Σ_i p_i (1 − p_i) du_i / Σ_i p_i (1 − p_i)` with `u = s / T`.
    """
    if len(scores) <= k:
        return torch.ones_like(scores)
    scaled = scores / temperature
    shares = torch.tensor(relaxed_topk(scaled.tolist(), k, 1.0), dtype=torch.float64)
    slopes = shares * (1 - shares)
    threshold = scaled.detach() - torch.log(shares / (1 - shares))
    moved = threshold + (slopes * (scaled - scaled.detach())).sum() / slopes.sum()
    return 1 / (1 + torch.exp(moved - scaled))


def draw_subset(scores: Tensor, k: int, uniform: Sequence[float]) -> list[int]:
    """Goes through the tokens of one row and takes each with its probability given what was taken before it."""
    if len(scores) <= k:
        return list(range(len(scores)))
    left = list(zip(subsets(len(scores), k), subset_probabilities(scores, k).tolist(), strict=True))
    taken = []
    for i, number in enumerate(uniform):
        with_it = [(subset, probability) for subset, probability in left if i in subset]
        takes = number * sum(p for _, p in left) < sum(p for _, p in with_it)
        left = with_it if takes else [(subset, p) for subset, p in left if i not in subset]
        if takes:
            taken.append(i)
    return taken


def straight_through(shares: Tensor, chosen: Sequence[int]) -> Tensor:
    """One for what was chosen, zero for the others, with the gradient of the shares."""
    return torch.stack([share - share.detach() + float(i in chosen) for i, share in enumerate(shares)])
