"""Point clouds with normals: how far apart two points are, and how their surfaces face each other."""

from torch import Tensor

from sampleformer.attention.relative.base import Relative, gathered
from sampleformer.functional.distances import distance_normal_terms
from sampleformer.tokens import Tokens


class DistanceNormalsRelative(Relative):
    """Terms of the distance of two points and the dot product of their normals: ``r_ij = [‖x_i − x_j‖, ν_i · ν_j]``.

    Args:
        heads: h.

    Raises:
        ValueError: if the heads are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3), normals=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceNormalsRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 5, 4, 2])
    """

    needs = ("coordinates", "normals")
    invariant = True

    def __init__(self, heads: int) -> None:
        super().__init__(heads, 2)

    def terms(self, tokens: Tokens, context: Tokens, indices: Tensor, valid: Tensor | None, weight: Tensor) -> Tensor:
        """Terms of both maps, see `Relative.terms`."""
        assert tokens.coordinates is not None
        assert tokens.normals is not None
        assert context.coordinates is not None
        assert context.normals is not None
        points, normals = gathered(context.coordinates, indices), gathered(context.normals, indices)
        return distance_normal_terms(tokens.coordinates, points, tokens.normals, normals, weight)
