"""A training from recipe to run folder."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sampleformer.data.source import Source, Splits
from sampleformer.errors import InputError
from sampleformer.extras import require
from sampleformer.files import write_json
from sampleformer.reading import reading
from sampleformer.settings import Component
from sampleformer.tasks import Predictions
from sampleformer.training.checkpoint_files import restore_checkpoints
from sampleformer.training.devices import pick_device
from sampleformer.training.finishing import finish
from sampleformer.training.lost import launcher, was_begun, watched
from sampleformer.training.processes import join
from sampleformer.training.provenance import describe_run, now, versions
from sampleformer.training.recipe import Recipe
from sampleformer.training.resuming import begun_recipe
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.session import Session
from sampleformer.training.setup import Setup, set_up
from sampleformer.training.timing import TimeLimit

if TYPE_CHECKING:
    from lightning.pytorch import Callback


DECIDED = {
    "accelerator",
    "accumulate_grad_batches",
    "barebones",
    "callbacks",
    "check_val_every_n_epoch",
    "default_root_dir",
    "devices",
    "enable_checkpointing",
    "fast_dev_run",
    "gradient_clip_val",
    "limit_train_batches",
    "limit_val_batches",
    "max_epochs",
    "max_steps",
    "min_epochs",
    "min_steps",
    "num_nodes",
    "num_sanity_val_steps",
    "overfit_batches",
    "plugins",
    "precision",
    "reload_dataloaders_every_n_epochs",
    "strategy",
    "use_distributed_sampler",
    "val_check_interval",
}
"""Arguments of Lightning's trainer that are not the user's: its steps and its checks are ours."""

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
        session = Session(folder, processes, device, resume, trust_code, limit)
        if resume:
            recipe = begun_recipe(folder, recipe, trust_code=trust_code)
            if processes.agreed(folder.results.exists()):
                log.info("%s: the training is finished, there is nothing to go on with", folder.path)
                return folder
        trained = _take_folder(session, held)
        with session.trusting():
            setup = set_up(recipe, session, trained, source=source, splits=splits)
        run = _begin(setup, session, held, list(command or sys.argv))

        from sampleformer.training.fitting import fit  # Lightning takes seconds to import: not before all is checked

        with session.trusting():
            fitted = fit(setup, session, quiet=quiet, callbacks=callbacks, arguments=trainer)
        processes.agreed(None)  # the first one has written its checkpoints, which all read
        results, predictions = finish(setup, session, fitted)
        if processes.is_first:
            write_json(folder.run_file, run | {"finished": now(), "train_seconds": round(fitted.seconds, 3)})
            write_json(folder.results, results)  # last: where it is, the run is complete
        processes.agreed(None)
        if finished is not None and processes.is_first:
            finished(folder, setup.splits, predictions)
    return folder


def _check_trainer(arguments: Mapping[str, Any]) -> None:
    for name in sorted(arguments.keys() & DECIDED):
        raise InputError(f"trainer: found {name!r}, which the recipe or another argument of train decides")


def _take_folder(session: Session, held: ExitStack) -> dict[str, Tensor]:
    """Locks the folder of a run that goes on, or sees that nothing is in a new one's way.

    Returns:
        Weights of the run's last checkpoint, in the first process; of a new run there are none.
    """
    trained: dict[str, Tensor] = {}
    if session.processes.is_first:
        if session.resumes:
            held.enter_context(session.folder.locked())
            trained = restore_checkpoints(session.folder)
        else:
            session.folder.check_free()
    session.processes.agreed(None)  # the others come when this is done
    return trained


def _begin(setup: Setup, session: Session, held: ExitStack, command: list[str]) -> dict[str, Any]:
    """Makes the folder, or notes in its description that the run goes on.

    Returns:
        The description of the run, in the first process.
    """
    processes = session.processes
    launchers = sorted({each for each in processes.gathered(launcher()) if each is not None})
    run: dict[str, Any] = {}
    if processes.is_first:
        several = {"processes": processes.size, "hosts": processes.hosts, "launchers": launchers}
        if session.resumes:
            run = _describe_resumed(session.folder, {"command": command, "started": now()} | several)
        else:
            run = describe_run(command, setup.recipe.seed, session.device) | several
            run |= {"data": setup.record.model_dump()}
            session.folder.create(setup.recipe, run, None if setup.start is None else setup.start.encoding)
            held.enter_context(session.folder.locked())
    processes.agreed(None)
    return run


def _describe_resumed(folder: RunFolder, sitting: dict[str, Any]) -> dict[str, Any]:
    """The description of a run with one sitting more, which is written, too."""
    run = folder.read_run()
    with reading(folder.run_file, "the description of a run"):
        run = run | {"resumed": [*run["resumed"], sitting]}
    write_json(folder.run_file, run)
    return run
