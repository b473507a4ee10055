"""Simple models by name."""

from __future__ import annotations

from collections.abc import Sequence

from sampleformer.compare import feature_models as features
from sampleformer.compare import networks
from sampleformer.compare.floor import Floor
from sampleformer.compare.simple_model import SimpleModel
from sampleformer.data.source import Splits
from sampleformer.errors import InputError
from sampleformer.registry import Registry

SIMPLE_MODELS: Registry[SimpleModel] = Registry(
    SimpleModel,  # type: ignore[type-abstract]
    {
        each.name: each
        for each in (
            Floor,
            features.Words,
            features.Codes,
            features.LinearNumbers,
            features.FingerprintTrees,
            features.FingerprintLinear,
            features.GraphStatistics,
            features.NeighbourMeans,
            features.CommonNeighbours,
            features.ShapeStatistics,
            features.BoostedNumbers,
            features.FingerprintBoosting,
            features.PointStatistics,
            networks.Bag,
            networks.Gin,
            networks.PointNet,
            networks.Dgcnn,
            networks.Perceptron,
        )
    },
)
"""In the order in which a comparison trains them, the fast ones first."""


def named_models(names: Sequence[str] | None) -> list[type[SimpleModel]] | None:
    """Classes of names that were asked for; None: none were.

    Raises:
        InputError: if a name is unknown.
    """
    return None if names is None else [SIMPLE_MODELS.resolve(name, "--simple") for name in names]


def suited_models(
    asked: Sequence[type[SimpleModel]] | None, ours: str, kind: str, splits: Splits
) -> list[type[SimpleModel]]:
    """The floor, and those that were asked for or else all that the data suit.

    Args:
        ours: Name of our model in `MODELS`, which is not compared with itself unless it was asked for.
        asked: Classes that were asked for. None: none were.
        kind: Kind of the data.
        splits: The data.

    Raises:
        InputError: if one that was asked for does not suit the data.
    """
    suited = [each for each in SIMPLE_MODELS.values() if not each.misfit(kind, splits)]
    for each in asked or ():
        if reason := each.misfit(kind, splits):
            names = ", ".join(one.name for one in suited)
            raise InputError(f"--simple: {each.name!r} does not suit the data: {reason}; expected one of {names}")
    chosen = [each for each in suited if each.default and each.name != ours] if asked is None else list(asked)
    return [Floor, *(each for each in chosen if each is not Floor)]
