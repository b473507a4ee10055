"""From what a user asks for on the command line to a recipe."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sampleformer.data import SOURCES
from sampleformer.errors import InputError
from sampleformer.recipes.library import change, names, read
from sampleformer.settings import validate
from sampleformer.training.recipe import Recipe

DEFAULTS = "defaults"


def request(
    recipe: str | None,
    *,
    data: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    attention: str | None = None,
    changes: Sequence[str] = (),
) -> Recipe:
    """The recipe that was asked for.

    Args:
        recipe: name of a packaged one, or path of a YAML file. None: ``defaults``, for the user's own table.
        data: arguments of the data's source that replace the recipe's: path, text, columns, label and so on. A
            ``text`` column makes it a table of texts, ``columns`` or ``numbers`` a table of numbers.
        epochs, steps: length of the training; at most one of them.
        seed: of the training.
        attention: name of another attention.
        changes: ``dotted.name=value`` each, made last.

    Raises:
        InputError: if anything is unknown or contradicts itself.
    """
    asked = {name: value for name, value in (data or {}).items() if value is not None}
    if recipe is None and "path" not in asked:
        known = ", ".join(name for name in names() if name != DEFAULTS)
        raise InputError(f"expected a recipe ({known}) or --data FILE")
    if epochs is not None and steps is not None:
        raise InputError("--epochs and --steps: expected one of them, got both")
    values = read(recipe or ("molecules" if "smiles" in asked else DEFAULTS))
    if recipe is None:
        values["name"] = Path(asked["path"]).name.partition(".")[0] or DEFAULTS
    values["data"] = _data_section(values.get("data") or {}, asked, need_kind=recipe is None)
    flags = {"training.epochs": epochs, "training.steps": steps, "seed": seed, "model.attention.name": attention}
    given = [f"{name}={value}" for name, value in flags.items() if value is not None]
    where = "" if recipe is None or recipe in names() else recipe
    return change(validate(Recipe, values, where), [*given, *changes])


def _data_section(section: dict[str, Any], asked: dict[str, Any], *, need_kind: bool) -> dict[str, Any]:
    numbers = asked.pop("numbers", False) or "columns" in asked
    if "text" in asked and numbers:
        raise InputError("--text and --numbers or --columns: expected one kind of table, got both")
    if need_kind and "text" not in asked and "smiles" not in asked and not numbers:
        raise InputError(
            "--data: expected --text COLUMN for a table of texts, --smiles COLUMN for one of molecules, or --numbers "
            "for one of numbers"
        )
    columns = ("text", "smiles")
    kind = next((name for name in columns if name in asked), "numbers" if numbers else section.get("name"))
    if kind != section.get("name"):
        accepted = inspect.signature(SOURCES[kind]).parameters  # type: ignore[index]
        section = {"name": kind} | {name: value for name, value in section.items() if name in accepted}
    return section | asked
