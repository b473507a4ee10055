"""A training from recipe to run folder."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sampleformer.data.progress import announced
from sampleformer.data.source import Source, Splits
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.files import write_json
from sampleformer.models import Model
from sampleformer.reading import reading
from sampleformer.registry import trusted_code
from sampleformer.settings import Component
from sampleformer.tasks import Predictions
from sampleformer.training.blending import check_blend, fit_parts
from sampleformer.training.building import check_model, make_model
from sampleformer.training.checkpoint_files import restore_checkpoints
from sampleformer.training.data_record import DataRecord, load_again
from sampleformer.training.devices import pick_device
from sampleformer.training.finishing import finish
from sampleformer.training.learning_rate import rate_factor
from sampleformer.training.loss import make_loss
from sampleformer.training.lost import launcher, was_begun, watched
from sampleformer.training.optimizers import optimizer_of
from sampleformer.training.outputs import example_targets
from sampleformer.training.processes import Processes, check_samples, join
from sampleformer.training.provenance import describe_run, now, versions
from sampleformer.training.recipe import Recipe, described, make_source
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.selection import selecting_metric
from sampleformer.training.shared_tokens import share_tokens
from sampleformer.training.starting import Start
from sampleformer.training.timing import TimeLimit, fit_to_time
from sampleformer.weights import most_tensors

if TYPE_CHECKING:
    from lightning.pytorch import Callback


MOST_TENSORS = 100_000
"""Parameters and buffers of a model; one with so many layers would be built for minutes before it failed."""

DECIDED = {
    "accelerator",
    "callbacks",
    "default_root_dir",
    "devices",
    "max_epochs",
    "num_sanity_val_steps",
    "precision",
    "reload_dataloaders_every_n_epochs",
    "use_distributed_sampler",
}
"""Arguments of Lightning's trainer that are not the user's."""

ANY_PROCESSES: dict[str, Any] = {
    "devices": None,
    "hosts": None,
    "strategy": "ddp",
    "token_shards": None,
    "timeout_minutes": 30.0,
}
"""Settings of the processes that train, which may be others when a run goes on."""

log = logging.getLogger("sampleformer")


def train(
    recipe: Recipe,
    output: str | os.PathLike[str],
    *,
    resume: bool = False,
    device: str = "cpu",
    command: Sequence[str] | None = None,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    trainer: Mapping[str, Any] | None = None,
    finished: Callable[[RunFolder, Splits, Predictions], object] | None = None,
    source: Source | None = None,
    splits: Splits | None = None,
    trust_code: bool = False,
) -> RunFolder:
    """Trains a model and scores it on the test part.

    Everything that can be wrong with recipe, data and model is found before the folder is made. The weights that are
    kept are those of the check with the best score on the validation part; the test part is looked at once, at the
    end, with these and with the last ones.

    Args:
        recipe: of the run. To go on with a run it must be the one that the run was started with.
        output: the run folder.
        resume: go on from the folder's last checkpoint; a finished run stays as it is.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        command: the program and its arguments, for ``run.json``. None: those of this process.
        quiet: without a word on how far it has come.
        callbacks: further Lightning callbacks; they see ``train_loss``, ``valid_loss`` and ``valid_<metric>``.
        trainer: further arguments of Lightning's `Trainer`, such as ``{"logger": CSVLogger("logs")}``.
        finished: called at the end with the run folder, the data, and the predictions of the best weights for its test
            part, which are then still at hand.
        source: data in the place of the recipe's, such as a `GraphList`. The run folder cannot make it again: what
            needs the data later wants a file.
        splits: what the recipe's data gives, where that has been read already. None: it is read. A run that starts from
            another one reads it in any case, with that one's vocabulary.
        trust_code: Whether a run that is resumed, or that a training starts from, may name classes outside this package
            by their import path. A new run's recipe is code and may.

    Returns:
        The run folder.

    Raises:
        InputError: if the recipe, the data or the folder cannot be used.
        KeyboardInterrupt: if the user stopped the training; the folder can be resumed.

    Where torchrun or SLURM started this process as one of several, all of them train together: each calls this with the
    same arguments, the first one writes.
    """
    require("lightning", "train")
    limit = None if recipe.training.minutes is None else TimeLimit(recipe.training.minutes)
    device = pick_device(device)
    _check_trainer(trainer or {})
    folder = RunFolder(output)
    processes = join(recipe.training, device)
    if source is not None:
        recipe = recipe.model_copy(
            update={"data": Component(name=f"{type(source).__module__}.{type(source).__name__}")}
        )
    with ExitStack() as held:
        held.enter_context(watched(processes))
        processes.check_alike({"recipe": recipe.model_dump(mode="json"), "version": versions()})
        resume = resume or processes.agreed(was_begun(folder))
        trained: dict[str, Tensor] = {}
        if resume:
            recipe = _same(folder, recipe, trust_code=trust_code)
            if processes.agreed(folder.results.exists()):
                log.info("%s: the training is finished, there is nothing to go on with", folder.path)
                return folder
            if processes.is_first:
                held.enter_context(folder.locked())
                trained = restore_checkpoints(folder)
        elif processes.is_first:
            folder.check_free()
        processes.agreed(None)  # the others come when this is done
        start = (
            None
            if resume or not recipe.training.init_from
            else Start.of(recipe.training.init_from, trust_code=trust_code)
        )
        with trusted_code(trust_code or not resume):
            check_blend(recipe.blend)
            check_model(recipe, device, most_tensors(trained) if trained else MOST_TENSORS)
            with announced("reading the data"), processes.first_on_each_host():
                splits, record = _load(recipe, folder, source, start, splits, resume=resume)
            processes.check_alike({"training data": record.digest_of(splits)})
            recipe = _of_processes(recipe, processes, len(splits.train))
            model = make_model(recipe, splits, folder, trained, device)
            make_loss(splits.encoding.task, recipe.training.loss, example_targets(splits.train))
            optimizer_of(recipe.training, model)
            rate_factor(recipe.training, total_steps=1)
            if start is not None:
                start.fill(model, splits.encoding.task)
            if processes.tokens is not None:
                share_tokens(model, splits.train, recipe.training, processes.tokens, device)
            fitted_parts = fit_parts(recipe, splits, processes)
            if limit is not None and recipe.training.steps is None:
                recipe = _fit_to_time(model, splits, recipe, device, limit, processes)
        launchers = sorted({each for each in processes.gathered(launcher()) if each is not None})
        run: dict[str, Any] = {}
        if processes.is_first:
            several = {"processes": processes.size, "hosts": processes.hosts, "launchers": launchers}
            run = _begin(folder, recipe, start, record, resume, list(command or sys.argv), device, several)
            if not resume:
                held.enter_context(folder.locked())
        processes.agreed(None)

        from sampleformer.training.fitting import fit  # Lightning takes seconds to import: not before all is checked

        with trusted_code(trust_code or not resume):
            fitted = fit(
                model,
                splits,
                recipe,
                folder,
                device=device,
                quiet=quiet,
                callbacks=callbacks,
                arguments=trainer,
                limit=limit,
                processes=processes,
            )
        processes.agreed(None)  # the first one has written its checkpoints, which all read
        results, predictions = finish(model.to(device), splits, recipe, folder, fitted, fitted_parts, processes)
        if processes.is_first:
            write_json(folder.run_file, run | {"finished": now(), "train_seconds": round(fitted.seconds, 3)})
            write_json(folder.results, results)  # last: where it is, the run is complete
        processes.agreed(None)
        if finished is not None and processes.is_first:
            finished(folder, splits, predictions)
    return folder


def _of_processes(recipe: Recipe, processes: Processes, samples: int) -> Recipe:
    """The recipe for so many processes, which a run does not keep: it may go on with others."""
    settings = check_samples(recipe.training, processes, samples)
    return recipe.model_copy(update={"training": settings.model_copy(update=ANY_PROCESSES)})


def _check_trainer(arguments: Mapping[str, Any]) -> None:
    for name in sorted(arguments.keys() & DECIDED):
        raise InputError(f"trainer: found {name!r}, which the recipe or another argument of train decides")


def _load(
    recipe: Recipe,
    folder: RunFolder,
    source: Source | None,
    start: Start | None,
    splits: Splits | None,
    *,
    resume: bool,
) -> tuple[Splits, DataRecord]:
    """The samples and what the run remembers of them; a training that goes on must have those that it began with."""
    in_memory = source is not None
    if resume:
        record = DataRecord.read(folder)
        if source is None:
            splits = load_again(folder, recipe)
        else:
            splits = described(source, recipe.descriptors).load()
            record.check_split(splits, recipe.data.name)
    else:
        source = make_source(recipe) if source is None else described(source, recipe.descriptors)
        if start is not None:
            start.prepare(source)
        if splits is None or start is not None:
            splits = source.load()
        record = DataRecord.of(recipe, source, splits, folder, in_memory=in_memory)
    _check_splits(splits, recipe)
    return splits, record


def _fit_to_time(
    model: Model, splits: Splits, recipe: Recipe, device: str, limit: TimeLimit, processes: Processes
) -> Recipe:
    """The recipe with as many steps as fit into the time."""
    from sampleformer.training.trial import measured_costs

    with announced("timing the first steps"):
        costs = measured_costs(model, splits, recipe, device=device, seconds=limit.seconds, processes=processes)
    settings = recipe.training
    batches = -(-len(splits.train) // (settings.accumulate * settings.batch_size))
    settings, words = fit_to_time(settings, costs, processes.agreed(limit.seconds - limit.spent), batches)
    log.info("%s", words)
    limit.check = costs.check
    return recipe.model_copy(update={"training": settings})


def _same(folder: RunFolder, recipe: Recipe, *, trust_code: bool) -> Recipe:
    """The recipe that a run was started with, which the one asked for must be; its steps may have been fitted."""
    started = folder.read_recipe(trust_code=trust_code)
    asked = recipe.training
    asked = asked.model_copy(update=ANY_PROCESSES | {"parts": asked.parts or started.training.parts})
    recipe = recipe.model_copy(update={"training": asked})
    if asked.minutes is not None and asked.steps is None:
        fitted = {"steps": started.training.steps, "min_steps": 0}
        fitted |= {"check_every": started.training.check_every} if asked.check_every is None else {}
        recipe = recipe.model_copy(update={"training": asked.model_copy(update=fitted)})
    if difference := _first_difference(started.model_dump(), recipe.model_dump()):
        raise InputError(f"{difference}, and --resume goes on with the settings of {folder.config}; train anew instead")
    return started


def _first_difference(old: dict[str, Any], new: dict[str, Any], where: str = "") -> str:
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _first_difference(before, after, f"{where}{name}."):
                return inner
        elif before != after:
            return f"{where}{name}: {after!r} was asked for, but the run was started with {before!r}"
    return ""


def _check_splits(splits: Splits, recipe: Recipe) -> None:
    task = splits.encoding.task
    selecting_metric(task, recipe.training.selected_by)
    for name in ("train", "valid", "test"):
        try:
            example_targets(getattr(splits, name))
        except InputError as error:
            raise InputError(f"data, {name} part: {error}") from error


def _begin(
    folder: RunFolder,
    recipe: Recipe,
    start: Start | None,
    record: DataRecord,
    resume: bool,
    command: list[str],
    device: str,
    several: dict[str, Any],
) -> dict[str, Any]:
    if not resume:
        run = describe_run(command, recipe.seed, device) | several | {"data": record.model_dump()}
        folder.create(recipe, run, None if start is None else start.encoding)
        return run
    run = folder.read_run()
    with reading(folder.run_file, "the description of a run"):
        run = run | {"resumed": [*run["resumed"], {"command": command, "started": now()} | several]}
    write_json(folder.run_file, run)
    return run
