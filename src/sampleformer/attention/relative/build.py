"""Relative terms by name, and built parts from what a user says. A new one joins by its entry here."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from sampleformer.attention.relative.base import Relative
from sampleformer.attention.relative.codes import OffsetRelative, SinusoidalConcatRelative, SinusoidalProductRelative
from sampleformer.attention.relative.distance_field import DistanceFieldRelative
from sampleformer.attention.relative.edges import EdgeRelative
from sampleformer.attention.relative.points import DistanceNormalsRelative, DistanceRelative
from sampleformer.registry import Registry
from sampleformer.settings import Component, validate

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


RelativeChoice: TypeAlias = Relative | dict[str, Any] | str | None
"""A built part, a name, a name with arguments (``{"name": "edges", "features": 3}``), or none."""


def told_relative(relative: RelativeChoice, inputs: Mapping[str, Any]) -> RelativeChoice:
    """The choice with those arguments filled in that the data tells and the user did not give.

    Args:
        relative: what is chosen.
        inputs: what the data says of its tokens.

    Example:
        >>> told_relative("edges", {"edge_features": 3})
        {'name': 'edges', 'features': 3}
    """
    given = {"name": relative} if isinstance(relative, str) else relative
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):  # none, built, or to be refused
        return relative
    told = getattr(RELATIVES.get(given["name"]), "told_by_data", {})
    return given | {ours: inputs[theirs] for ours, theirs in told.items() if ours not in given and theirs in inputs}


def make_relative(relative: RelativeChoice, heads: int) -> Relative | None:
    """The part that a user means.

    Args:
        relative: a part that is built already, or what to build; a name is one of `RELATIVES` or an import path.
        heads: h, of the attention.

    Raises:
        ValueError: if there is no such part, or it does not take the arguments.

    Example:
        >>> make_relative({"name": "offsets", "frequencies": 8}, heads=2)
        OffsetRelative(heads=2, features=16, frequencies=8)
    """
    if relative is None or isinstance(relative, Relative):
        return relative
    component = validate(Component, {"name": relative} if isinstance(relative, str) else relative, "relative")
    made: Relative = component.build(RELATIVES, "relative", heads=heads)
    return made
