"""How important each token is to each head."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.functional.blocks import tokenwise
from sampleformer.functional.norms import inverse_rms
from sampleformer.gelu import GELU
from sampleformer.modules import Module, is_plain, linear_in_precision_of
from sampleformer.norms import RMSNorm
from sampleformer.tracing import without_autocast


class ImportanceScorer(Module):
    """One score for each token and head: ``s = Linear(x + RMSNorm(MLP(x)))``.

    The scores are float32 or wider, whatever the precision of the features: half precision would make ties.

    Args:
        width: d, of the tokens; the MLP is d → d → d with GELU inside.
        heads: number of scores for each token.

    Source: SAMSA (arXiv 2408.05391), section 3.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, width), GELU(), nn.Linear(width, width))
        self.norm = RMSNorm(width)
        self.score = nn.Linear(width, heads, bias=False)  # a bias would move all scores of a head alike

    def forward(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n"]:
        """Scores, heads before tokens."""
        return tokenwise(self._scores, features, widest=features.shape[-1]).transpose(1, 2).contiguous()

    def _scores(self, features: Tensor) -> Tensor:
        mixed = self.mlp(features)
        # Under autocast the MLP's result is narrower than the features.
        wide = torch.promote_types(features.dtype, torch.float32)
        features, mixed = features.to(wide), mixed.to(wide)
        with without_autocast(features):
            if not (is_plain(self.norm, RMSNorm) and is_plain(self.score, nn.Linear)):
                return linear_in_precision_of(features + self.norm(mixed), self.score)
            inverse = inverse_rms(mixed, self.norm.epsilon)
            scale, weight = self.norm.weight.to(wide), self.score.weight.to(wide)
            if torch.is_grad_enabled():
                # RMSNorm divides a token by one number, so it may divide the h scores instead of the d features.
                return F.linear(features, weight) + F.linear(mixed, weight * scale) * inverse
            # Not in place of the MLP's result, which a hook may have kept.
            return F.linear((mixed * inverse).mul_(scale).add_(features), weight)
