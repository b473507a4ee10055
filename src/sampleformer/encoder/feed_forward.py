"""The token-wise branch of a layer."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor, nn

from sampleformer.dropout import Dropout
from sampleformer.functional.blocks import tokenwise
from sampleformer.gelu import GELU
from sampleformer.modules import Module
from sampleformer.norms import is_tokenwise


class FeedForward(Module):
    """The token-wise branch of a layer: ``Linear(dropout(GELU(Linear(norm(x)))))``.

    Args:
        width: d, of the tokens.
        hidden: width inside.
        norm: applied first; None: the features are used as they are.
        dropout: share of the hidden features set to zero in training.
    """

    takes_mask = True
    """Whether `forward` takes the mask beside the features. Asked of a wrapper, too, which says what its part says."""

    def __init__(self, width: int, hidden: int, *, norm: nn.Module | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = norm if norm is not None else nn.Identity()
        self.hidden = hidden
        self.dropout = dropout
        self.mlp = nn.Sequential(nn.Linear(width, hidden), GELU(), Dropout(dropout), nn.Linear(hidden, width))

    def forward(
        self, features: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """Transforms each token by itself.

        Args:
            features: of all tokens.
            mask: True where a token is real, for a norm that is not token-wise. None: all are.
        """
        if is_tokenwise(self.norm):
            return self._in_blocks(lambda block: self.mlp(self.norm(block)), features)
        return self._in_blocks(self.mlp, self.norm(features, mask))

    def _in_blocks(self, function: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
        return tokenwise(function, features, widest=self.hidden, random=self.training and self.dropout > 0)
