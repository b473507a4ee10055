"""What the study of estimators is asked to do."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampleformer.bench import options
from sampleformer.bench.estimator_variants import Variant, read_variants
from sampleformer.bench.needles import Needles
from sampleformer.errors import InputError

PARTS = ("bias", "task", "recipe")
QUICK: dict[str, Any] = {"lengths": "128", "seeds": 2, "steps": 40, "draws": 400, "recipe_steps": 45}
FULL_SIZE: dict[str, Any] = {"lengths": "128,512,2048", "seeds": 5, "steps": 300, "draws": 10_000, "recipe_steps": 450}
LONGEST = 2**17


@dataclass(frozen=True)
class EstimatorSettings:
    """Settings of the study, checked.

    Args:
        parts: of `PARTS`.
        variants: estimators, with and without schedules, and full attention.
        lengths: n of the controlled task, rising.
        seeds: how many, from 0 on.
        steps: of a training of the controlled task.
        draws: of the noise, for bias and variance.
        recipe: that the third part trains.
        recipe_steps: of each of these trainings.
        recipe_sampled: k of them.
        json: file to write the results to, and to go on from.
        plot: PNG file to draw.
    """

    parts: tuple[str, ...]
    variants: tuple[Variant, ...]
    lengths: tuple[int, ...]
    seeds: int
    steps: int
    draws: int
    recipe: str
    recipe_steps: int
    recipe_sampled: int
    json: Path | None = None
    plot: Path | None = None

    @classmethod
    def read(cls, given: argparse.Namespace) -> EstimatorSettings:
        """Settings from the command line.

        Raises:
            InputError: if one cannot be.
        """
        sizes = QUICK if given.quick else FULL_SIZE
        for name, value in sizes.items():
            if getattr(given, name) is None:
                setattr(given, name, value)
        options.check_positive(given, "seeds", "steps", "draws", "recipe_steps", "recipe_sampled")
        for name, least, why in (("seeds", 2, "to know a standard error"), ("draws", 100, "to know a variance")):
            if getattr(given, name) < least:
                raise InputError(f"--{name}: {getattr(given, name)}, expected at least {least}, {why}")
        lengths = options.several_numbers("--lengths", given.lengths, of="tokens", largest=LONGEST)
        shortest = Needles.informative + Needles.decoys
        if lengths[0] < shortest:
            raise InputError(f"--lengths: {lengths[0]}, expected at least {shortest}: so many tokens carry a code")
        return cls(
            parts=options.several_names("--parts", given.parts, PARTS),
            variants=read_variants(given.estimators),
            lengths=lengths,
            seeds=given.seeds,
            steps=given.steps,
            draws=given.draws,
            recipe=given.recipe,
            recipe_steps=given.recipe_steps,
            recipe_sampled=given.recipe_sampled,
            json=options.json_path(given.json),
            plot=options.png_path(given.plot),
        )
