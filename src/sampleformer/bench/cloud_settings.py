"""What `bench clouds` is asked to do."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from sampleformer.bench import options
from sampleformer.bench.settings import Measuring
from sampleformer.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CloudsSettings(Measuring):
    """Settings of the benchmark of point clouds, checked.

    Args:
        models: names, see `cloud_models`.
        points: of a cloud, rising numbers.
        published: whether our models have the published sizes, rather than small ones.
        layers: of our models; None: as the sizes have it, like the next three.
        width: of our models.
        heads: of our models.
        sampled: k of our models.
        invariant: whether our models see only what no rotation changes.
        neighbours: nearest points of each point that the embedding of our models sees.
        plot: PNG file to draw.
    """

    models: tuple[str, ...]
    points: tuple[int, ...] = (1024,)
    published: bool = False
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    sampled: int | None = None
    invariant: bool = False
    neighbours: int = 16
    plot: Path | None = None

    @classmethod
    def read(cls, given: argparse.Namespace) -> "CloudsSettings":
        """Settings from the command line.

        Raises:
            InputError: if one cannot be.
        """
        from sampleformer.bench.cloud_models import MODELS, PEERS, sizes_of

        options.check_positive(given, "layers", "width", "heads", "sampled")
        if given.neighbours < 0:
            raise InputError(f"--neighbours: {given.neighbours}, expected at least 0")
        settings = cls(
            models=options.several_names("--models", given.models, MODELS),
            points=options.several_numbers("--points", given.points, of="points"),
            published=given.published,
            layers=given.layers,
            width=given.width,
            heads=given.heads,
            sampled=given.sampled,
            invariant=given.invariant,
            neighbours=given.neighbours,
            plot=options.png_path(given.plot),
            **cls.arguments(given),
        )
        peers = [name for name in settings.models if name in PEERS]
        if peers and settings.batch < 2 and "train" in settings.passes:
            # Their batch norms see one vector a cloud behind the pooling, and one has no variance.
            raise InputError(f"--batch: 1, expected at least 2 for training steps of {', '.join(peers)}")
        for name in settings.models:
            sizes = None if name in PEERS else sizes_of(name, settings)
            if sizes is not None and sizes.width % sizes.heads:
                raise InputError(f"--heads: {sizes.heads}, expected a divisor of --width, which is {sizes.width}")
        return settings
