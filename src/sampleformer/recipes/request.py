"""From what a user asks for on the command line to a recipe."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sampleformer.data import SOURCES
from sampleformer.errors import InputError
from sampleformer.models import MODELS
from sampleformer.recipes.kinds import (
    KINDS,
    Kind,
    kind_of,
    named_kind,
    prepared_kind,
    prepared_manifest,
    seen_kind,
)
from sampleformer.recipes.library import names, read
from sampleformer.settings import arguments_of, validate
from sampleformer.training.recipe import Recipe, change

_LONGEST_NAME = 60


def request(
    recipe: str | None,
    *,
    data: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    devices: int | None = None,
    hosts: int | None = None,
    seed: int | None = None,
    model: str | None = None,
    attention: str | None = None,
    init_from: str | None = None,
    changes: Sequence[str] = (),
) -> Recipe:
    """The recipe that was asked for.

    Args:
        recipe: name of a packaged one, or path of a YAML file. None: that of the kind of the user's own data.
        data: arguments of the data's source that replace the recipe's: path, text, columns, label and so on. Some of
            them say what kind of data it is, see `kinds`.
        epochs, steps, minutes: length of the training; at most one of them.
        devices, hosts: processes on each host, and hosts.
        seed: of the training.
        model: name of another model, which begins with its own settings.
        attention: name of another attention.
        init_from: folder of a run to start from.
        changes: ``dotted.name=value`` each, made last.

    Raises:
        InputError: if anything is unknown or contradicts itself.
    """
    asked = {name: value for name, value in (data or {}).items() if value is not None}
    lengths: dict[str, object] = {"epochs": epochs, "steps": steps, "minutes": minutes}
    if len(both := [f"--{name}" for name, value in lengths.items() if value is not None]) > 1:
        raise InputError(f"{both[0]} and {both[1]}: expected one of them, got both")
    values = _of_data(recipe, asked, model)
    if model is not None:  # it was named to be seen alone
        values["blend"] = []
    flags: dict[str, object] = {f"training.{name}": value for name, value in lengths.items()} | {"seed": seed}
    flags |= {"training.devices": devices, "training.hosts": hosts}
    flags |= {"model.name": model, "model.attention.name": attention}
    flags["training.init_from"] = None if init_from is None else json.dumps(init_from)
    given = [f"{name}={value}" for name, value in flags.items() if value is not None]
    where = "" if recipe is None or recipe in names() else recipe
    return change(validate(Recipe, values, where), [*given, *changes])


def _of_data(recipe: str | None, asked: dict[str, Any], model: str | None) -> dict[str, Any]:
    """Values of a recipe, with the user's data and its descriptors; what was asked of the data is used up."""
    places = [asked[name] for name in ("path", "edges", "nodes") if name in asked]
    if recipe is None and not places:
        known = ", ".join(name for name in names() if name not in {kind.recipe for kind in KINDS})
        raise InputError(f"expected a recipe ({known}) or --data FILE")
    prepared = prepared_manifest(asked)
    if prepared is not None:
        kind: Kind | None = prepared_kind(prepared)
    else:
        kind = kind_of(asked) if recipe is None else named_kind(asked)
    values = read(recipe or kind.recipe)  # type: ignore[union-attr]
    if kind is None and values.get("data", {}).get("name") in {known.source for known in KINDS}:
        kind = seen_kind(asked)  # a recipe for folders serves files of arrays too
    if recipe is None:
        values["name"] = _name_of(places[0]) or values["name"]
    features = asked.pop("features", None)
    values["data"] = _data_section(values.get("data") or {}, asked, kind)
    if prepared is not None:
        values["descriptors"] = [each.model_dump() for each in prepared.plan.descriptors]
    else:
        values["descriptors"] = _descriptors(values.get("descriptors") or [], features, model)
    return values


def _descriptors(given: Sequence[Any], features: Sequence[str] | None, model: str | None) -> list[Any]:
    """Descriptors of a recipe, but for a model that takes none; and the user's columns."""
    if model is not None and not MODELS.resolve(model, "model.name").takes_descriptors:
        given = []
    return [*given, *([{"name": "columns", "columns": list(features)}] if features else [])]


def _name_of(place: str) -> str:
    """The name of a file or folder without its endings, as that of a run folder: those of files may be stranger."""
    return re.sub(r"[\\\x00-\x1f]", "-", Path(place).name.partition(".")[0])[:_LONGEST_NAME]


def _data_section(section: dict[str, Any], asked: dict[str, Any], kind: Kind | None) -> dict[str, Any]:
    if kind is None and "columns" in asked and not _takes(section, "columns"):
        kind = kind_of(asked)
    asked.pop("numbers", None)
    if kind is not None and kind.source != section.get("name"):
        accepted = _settings_of(kind.source)
        section = {"name": kind.source} | {name: value for name, value in section.items() if name in accepted}
    return section | asked


def _takes(section: Mapping[str, Any], argument: str) -> bool:
    """Whether the source of a data section has such an argument."""
    return argument in _settings_of(section.get("name", ""))


def _settings_of(source: str) -> set[str]:
    """Names of all settings of a source."""
    made = SOURCES.get(source)
    return set() if made is None else {*arguments_of(made), *made.further_settings}
