"""Point clouds: how far apart two points are."""

from torch import Tensor

from sampleformer.attention.relative.base import Relative, gathered
from sampleformer.functional.distances import squared_distance_terms
from sampleformer.tokens import Tokens


class DistanceRelative(Relative):
    """Terms of the squared distance of two points: ``r_ij = ‖x_i − x_j‖²``.

    Args:
        heads: h.

    Raises:
        ValueError: if the heads are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 5, 4, 2])
    """

    needs = ("coordinates",)
    invariant = True

    def __init__(self, heads: int) -> None:
        super().__init__(heads, 1)

    def terms(self, tokens: Tokens, context: Tokens, indices: Tensor, valid: Tensor | None, weight: Tensor) -> Tensor:
        """Terms of both maps, see `Relative.terms`."""
        assert tokens.coordinates is not None
        assert context.coordinates is not None
        return squared_distance_terms(tokens.coordinates, gathered(context.coordinates, indices), weight)
