"""The candidates of a choice: all tokens, or of tokens on several ranks the best of each rank."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.attention.samplers.base import best_candidates
from sampleformer.attention.samplers.choice import Choice
from sampleformer.attention.samplers.finite import NonFiniteScores, check_finite
from sampleformer.distributed import over_shards


@dataclass(frozen=True)
class Offers:
    """What an estimator chooses from.

    Under `token_parallel` each rank offers its best tokens. Those of all ranks, in the order of the ranks, are all that
    a choice of the best can need, and of equal ones the one with the lower place comes first: choices are those of one
    process with all tokens. What ranks send does not depend on the number of tokens.

    Args:
        scores: Scores without noise, shape ``(b, g, c)``.
        mask: False where there is no candidate, shape ``(b, g, c)``. None: all are.
        noise: Random numbers of the candidates, shape ``(draws, b, g, c)``. None in evaluation.
        places: Index of each candidate among all tokens, shape ``(b, g, c)``. None: the candidates are all tokens.
    """

    scores: Tensor
    mask: Tensor | None
    noise: Tensor | None
    places: Tensor | None = None

    @classmethod
    def of(
        cls,
        scores: Tensor,
        mask: Tensor | None,
        real: Tensor | None,
        noise: Tensor | None,
        scale: Tensor,
        count: int,
        *,
        extra: int = 0,
        kernel: str = "auto",
    ) -> Offers:
        """Candidates of all ranks.

        Args:
            scores: Scores of this rank's tokens, without noise, and of the extra ones after them.
            mask: True where a token may be chosen. None: all may.
            real: True where there is a token, whose score must be finite. None: everywhere.
            noise: Random numbers of this pass; the first are those that are added to the scores. None in evaluation.
            scale: Scale of the noise that is added.
            count: Number of best candidates that the choice looks at.
            extra: Number of learned tokens after this rank's; the mask leaves them to the last rank.
            kernel: Kernel of the choice.

        Raises:
            NonFiniteScores: if scores are NaN or infinite, on any rank.
        """
        shard = over_shards.shard_of(scores.shape[-1] - extra)
        if shard is None:
            check_finite(scores, real)
            return cls(scores, mask, noise)
        added = None if noise is None else noise[0] * scale
        best, valid = best_candidates(scores, count, mask, noise=added, kernel=kernel)
        missing = min(count, shard.longest + extra) - best.shape[-1]
        offered = F.pad(scores.gather(-1, best), (0, missing))
        valid = F.pad(torch.ones_like(best, dtype=torch.bool) if valid is None else valid, (0, missing))
        error = _error_of(scores, real)
        if error is not None:  # the others shall hear of it
            offered, valid = offered * torch.nan, torch.ones_like(valid)
        drawn = [] if noise is None else [each.gather(-1, best) for each in noise]
        others = [F.pad(each.double(), (0, missing)) for each in (best + shard.offset, *drawn)]
        scores = over_shards.gathered(offered)
        places, known, *draws = over_shards.gathered(torch.stack([others[0], valid.double(), *others[1:]])).unbind()
        if error is not None:
            raise error
        mask = None if bool(known.all()) else known.bool()
        check_finite(scores, mask)
        noise = None if noise is None else torch.stack(draws).to(noise.dtype)
        return cls(scores, mask, noise, places.long())

    def placed(self, choice: Choice) -> Choice:
        """A choice among the candidates as one among all tokens."""
        return choice if self.places is None else replace(choice, indices=self.places.gather(-1, choice.indices))


def _error_of(scores: Tensor, real: Tensor | None) -> NonFiniteScores | None:
    try:
        check_finite(scores, real)
    except NonFiniteScores as error:
        return error
    return None
