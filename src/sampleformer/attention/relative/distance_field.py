"""Point clouds: how far apart two points are, seen over three learned lengths."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sampleformer.attention.relative.points import PointRelative
from sampleformer.functional.distances import FIELDS, distance_field_features


class DistanceFieldRelative(PointRelative):
    """Terms of three saturating functions of the distance of two points, with learned rates.

    ``r_ij = [1 − exp(−ρ_1 d), ρ_2 d / (1 + ρ_2 d), tanh(ρ_3 d)]`` with ``d = ‖x_i − x_j‖`` and ``ρ = softplus`` of a
    parameter: each rises from 0 to 1 over a length of about 1 / ρ. The rates are shared by the heads.

    Args:
        heads: h.
        scale: length, in the units of the coordinates, over which the functions rise at the start: ``ρ = 1 / scale``.

    Raises:
        ValueError: if the heads or the scale are not positive.

    Source: SFT (arXiv 2408.05822), section 3, which asks for learned saturating functions; which ones is our choice.

    Example:
        >>> import torch
        >>> from sampleformer.tokens import Tokens
        >>> tokens = Tokens(torch.zeros(1, 5, 8), coordinates=torch.rand(1, 5, 3))
        >>> multiplicative, additive = DistanceFieldRelative(heads=4)(tokens, tokens, torch.tensor([[[0, 3]]]))
        >>> additive.shape
        torch.Size([1, 4, 5, 2])
    """

    needs = ("coordinates",)
    numbers = FIELDS

    def __init__(self, heads: int, *, scale: float = 1.0) -> None:
        super().__init__(heads)
        if not scale > 0:
            raise ValueError(f"scale is {scale}, expected more than 0")
        self.scale = scale
        self.raw_rates = nn.Parameter(torch.empty(FIELDS))
        self._start_rates()

    def _reset_own_parameters(self) -> None:
        super()._reset_own_parameters()
        self._start_rates()

    def _start_rates(self) -> None:
        rate = 1 / self.scale
        nn.init.constant_(self.raw_rates, rate + math.log(-math.expm1(-rate)))  # the inverse of softplus

    @property
    def rates(self) -> Tensor:
        """ρ of the three functions, per unit of the coordinates."""
        return F.softplus(self.raw_rates)

    def features(self, *of_pairs: Tensor) -> list[Tensor]:
        """The three functions of the distance, see `PointRelative.features`."""
        points, chosen = of_pairs
        return distance_field_features(points, chosen, self.rates)
