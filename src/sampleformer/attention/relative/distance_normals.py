"""Point clouds with normals: how far apart two points are, and how their surfaces face each other."""

from torch import Tensor

from sampleformer.attention.relative.points import PointRelative
from sampleformer.functional.distances import distance_normal_features


class DistanceNormalsRelative(PointRelative):
    """Terms of the distance of two points and the dot product of their normals: ``r_ij = [‖x_i − x_j‖, ν_i · ν_j]``.

    Args:
        heads: h.

    Raises:
        ValueError: if the heads are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3), normals=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceNormalsRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    needs = ("coordinates", "normals")

    def __init__(self, heads: int) -> None:
        super().__init__(heads, 2)

    def features(self, *of_pairs: Tensor) -> list[Tensor]:
        """The distance and the dot product of the normals, see `PointRelative.features`."""
        return distance_normal_features(*of_pairs)
