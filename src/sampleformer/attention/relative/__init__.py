"""Relative terms of pairs."""

from sampleformer.attention.relative.base import PairTerms, Relative
from sampleformer.attention.relative.build import RELATIVES, RelativeChoice, make_relative
from sampleformer.attention.relative.codes import OffsetRelative, SinusoidalConcatRelative, SinusoidalProductRelative
from sampleformer.attention.relative.distance_field import DistanceFieldRelative
from sampleformer.attention.relative.edges import EdgeRelative
from sampleformer.attention.relative.points import DistanceNormalsRelative, DistanceRelative

__all__ = [
    "RELATIVES",
    "DistanceFieldRelative",
    "DistanceNormalsRelative",
    "DistanceRelative",
    "EdgeRelative",
    "OffsetRelative",
    "PairTerms",
    "Relative",
    "RelativeChoice",
    "SinusoidalConcatRelative",
    "SinusoidalProductRelative",
    "make_relative",
]
