"""What every estimator is."""

import copy

import torch
from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice


class Estimator:
    """How a choice of the k best scores is made in training, and how the scores get a gradient from it.

    A choice is a step function of the scores, so it has no gradient of its own. An estimator has no state; a subclass
    writes `train` and, if evaluation is not simply the k best, `evaluate`.
    """

    draws: int = 1
    """Random numbers for each candidate: Gumbel noise first, then uniform ones."""

    repeats: bool = False
    """Whether the loss itself enters the gradient, so that training draws several choices for each sample."""

    learns: bool = True
    """Whether the loss of the task teaches the scores."""

    kernel: str = "auto"
    """That chooses, see `kernels.use_triton`."""

    def on(self, kernel: str) -> "Estimator":
        """The same estimator with that kernel."""
        other = copy.copy(self)
        other.kernel = kernel
        return other

    def train(
        self, scores: Tensor, mask: Tensor | None, noise: Tensor, scale: Tensor, k: int, temperature: Tensor
    ) -> Choice:
        """A random choice with a gradient for the scores.

        Args:
            scores: s, without noise, shape ``(b, g, n)``.
            mask: True where a token may be chosen, shape ``(b, g, n)``. None: all may.
            noise: of this pass, shape ``(draws, b, g, n)``.
            scale: of the Gumbel noise, 0-dim; 1 as published, 0: the k best.
            k: how many to choose.
            temperature: T of each group, shape ``(g,)``.
        """
        raise NotImplementedError

    def evaluate(self, scores: Tensor, mask: Tensor | None, k: int, temperature: Tensor) -> Choice:
        """The choice without noise: the k best."""
        indices, valid = best_candidates(scores, k, mask, kernel=self.kernel)
        return Choice(indices, valid, indices.shape[-1])


def all_candidates_as_slots(
    indices: Tensor, valid: Tensor | None, k: int, presence: Tensor, *, in_part: bool = False
) -> Choice:
    """A choice whose slots hold all candidates, of which the first k are chosen.

    Args:
        indices, valid, presence: of all candidates, see `Choice`.
        k: how many are chosen.
        in_part: whether the others are present too. False: they are absent.
    """
    candidates = indices.shape[-1]
    chosen = min(k, candidates)
    present = None if in_part else chosen
    return Choice(indices, valid, candidates, presence=presence, chosen=chosen, present=present)


def first_present(shares: Tensor, k: int) -> Tensor:
    """One for the first k slots and zero for the others, with the gradient of the shares.

    Source: the straight-through estimator, Bengio et al. 2013 (arXiv 1308.3432), section 4.
    """
    chosen = (torch.arange(shares.shape[-1], device=shares.device) < k).to(shares.dtype)
    return chosen + (shares - shares.detach())
