"""Trains known models on the data of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sampleformer.bench.baseline_kinds import BASELINES, kind_of_data
from sampleformer.bench.baseline_settings import BaselineSettings
from sampleformer.bench.peers.baseline import BaselineResult
from sampleformer.data import SOURCES
from sampleformer.data.source import Splits
from sampleformer.errors import InputError, nearest
from sampleformer.training.outputs import known_targets
from sampleformer.training.provenance import describe_run, now

MACHINE = ("command", "seed", "versions", "git_revision", "machine", "threads", "started")
"""What is kept of how a run is described."""


def train_baselines(
    settings: BaselineSettings,
    names: Sequence[str] | None,
    command: Sequence[str],
    watch: Callable[[str], None] = lambda doing: None,
) -> dict[str, Any]:
    """Trains baselines on the very splits that our model of the same recipe is trained on.

    Args:
        settings: the recipe, and how long and where to train.
        names: of `BASELINES`; None: all that the data suits.
        command: the program and its arguments, for the result.
        watch: told what is being done.

    Returns:
        What was trained on what and where, and for each baseline under ``baselines`` its parameters, steps and
        seconds, and the scores on validation and test part of the state that was best on the validation part and of the
        last one.

    Raises:
        InputError: if a name is unknown or does not suit the data, or the data cannot be used.
    """
    for name in names or ():
        if name not in BASELINES:
            raise InputError(f"--baselines: {name!r} is unknown; {nearest(name, BASELINES)}")
    recipe, about = settings.recipe, describe_run(command, settings.recipe.seed, "cpu")
    watch("reading the data")
    splits = recipe.data.build(SOURCES, "data").load()
    _check(splits)
    names = _suited(names, kind_of_data(splits))
    selected_by, encoding = settings.selected_by(splits), splits.encoding
    results = {}
    for name in names:
        found = BASELINES[name].train(splits, settings, lambda doing, name=name: watch(f"{name}: {doing}"))  # type: ignore[misc]
        results[name] = {"sees": BASELINES[name].sees, **_record(found)}
    return {
        "recipe": recipe.name,
        "data": recipe.data.model_dump(),
        **{key: about[key] for key in MACHINE},
        "finished": now(),
        "task": encoding.task.name,
        "selected_by": selected_by,
        "majority_share": encoding.task.majority_share(known_targets(splits.test)),
        "samples": {part: len(getattr(splits, part)) for part in ("train", "valid", "test")},
        "batch_size": recipe.training.batch_size,
        "baselines": results,
    }


def _check(splits: Splits) -> None:
    """That each part has answers to learn from, one a sample."""
    task = splits.encoding.task
    if task.of_tokens:
        asked = "pairs" if task.of_pairs else f"each {splits.encoding.unit}"
        raise InputError(f"--baselines: found data with answers for {asked}, expected one answer a sample")
    for name in ("train", "valid", "test"):
        try:
            known_targets(getattr(splits, name))
        except InputError as error:
            raise InputError(f"data, {name} part: {error}") from error
    if len(splits.train) < 2:
        raise InputError("data, train part: found 1 sample, expected at least 2 for baselines")


def _suited(names: Sequence[str] | None, kind: str) -> Sequence[str]:
    """The baselines that were asked for, or all that the data suits."""
    suited = [name for name, baseline in BASELINES.items() if kind in baseline.kinds]
    if not suited:
        raise InputError(f"--baselines: there are none for {kind}, expected molecules")
    for name in names or ():
        if name not in suited:
            raise InputError(
                f"--baselines: {name!r} is for {' and '.join(BASELINES[name].kinds)}, but the data are {kind}; "
                f"expected {' or '.join(suited)}"
            )
    return names or suited


def _record(found: BaselineResult) -> dict[str, Any]:
    return {
        "parameters": found.parameters,
        "steps": found.steps,
        "train_seconds": round(found.seconds, 3),
        "best": {"step": found.best_step, "valid": dict(found.best_valid), "test": dict(found.best)},
        "last": {"step": found.steps, "valid": dict(found.last_valid), "test": dict(found.last)},
    }
