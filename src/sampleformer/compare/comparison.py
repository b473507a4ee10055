"""Our model and simple ones on the same data: the run."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sampleformer.allocator import return_freed_memory
from sampleformer.compare.entry import Entry
from sampleformer.compare.kinds import kind_of
from sampleformer.compare.networks import Ours
from sampleformer.compare.page import write_comparison_page
from sampleformer.compare.simple_model import Conditions, SimpleModel
from sampleformer.compare.simple_models import SIMPLE_MODELS, named_models, suited_models
from sampleformer.compare.verdict import DIGITS, SIMPLE, Contender, Verdict, judge, pace, start
from sampleformer.data.progress import announced
from sampleformer.data.source import Splits
from sampleformer.errors import LONGEST_MESSAGE, InputError, one_line
from sampleformer.extras import require
from sampleformer.files import write_json
from sampleformer.models.fitted.base import EXTRA
from sampleformer.output_paths import check_new_folder
from sampleformer.tasks import Task, count_known
from sampleformer.tasks.columns import columns_of
from sampleformer.tasks.metrics import better
from sampleformer.training.data_record import PARTS
from sampleformer.training.devices import pick_device
from sampleformer.training.outputs import known_targets
from sampleformer.training.provenance import describe_run, now
from sampleformer.training.recipe import Recipe, make_source
from sampleformer.training.selection import selecting_metric
from sampleformer.wording import count, number

FILE, PAGE = "compare.json", "compare.html"
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}
_FEW_TESTED = 50
_FEWEST_MINUTES = 1.0  # of a simple model that is fitted, where our model took less
_DESCRIBED = ("command", "versions", "git_revision", "machine", "threads", "started")

log = logging.getLogger("sampleformer")


def compare(
    recipe: Recipe,
    output: str | os.PathLike[str],
    *,
    simple: Sequence[str] | None = None,
    seeds: int = 1,
    device: str = "cpu",
    command: Sequence[str] | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Trains our model and simple ones on the same split and says which of them is worth using.

    The validation part chooses settings, weights and the best simple model; the test part is scored once for each
    training. The folder holds ``compare.json``, ``compare.html`` and the run folders of the networks.

    Args:
        recipe: Of our model; networks are trained with its training.
        output: Folder, which must not exist.
        simple: Names of `SIMPLE_MODELS`, or import paths. None: all that the data suit.
        seeds: Number of seeds, from the recipe's on. The split is the same for all.
        device: Of networks: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        command: The program and its arguments, for the file. None: those of this process.
        quiet: Without a word on how far it has come.

    Returns:
        What ``compare.json`` holds.

    Raises:
        InputError: if the recipe, the data, a name or the folder cannot be used.
    """
    folder, lines, device = Path(output), list(command or sys.argv), pick_device(device)
    asked = named_models(simple)
    _check(recipe, folder, seeds, list(SIMPLE_MODELS.values()) if asked is None else asked, complete=asked is not None)
    with announced("reading the data"):
        splits = make_source(recipe).load()
    task = splits.encoding.task
    _check_targets(splits)
    selecting, metric = _metrics(task, recipe)
    models = suited_models(asked, recipe.model.name, kind_of(splits), splits)
    _require(models)
    conditions = Conditions(splits, recipe, selecting, folder / "runs", recipe.training.minutes, device, quiet, lines)
    about = describe_run(lines, recipe.seed, device)
    entries = _trained(recipe, models, conditions, seeds)
    for entry in entries:
        if entry.trials:
            entry.resample(task, metric)
    about["versions"] |= _versions(models)
    results = _results(entries, conditions, metric, seeds, {key: about[key] for key in _DESCRIBED})
    folder.mkdir(parents=True, exist_ok=True)
    write_comparison_page(folder / PAGE, results)
    write_json(folder / FILE, results)
    return results


