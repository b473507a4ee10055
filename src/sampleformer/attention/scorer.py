"""How important each token is to each head."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from sampleformer.functional.blocks import tokenwise
from sampleformer.norms import RMSNorm


class ImportanceScorer(nn.Module):
    """One score for each token and head: ``s = Linear(x + RMSNorm(MLP(x)))``.

    The scores are float32 or wider, whatever the precision of the features: half precision would make ties.

    Args:
        width: d, of the tokens; the MLP is d → d → d with GELU inside.
        heads: number of scores for each token.

    Source: SAMSA (arXiv 2408.05391), section 3.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.norm = RMSNorm(width)
        self.score = nn.Linear(width, heads)

    def forward(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n"]:
        """Scores, heads before tokens."""
        return tokenwise(self._scores, features, widest=features.shape[-1]).transpose(1, 2).contiguous()

    def _scores(self, features: Tensor) -> Tensor:
        mixed = features + self.norm(self.mlp(features))
        if mixed.element_size() < 4:
            mixed = mixed.float()
        with torch.autocast(mixed.device.type, enabled=False):
            return F.linear(mixed, self.score.weight.to(mixed.dtype), self.score.bias.to(mixed.dtype))
