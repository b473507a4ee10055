"""Runs what the study of estimators was asked for, cell by cell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from sampleformer.bench.estimator_bias import SIZES, measure_bias
from sampleformer.bench.estimator_file import StudyFile
from sampleformer.bench.estimator_settings import EstimatorSettings
from sampleformer.bench.estimator_task import train_task
from sampleformer.bench.estimator_variants import estimators_of
from sampleformer.training.provenance import describe_run

ABOUT = ("command", "versions", "git_revision", "machine", "threads", "started")
"""What is kept of how a run is described: the last one that wrote the file."""


def run_study(settings: EstimatorSettings, found: StudyFile, watch: Callable[[str], None] = lambda doing: None) -> None:
    """Makes every cell that is not there yet.

    Args:
        settings: what to make.
        found: gets the cells, and holds those of earlier runs.
        watch: told what is being done.
    """
    about = describe_run(sys.argv, 0, "cpu")
    found.about = {name: about[name] for name in ABOUT}
    for part in settings.parts:
        {"bias": _bias, "task": _task, "recipe": _recipe}[part](settings, found, watch)


def _bias(settings: EstimatorSettings, found: StudyFile, watch: Callable[[str], None]) -> None:
    for n, k in SIZES:
        for estimator in estimators_of(settings.variants):
            for seed in range(settings.seeds):
                watch(f"bias: {estimator}, n = {n}, k = {k}, seed {seed}")
                key = {"estimator": estimator, "n": n, "k": k, "seed": seed, "draws": settings.draws}
                found.cell("bias", key, lambda key=key: measure_bias(key.pop("estimator"), **key))  # type: ignore[misc]


def _task(settings: EstimatorSettings, found: StudyFile, watch: Callable[[str], None]) -> None:
    for length in settings.lengths:
        for seed in range(settings.seeds):  # seeds first: a run that is cut short still compares like with like
            for variant in settings.variants:
                watch(f"task: {variant.name}, n = {length}, seed {seed}")
                key = {"variant": variant.name, "n": length, "seed": seed, "steps": settings.steps}
                found.cell(
                    "task",
                    key,
                    lambda variant=variant, length=length, seed=seed: train_task(  # type: ignore[misc]
                        variant, length, seed, settings.steps
                    ),
                )


def _recipe(settings: EstimatorSettings, found: StudyFile, watch: Callable[[str], None]) -> None:
    from sampleformer.bench.estimator_recipe import train_recipe  # Lightning takes seconds to import

    same: dict[str, Any] = {
        "recipe": settings.recipe,
        "sampled": settings.recipe_sampled,
        "steps": settings.recipe_steps,
    }
    for seed in range(settings.seeds):
        for variant in settings.variants:
            watch(f"recipe: {variant.name}, seed {seed}")
            found.cell(
                "recipe",
                {"variant": variant.name, "seed": seed, **same},
                lambda variant=variant, seed=seed: train_recipe(variant, seed=seed, **same),  # type: ignore[misc]
            )
