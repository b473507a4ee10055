"""Terms of a loss that look at the scores by which tokens were chosen."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sampleformer.attention.samplers import Scores
from sampleformer.functional.collapse import score_entropy, score_load


def _divergence(scores: Scores) -> Tensor:
    assert scores.divergence is not None  # `choice.teach` has asked for it
    return scores.divergence


SCORE_TERMS: dict[str, Callable[[Scores], Tensor]] = {
    "score_entropy": lambda scores: score_entropy(scores.values, scores.mask),
    "score_load": lambda scores: score_load(scores.values, scores.mask),
    "score_mass": _divergence,
}
"""What each term is of the scores of one layer, for each sample, by the setting that weighs it."""

SIGNS = {"score_entropy": -1, "score_load": 1, "score_mass": 1}
"""Entropy is wanted, the others are not."""


def score_term(name: str, choices: Sequence[Scores]) -> Tensor:
    """The mean of a term over layers, samples and groups, without its sign.

    Args:
        name: One of `SCORE_TERMS`.
        choices: Scores of each layer that chose.
    """
    return torch.stack([SCORE_TERMS[name](scores).mean() for scores in choices]).mean()
