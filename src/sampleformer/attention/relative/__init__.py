"""Relative terms of pairs, one function a file."""

from sampleformer.attention.relative.base import PairTerms, Relative
from sampleformer.attention.relative.build import RelativeChoice, make_relative
from sampleformer.attention.relative.distance import DistanceRelative
from sampleformer.attention.relative.distance_field import DistanceFieldRelative
from sampleformer.attention.relative.distance_normals import DistanceNormalsRelative
from sampleformer.attention.relative.edges import EdgeRelative
from sampleformer.attention.relative.offsets import OffsetRelative
from sampleformer.attention.relative.registry import RELATIVES
from sampleformer.attention.relative.sinusoidal_concat import SinusoidalConcatRelative
from sampleformer.attention.relative.sinusoidal_product import SinusoidalProductRelative

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
