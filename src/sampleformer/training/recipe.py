"""A recipe: everything that decides what a training gives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import Field, SerializeAsAny, field_validator

from sampleformer.data import SOURCES
from sampleformer.data.descriptors import DESCRIPTORS
from sampleformer.data.source import Source
from sampleformer.errors import InputError, shown
from sampleformer.models import MODELS, AnyModelSettings, ModelSettings
from sampleformer.parsing import parse_yaml
from sampleformer.settings import Component, Settings, override, validate
from sampleformer.training.settings import TrainingSettings

_PARTS = ("model", "model.attention", "training.optimizer", "training.schedule")
"""Parts whose settings belong to their name."""

_VOID = {
    "training.epochs": {"steps": "null", "min_steps": "0"},
    "training.minutes": {"steps": "null"},
    "training.steps": {"epochs": "null", "minutes": "null", "min_steps": "0"},
}
"""What a change of the length of a training takes away, by its name; passes stay a limit of a time. To take one of them
away takes nothing else away."""


class Recipe(Settings):
    """Data, model and training under one name.

    Args:
        name: names the run folder.
        description: one line.
        source: the paper or data set that it follows, as a citation.
        seed: of the weights, the order of the samples and all noise of training. The data has a seed of its own, so
            that trainings with other seeds see the same split.
        data: the source of the samples and its arguments.
        descriptors: Numbers that describe whole samples and join at the head, by their names in `DESCRIPTORS` with
            arguments: ``[morgan, {name: columns, columns: [age, dose]}]``.
        blend: Models that are fitted to the training part at once, whose outputs are blended with those of the trained
            one, by their names in `MODELS` with settings: ``[ngrams, {name: forest, trees: 500}]``. What each weighs is
            decided on the validation part.
        model: name of the model in `MODELS`, or the import path of a class derived from `Model`, and its settings.
        training: the training.
    """

    name: str = Field(pattern=r"^[^/\\\x00-\x1f]{1,200}$")  # the run folder is called by it
    description: str = ""
    source: str = ""
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: Component
    descriptors: tuple[Component, ...] = ()
    blend: tuple[Component, ...] = ()
    model: SerializeAsAny[AnyModelSettings] = ModelSettings()
    training: TrainingSettings

    @field_validator("model", mode="before")
    @classmethod
    def _of_its_kind(cls, given: Any) -> Any:
        """Settings of the class that the name stands for; without a name those of the transformer."""
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, Mapping):
            return given
        name = given.get("name", ModelSettings().name)
        if not isinstance(name, str):
            raise InputError(f"model.name: found {shown(name)}, expected the name of a model")
        return validate(MODELS.resolve(name, "model.name").Settings, {**given, "name": name}, at="model.")


def make_source(recipe: Recipe) -> Source:
    """The source of a recipe's data, with its descriptors.

    Raises:
        InputError: if a setting of the data or of a descriptor is unknown or wrong.
    """
    source: Source = recipe.data.build(SOURCES, "data")
    return described(source, recipe.descriptors)


def described(source: Source, descriptors: Sequence[Component]) -> Source:
    """A source that knows which descriptors its samples have.

    Raises:
        InputError: if one is unknown or wrong, or the samples of the source cannot have it.
    """
    source.check_descriptors(descriptors)
    source.descriptors = [each.build(DESCRIPTORS, f"descriptors.{each.name}") for each in descriptors]
    return source


def change(recipe: Recipe, changes: Iterable[str]) -> Recipe:
    """A recipe with some of its settings changed.

    Changing ``training.epochs`` takes ``training.steps`` and ``training.min_steps`` away, changing ``training.minutes``
    the steps alone; changing ``training.steps`` takes the three others away; ``null`` takes away no other.
    Another ``model.name`` takes the settings of the old model away, another ``model.attention.name``,
    ``training.optimizer.name`` or ``training.schedule.name`` the arguments of the old part.

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
    if name in _VOID:
        given = parse_yaml(value, f"{name}: {shown(value)}")
        for other, nothing in {} if given is None else _VOID[name].items():
            values = override(values, f"training.{other}", nothing)
        return values
    *outer, last = name.split(".")
    group: Any = values
    for each in outer:
        group = group.get(each) if isinstance(group, Mapping) else None
    if last == "name" and isinstance(group, Mapping) and ".".join(outer) in _PARTS and group.get("name") != value:
        return override(values, ".".join(outer), "{}")
    return values
