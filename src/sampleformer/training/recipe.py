"""A recipe: everything that decides what a training gives."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from sampleformer.errors import InputError
from sampleformer.model import ModelSettings
from sampleformer.settings import Component, Settings, override, validate
from sampleformer.training.settings import TrainingSettings


class Recipe(Settings):
    """Data, model and training under one name.

    Args:
        name: names the run folder.
        description: one line.
        source: the paper or data set that it follows, as a citation.
        seed: of the weights, the order of the samples and all noise of training. The data has a seed of its own, so
            that trainings with other seeds see the same split.
        data: the source of the samples and its arguments.
        model: the model.
        training: the training.
    """

    name: str = Field(pattern=r"^[^/\\\x00-\x1f]{1,200}$")  # the run folder is called by it
    description: str = ""
    source: str = ""
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: Component
    model: ModelSettings = ModelSettings()
    training: TrainingSettings


def change(recipe: Recipe, changes: Iterable[str]) -> Recipe:
    """A recipe with some of its settings changed.

    Changing ``training.epochs`` takes ``training.steps`` and ``training.min_steps`` away, and the other way round.
    Another ``model.attention.name`` takes the arguments of the old attention away.

    Args:
        recipe: stays as it is.
        changes: ``dotted.name=value`` each, the value in YAML.

    Raises:
        InputError: if a setting is unknown or wrong.
    """
    values = recipe.model_dump()
    for text_of_change in changes:
        name, equals, value = text_of_change.partition("=")
        if not equals or not name:
            raise InputError(
                f"--set {text_of_change}: expected a dotted name, an equals sign and a value: model.width=64"
            )
        values = _cleared(values, name, value)
        values = override(values, name, value)
    return validate(Recipe, values)


def _cleared(values: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    """The settings without what a change of this one makes void."""
    other = {"training.epochs": "steps", "training.steps": "epochs"}.get(name)
    if other:
        return override(override(values, f"training.{other}", "null"), "training.min_steps", "0")
    if name == "model.attention.name" and values["model"]["attention"]["name"] != value:
        return override(values, "model.attention", "{}")
    return values
