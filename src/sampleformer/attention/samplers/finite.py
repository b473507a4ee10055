"""Scores that are no numbers choose nothing: they are refused."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sampleformer.errors import InputError
from sampleformer.tracing import has_values


class NonFiniteScores(InputError):
    """Scores of tokens are NaN or infinite. The message says of which layer and heads, once these have been added.

    Args:
        group: the first whose scores they are, counted from 0.
        groups: of the sampler.
        found: how many scores of this group are no finite numbers.
        scores: how many there are, padding not counted.
    """

    def __init__(self, group: int, groups: int, found: int, scores: int) -> None:
        super().__init__(group, groups, found, scores)
        self.group = group
        self.groups = groups
        self.found = found
        self.scores = scores
        self.heads: int | None = None
        """Of the attention, once it has said so."""
        self.layer: int | None = None
        """Counted from 0, once the encoder has said so."""

    def __str__(self) -> str:
        """One line, layers and heads counted from 1."""
        layer = "" if self.layer is None else f"layer {self.layer + 1}, "
        return (
            f"{layer}{self._whose()}: {self.found} of {self.scores} scores are NaN or infinite: the training has "
            "diverged; try a lower learning rate or training.gradient_clip"
        )

    def _whose(self) -> str:
        if self.heads is None:
            return f"group {self.group + 1}"
        each = self.heads // self.groups
        first = self.group * each + 1
        return f"head {first}" if each == 1 else f"heads {first} to {first + each - 1}"


def check_finite(scores: Float[Tensor, "b g n"], mask: Bool[Tensor, "b g n"] | None) -> None:
    """Refuses scores of tokens that are NaN or infinite.

    A program being compiled or exported checks nothing, nor do the transforms of `torch.func`.

    Args:
        scores: of all candidates, without noise.
        mask: True where there is one; what the others have does not matter. None: everywhere.

    Raises:
        NonFiniteScores: for the first group that has such scores.

    Example:
        >>> check_finite(torch.tensor([[[0.0, float("nan")], [1.0, 2.0]]]), None)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        sampleformer.attention.samplers.finite.NonFiniteScores: group 1: 1 of 2 scores are NaN or infinite: ...
    """
    # The sum of finite scores is nearly always finite: one number to wait for, and no other tensor as large.
    if not has_values(scores) or bool(scores.detach().sum().isfinite()):
        return
    real = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    found = (~scores.isfinite() & real).sum((0, 2)).tolist()
    for group, count in enumerate(found):
        if count:
            raise NonFiniteScores(group, len(found), count, int(real[:, group].sum()))
