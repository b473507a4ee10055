"""The packaged recipes, and recipes of the user's own."""

import os
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from sampleformer.documents import MOST_YAML_BYTES, read_text
from sampleformer.errors import InputError, nearest, shown
from sampleformer.parsing import parse_yaml
from sampleformer.settings import validate
from sampleformer.training.recipe import Recipe, change


def names() -> list[str]:
    """Names of the packaged recipes.

    Example:
        >>> "digits" in names()
        True
    """
    files = resources.files("sampleformer.recipes").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def text(name: str | os.PathLike[str]) -> str:
    """The YAML of a packaged recipe, or of a file.

    Raises:
        InputError: if there is neither.
    """
    if str(name) in names():
        return resources.files("sampleformer.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(f"unknown recipe {str(name)!r}; {nearest(str(name), names())}, or the path of a .yaml file")
    return read_text(path, "a recipe in YAML", MOST_YAML_BYTES)


def read(name: str | os.PathLike[str]) -> dict[str, Any]:
    """A recipe's settings as plain values, not yet checked.

    Raises:
        InputError: if there is no such recipe, or it is no YAML.
    """
    values = parse_yaml(text(name), str(name))
    if not isinstance(values, dict):
        raise InputError(f"{name}: expected settings (data, model, training, …), found {shown(values)}")
    return values


def load(name: str | os.PathLike[str], changes: Iterable[str] = ()) -> Recipe:
    """A recipe, with some of its settings changed.

    Args:
        name: of a packaged recipe, or path of a YAML file.
        changes: ``dotted.name=value`` each, the value in YAML.

    Raises:
        InputError: if the recipe or a setting is unknown or wrong.

    Example:
        >>> load("digits", ["training.epochs=3"]).training.epochs
        3
    """
    where = "" if str(name) in names() else str(name)
    return change(validate(Recipe, read(name), where), changes)