def _results(
    entries: Sequence[Entry], conditions: Conditions, metric: str, seeds: int, about: dict[str, Any]
) -> dict[str, Any]:
    """What ``compare.json`` holds."""
    recipe, splits = conditions.recipe, conditions.splits
    return {
        "recipe": recipe.name,
        "data": recipe.data.model_dump(),
        "kind": kind_of(splits),
        "task": splits.encoding.task.name,
        "metric": metric,
        "selected_by": conditions.metric,
        "unit": splits.encoding.target_unit,
        "rows": {part: count_known(known_targets(getattr(splits, part))) for part in PARTS},
        "seeds": [recipe.seed + number for number in range(seeds)],
        "minutes": conditions.minutes,
        "standard_error": "seeds" if seeds > 1 else "test rows",
        **about,
        "finished": now(),
        "models": [entry.record(metric, seeds) for entry in entries],
        "verdict": _verdict(entries, conditions.metric, metric),
    }


def _check(recipe: Recipe, folder: Path, seeds: int, models: Sequence[type[SimpleModel]], *, complete: bool) -> None:
    """Finds what is wrong with the request before the data is read."""
    if seeds < 1:
        raise InputError(f"--seeds: found {seeds}, expected at least 1")
    if folder.exists() or folder.is_symlink():
        raise InputError(f"{folder}: exists already and is never overwritten; give another --output")
    check_new_folder(folder)
    _require(models if complete else [each for each in models if "sklearn" in each.needs][:1])


def _require(models: Sequence[type[SimpleModel]]) -> None:
    """Refuses models whose packages are not installed."""
    for each in models:
        for package in each.needs:
            require(package, EXTRA)


def _check_targets(splits: Splits) -> None:
    """Refuses data without labels, or with labels that no simple model can learn."""
    task = splits.encoding.task
    if task.from_inputs:
        raise InputError(
            f"data.task: found {task.name!r}, which makes targets of the samples themselves; expected data with labels"
        )
    for name in PARTS:
        try:
            targets = known_targets(getattr(splits, name))
        except InputError as error:
            raise InputError(f"data, {name} part: {error}") from error
        columns_of(task, targets)


def _metrics(task: Task, recipe: Recipe) -> tuple[str, str]:
    """The metric that chooses on the validation part, and the one that is shown of the test part."""
    selecting = selecting_metric(task, recipe.training.selected_by)
    return selecting, selecting if selecting in task.metrics else task.metrics[0]


def _trained(recipe: Recipe, models: Sequence[type[SimpleModel]], conditions: Conditions, seeds: int) -> list[Entry]:
    """All models, ours first: what is wrong with its settings shows before the others take their time."""
    _import_all(models)
    ours = Entry(Ours(recipe), "ours")
    simple = [Entry(each(), "floor" if each.name == "floor" else "simple") for each in models]
    _train(ours, conditions, seeds)
    given = conditions.minutes
    minutes = max(_FEWEST_MINUTES, ours.seconds() / 60) if given is None else given
    for entry in simple:
        _train(entry, replace(conditions, minutes=minutes), seeds)
    return [ours, *simple]


def _import_all(models: Sequence[type[SimpleModel]]) -> None:
    """Imports what takes seconds, which are of no model."""
    importlib.import_module("sampleformer.training.fitting")
    if any("sklearn" in each.needs for each in models):
        for name in ("ensemble", "feature_extraction.text", "linear_model", "pipeline"):
            require(f"sklearn.{name}", EXTRA)


def _versions(models: Sequence[type[SimpleModel]]) -> dict[str, str]:
    """Versions of what the models need."""
    names = {_DISTRIBUTIONS.get(package, package) for each in models for package in each.needs}
    return {name: importlib.metadata.version(name) for name in sorted(names)}


def _train(entry: Entry, conditions: Conditions, seeds: int) -> None:
    """One model with all seeds; with one, if others give the same. A simple model that fails has a reason for it."""
    for seed in range(conditions.recipe.seed, conditions.recipe.seed + (seeds if entry.model.seeded else 1)):
        log.info("%s, seed %d", entry.model.title, seed)
        try:
            entry.trials.append(entry.model.train(conditions, seed))
        except Exception as error:  # whatever it is, the other models are worth their time
            if entry.role != "simple":
                raise
            foreseen = isinstance(error, InputError)
            named = f"{type(error).__name__}: {error}".removesuffix(": ")
            entry.reason = str(error) if foreseen else one_line(named, LONGEST_MESSAGE)
            log.log(logging.INFO if foreseen else logging.WARNING, "%s: %s", entry.model.title, entry.reason)
            log.debug("%s, seed %d", entry.model.title, seed, exc_info=error)
            return
        return_freed_memory()  # or it stands under the peak of the next model


