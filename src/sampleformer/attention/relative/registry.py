"""Relative terms by name. A new one joins by its entry here."""

from sampleformer.attention.relative.base import Relative
from sampleformer.attention.relative.distance import DistanceRelative
from sampleformer.attention.relative.distance_field import DistanceFieldRelative
from sampleformer.attention.relative.distance_normals import DistanceNormalsRelative
from sampleformer.attention.relative.edges import EdgeRelative
from sampleformer.attention.relative.offsets import OffsetRelative
from sampleformer.attention.relative.sinusoidal_concat import SinusoidalConcatRelative
from sampleformer.attention.relative.sinusoidal_product import SinusoidalProductRelative
from sampleformer.registry import Registry

RELATIVES = Registry(
    Relative,
    {
        "offsets": OffsetRelative,
        "sinusoidal_concat": SinusoidalConcatRelative,
        "sinusoidal_product": SinusoidalProductRelative,
        "edges": EdgeRelative,
        "distance": DistanceRelative,
        "distance_normals": DistanceNormalsRelative,
        "distance_field": DistanceFieldRelative,
    },
)
