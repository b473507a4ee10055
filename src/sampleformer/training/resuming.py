"""A run that goes on: with the recipe that it was begun with."""

from typing import Any

from sampleformer.errors import InputError
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder

ANY_PROCESSES: dict[str, Any] = {
    "devices": None,
    "hosts": None,
    "strategy": "ddp",
    "token_shards": None,
    "timeout_minutes": 30.0,
}
"""Settings of the processes that train, which may be others when a run goes on."""


def begun_recipe(folder: RunFolder, recipe: Recipe, *, trust_code: bool) -> Recipe:
    """The recipe that a run was begun with.

    Args:
        folder: Run folder.
        recipe: Recipe that is asked for, which must be the same; the steps of the run may have been fitted to a time.
        trust_code: Whether the folder may name classes outside this package.

    Raises:
        InputError: if another recipe is asked for.
    """
    begun = folder.read_recipe(trust_code=trust_code)
    asked = recipe.training
    asked = asked.model_copy(update=ANY_PROCESSES | {"parts": asked.parts or begun.training.parts})
    if asked.minutes is not None and asked.steps is None:
        fitted = {"steps": begun.training.steps, "min_steps": 0}
        fitted |= {"check_every": begun.training.check_every} if asked.check_every is None else {}
        asked = asked.model_copy(update=fitted)
    recipe = recipe.model_copy(update={"training": asked})
    if difference := _first_difference(begun.model_dump(), recipe.model_dump()):
        raise InputError(f"{difference}, and --resume goes on with the settings of {folder.config}; train anew instead")
    return begun


def _first_difference(old: dict[str, Any], new: dict[str, Any], where: str = "") -> str:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _first_difference(before, after, f"{where}{name}."):
                return inner
        elif before != after:
            return f"{where}{name}: {after!r} was asked for, but the run was started with {before!r}"
    return ""