def _verdict(entries: Sequence[Entry], selecting: str, metric: str) -> dict[str, Any]:
    """What to use, with the numbers that say so."""
    ours, floor = entries[0], next(each for each in entries if each.role == "floor")
    simple = _best(entries, selecting)
    beside = ours if simple is None or better(metric, _test(ours), _test(simple)) else simple
    error = 0.0 if simple is None else ours.error_beside(simple, metric)
    found = judge(
        _contender(ours, metric),
        None if simple is None else _contender(simple, metric),
        _contender(floor, metric),
        metric,
        error=error,
        floor_error=beside.error_beside(floor, metric),
    )
    return {
        "use": found.use,
        "sentence": found.sentence,
        "notes": _notes(entries, ours, simple, found, metric),
        "best_simple": None if simple is None else simple.model.name,
        "difference": None if simple is None else ours.mean("test", metric) - simple.mean("test", metric),
        "standard_error_of_difference": None if simple is None else error,
    }


def _cheaper(entries: Sequence[Entry], simple: Entry, metric: str) -> list[str]:
    """A sentence about the fastest simple model that cannot be told from the named one, if it is faster."""
    tied = [
        each
        for each in entries
        if each.role == "simple"
        and each.trials
        and abs(each.mean("test", metric) - simple.mean("test", metric)) <= each.error_beside(simple, metric)
    ]
    fastest = _contender(min([simple, *tied], key=Entry.seconds), metric)
    faster = pace(fastest, named := _contender(simple, metric))
    if fastest == named or not faster:
        return []
    score = number(fastest.score, DIGITS)
    return [f"{start(fastest.title)} is as good ({score}, within one standard error) and {faster}: it is the cheapest."]


def _best(entries: Sequence[Entry], selecting: str) -> Entry | None:
    """The simple model that is best on the validation part; of several with the best score, the fastest."""
    simple = [entry for entry in entries if entry.role == "simple" and entry.trials]
    if not simple:
        return None
    best = simple[0]
    for entry in simple[1:]:
        if better(selecting, _valid(entry, selecting), _valid(best, selecting)):
            best = entry
    tied = [entry for entry in simple if entry.mean("valid", selecting) == best.mean("valid", selecting)]
    return min(tied, key=Entry.seconds)


def _valid(entry: Entry, selecting: str) -> dict[str, float]:
    return {name: entry.mean("valid", name) for name in (selecting, "loss")}


def _test(entry: Entry) -> dict[str, float]:
    first = entry.trials[0].test
    return {name: entry.mean("test", name) for name in first} | {"loss": 0.0}


def _contender(entry: Entry, metric: str) -> Contender:
    return Contender(entry.model.title, entry.mean("test", metric), entry.seconds())


def _notes(entries: Sequence[Entry], ours: Entry, simple: Entry | None, found: Verdict, metric: str) -> list[str]:
    """Further sentences: what the verdict alone would hide."""
    notes = []
    tested = len(ours.trials[0].predictions.with_targets())
    if tested < _FEW_TESTED:
        notes.append(f"The test part has only {count(tested, 'label')}: with others all of this may be different.")
    if simple is not None and found.use == SIMPLE:
        notes += _cheaper(entries, simple, metric)
    if simple is not None:
        others = [each for each in entries if each.role == "simple" and each.trials and each is not simple]
        for each in others:
            if better(metric, _test(each), _test(simple)) and better(metric, _test(each), _test(ours)):
                score = number(each.mean("test", metric), DIGITS)
                notes.append(
                    f"On the test part {each.model.title} is better still ({score}), "
                    f"but the validation part chose {simple.model.title}."
                )
    return notes
