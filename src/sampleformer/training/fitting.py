"""The training loop, which is Lightning's."""

import importlib.util
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from sampleformer.encoder.norming import sees_whole_batch
from sampleformer.errors import InputError, Terminated
from sampleformer.models import Model
from sampleformer.reading import fault_words, is_fault, is_of_memory
from sampleformer.training.batches import SIDE_BY_SIDE
from sampleformer.training.callbacks.checkpoints import Checkpoints
from sampleformer.training.callbacks.deadline import Deadline
from sampleformer.training.callbacks.memory import ReturnMemory, SayMemory
from sampleformer.training.callbacks.metrics_file import MetricsFile
from sampleformer.training.callbacks.patience import Patience
from sampleformer.training.callbacks.progress import TrainingProgress
from sampleformer.training.callbacks.random_states import RandomStates
from sampleformer.training.callbacks.scheduled_choice import ScheduledChoice
from sampleformer.training.callbacks.termination import Termination
from sampleformer.training.costs import evaluation_cost
from sampleformer.training.data_module import TrainingData
from sampleformer.training.lost import watched
from sampleformer.training.module import TrainingModule
from sampleformer.training.processes import Processes
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder
from sampleformer.training.session import Session
from sampleformer.training.setup import Setup
from sampleformer.training.trainer import cut_for, make_trainer, run_trainer

log = logging.getLogger("sampleformer")


@dataclass(frozen=True)
class Fitted:
    """How a training went.

    Args:
        seconds: spent on training and checks, over all sessions.
        best_step: the check with the best score on the validation part.
        last_step: the last check.
        valid: scores on the validation part at a check, by step.
    """

    seconds: float
    best_step: int
    last_step: int
    valid: dict[int, dict[str, float]]


def fit(
    setup: Setup,
    session: Session,
    *,
    quiet: bool,
    callbacks: Sequence[Callback] = (),
    arguments: Mapping[str, Any] | None = None,
) -> Fitted:
    """Trains a model, from the last checkpoint in the folder if there is one.

    Args:
        setup: Data and model, with its first weights.
        session: Folder, where checkpoints and metrics go, processes and device. The first process writes all files.
        quiet: Without a word on how far it has come.
        callbacks: Callbacks of the user, called before those of this package.
        arguments: Further arguments of Lightning's trainer.

    Raises:
        KeyboardInterrupt: if the user stopped it.
        InputError: if the training loss stops being a number.
    """
    model, splits, recipe = setup.model, setup.splits, setup.recipe
    folder, processes = session.folder, session.processes
    cut = cut_for(model, recipe.training, processes)
    data = TrainingData(splits, recipe.training, recipe.seed, cut, processes)
    module = TrainingModule(
        model,
        splits,
        recipe.training,
        data.batches_per_pass,
        processes,
        check_batches=data.check_batches,
        together=cut in SIDE_BY_SIDE,
    )
    _say_groups(model, data, recipe)
    metrics, checkpoints = MetricsFile(folder.metrics), Checkpoints(folder)
    termination = Termination(checkpoints, processes)
    around = [
        (began := _Began()),
        *callbacks,
        *_deadline(setup, session, metrics),
        *(RandomStates(recipe.seed), metrics, checkpoints, ReturnMemory(), termination),
        *_of_settings(setup, data, metrics, checkpoints),
        *([] if quiet or not processes.is_first else _progress(data, metrics, processes)),
    ]
    if recipe.training.compile:
        model.compile()
    free = {"logger": _logger(folder), "default_root_dir": folder.path}
    trainer = make_trainer(
        recipe.training, data.checks, session.device, around, free | dict(arguments or {}), processes
    )
    before = folder.last_checkpoint if folder.last_checkpoint.exists() else None
    with _going_on_from(before, began), watched(processes), _ended_with_the_others(termination):
        run_trainer(trainer, module, data, before)
        valid = metrics.valid_scores()
        if not {checkpoints.best_step, trainer.global_step} <= valid.keys():
            raise ValueError(f"it holds the scores of steps {sorted(valid)}, not those of the best and the last")
    return Fitted(metrics.seconds, checkpoints.best_step, trainer.global_step, valid)


def _say_groups(model: Model, data: TrainingData, recipe: Recipe) -> None:
    """Says where batch norms do not see a whole batch."""
    if sees_whole_batch(model) and (groups := data.chunks.largest().groups) > 1:
        log.info(
            "the batch norms of the model see a batch in up to %d parts, each of at most %d padded tokens; a higher "
            "training.max_tokens shows them all of it",
            groups,
            recipe.training.max_tokens,
        )


def _deadline(setup: Setup, session: Session, metrics: MetricsFile) -> list[Callback]:
    """The end of a training that has a time; nothing for one that has none."""
    if session.limit is None:
        return []
    splits, most = setup.splits, setup.recipe.training.max_tokens
    tests = 2 * evaluation_cost(splits.test, most) / evaluation_cost(splits.valid, most)
    return [Deadline(session.limit, metrics, tests, session.processes)]


def _of_settings(
    setup: Setup, data: TrainingData, metrics: MetricsFile, checkpoints: Checkpoints
) -> Iterator[Callback]:
    """What settings of the training ask for."""
    settings = setup.recipe.training
    if settings.patience is not None:
        yield Patience(settings.patience, metrics, checkpoints)
    if any(schedule is not None for _, schedule in settings.schedules):
        yield ScheduledChoice(settings.schedules, data.total_steps, int(setup.splits.train.sizes.max()))


def _progress(data: TrainingData, metrics: MetricsFile, processes: Processes) -> Iterator[Callback]:
    """What says how far it has come."""
    # The first process cannot try a pass alone where it holds a share of the weights or of the tokens.
    if processes.strategy == "ddp":
        yield SayMemory(data.chunks)
    yield TrainingProgress(data.total_steps, metrics)


def _logger(folder: RunFolder) -> TensorBoardLogger | bool:
    """TensorBoard's curves in the run folder, where it is installed."""
    installed = importlib.util.find_spec("tensorboard") is not None
    return TensorBoardLogger(folder.path, name="", version="tensorboard") if installed else False


@contextmanager
def _ended_with_the_others(termination: Termination) -> Iterator[None]:
    """Context in which a process that was asked to end does not complain that the others did."""
    try:
        yield
    except RuntimeError as error:
        if termination.asked:
            raise Terminated from error
        raise


class _Began(Callback):
    """Notes that a step began; called before all others.

    ``steps`` says whether one did.
    """

    def __init__(self) -> None:
        self.steps = False

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Notes it."""
        self.steps = True


@contextmanager
def _going_on_from(path: Path | None, began: _Began) -> Iterator[None]:
    """Guard around a training that goes on: what is raised before its first step is the fault of its checkpoint.

    Damage was found by its checksums; one that somebody forged may hold anything. From the first step on, callbacks and
    parts of the user's own may be at fault.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if path is None or began.steps or not is_fault(error) or is_of_memory(error):
            raise
        words = fault_words(error, "a checkpoint that this training can go on from")
        raise InputError(f"{path}: {words}") from error
