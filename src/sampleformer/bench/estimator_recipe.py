"""A real task: a packaged recipe, trained as `train` does it, with few tokens chosen."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from sampleformer.bench.estimator_variants import Variant
from sampleformer.recipes import change, load
from sampleformer.training import Recipe, train
from sampleformer.training.summary import main_score


class RecipeCell(TypedDict):
    """One training: the score that selects, on the test part, of the best weights on the validation part and the last.

    ``score`` is that score's name, ``seconds`` are by the clock.
    """

    variant: str
    recipe: str
    sampled: int
    seed: int
    steps: int
    score: str
    best: float
    last: float
    seconds: float


def variant_recipe(variant: Variant, recipe: str, sampled: int, seed: int, steps: int) -> Recipe:
    """The recipe of one cell: no tokens are near a token by right, so that all it sees it has chosen.

    Args:
        variant: what is compared.
        recipe: name or file of a recipe that names SAMSA.
        sampled: k.
        seed: of the training; the data keeps its own.
        steps: of the optimiser.

    Raises:
        InputError: if there is no such recipe, or it cannot have these settings.
    """
    given = [f"model.attention.sampled={sampled}", "model.local=null", f"seed={seed}", f"training.steps={steps}"]
    changed = load(recipe, [*given, *variant.recipe_changes()])
    warmup = min(changed.training.warmup_steps, steps // 10)  # a short training is not all warm-up
    return change(changed, [f"training.warmup_steps={warmup}"])


def train_recipe(variant: Variant, recipe: str, sampled: int, seed: int, steps: int) -> RecipeCell:
    """Trains one cell in a folder that is thrown away.

    Args: as for `variant_recipe`.
    """
    settings = variant_recipe(variant, recipe, sampled, seed, steps)
    with tempfile.TemporaryDirectory() as folder, _silent():
        run = train(settings, Path(folder) / "run", quiet=True, command=[])
        results = json.loads(run.results.read_text(encoding="utf-8"))
    score = main_score(results)
    return {
        "variant": variant.name,
        "recipe": recipe,
        "sampled": sampled,
        "seed": seed,
        "steps": steps,
        "score": score,
        "best": results["best"]["test"][score],
        "last": results["last"]["test"][score],
        "seconds": results["train_seconds"],
    }


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps back what each of many trainings would say of itself; warnings are shown."""
    logger = logging.getLogger("sampleformer")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
