"""The small model of the controlled task: a question attends to the tokens, and answers from what it saw."""

import torch
from torch import Tensor, nn

from sampleformer.attention import FullAttention, Noise, SamsaAttention, Selection
from sampleformer.bench.estimator_variants import Variant
from sampleformer.norms import RMSNorm
from sampleformer.tokens import Tokens

WIDTH, HEADS, SAMPLED = 32, 2, 16


class NeedleModel(nn.Module):
    """One layer in which a learned question attends to all tokens; nothing else of them reaches the answer.

    ``head(RMSNorm(attention(question, embed(tokens))))``. So a token that no head chooses has no part in the answer,
    and a step costs O(n). Nothing has a bias and the attention's result is normalised: the little that a few tokens
    among thousands bring is then as large as the much of a few among hundreds.

    Args:
        variant: what is compared.
        features: f, numbers of a token.
        classes: of the answer.
    """

    def __init__(self, variant: Variant, features: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(features, WIDTH, bias=False)
        self.question = nn.Parameter(torch.randn(WIDTH))
        self.norm = RMSNorm(WIDTH)
        self.head = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, classes))
        # Last, so that all variants of one seed start with the same weights around it.
        self.attention: FullAttention | SamsaAttention
        if variant.choice is None:
            self.attention = FullAttention(WIDTH, HEADS, bias=False)
        else:
            self.attention = SamsaAttention(WIDTH, HEADS, sampled=SAMPLED, choice=variant.choice, bias=False)
            self.attention.taught_by = int(variant.addition == "mass")  # there is one question

    def forward(self, features: Tensor, noise: Noise | None = None) -> tuple[Tensor, Selection]:
        """Logits ``(b, classes)``, and what the heads attended to."""
        question = Tokens(self.question.expand(len(features), 1, -1))
        seen = self.attention(question, Tokens(self.embed(features)), noise=noise, return_selection=True)
        assert isinstance(seen, tuple)
        return self.head(self.norm(seen[0][:, 0])), seen[1]
