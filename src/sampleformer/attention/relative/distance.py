"""Point clouds: how far apart two points are."""

from torch import Tensor

from sampleformer.attention.relative.points import PointRelative
from sampleformer.functional.distances import squared_distances


class DistanceRelative(PointRelative):
    """Terms of the squared distance of two points: ``r_ij = ‖x_i − x_j‖²``.

    Args:
        heads: h.

    Raises:
        ValueError: if the heads are not positive.

    Source: SFT (arXiv 2408.05822), section 3.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    needs = ("coordinates",)

    def __init__(self, heads: int) -> None:
        super().__init__(heads, 1)

    def features(self, *of_pairs: Tensor) -> list[Tensor]:
        """The squared distance, see `PointRelative.features`."""
        return [squared_distances(*of_pairs)]
