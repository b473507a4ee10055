"""The training loop, which is Lightning's."""

import importlib.util
import logging
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from sampleformer.data.batching import cut_by_length, cut_in_order
from sampleformer.data.source import Splits
from sampleformer.encoder.norming import sees_whole_batch
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.reading import fault_words, is_fault, is_of_memory
from sampleformer.training.callbacks.checkpoints import Checkpoints
from sampleformer.training.callbacks.memory import ReturnMemory, SayMemory
from sampleformer.training.callbacks.metrics_file import LOG_EVERY, MetricsFile
from sampleformer.training.callbacks.patience import Patience
from sampleformer.training.callbacks.progress import TrainingProgress
from sampleformer.training.callbacks.random_states import RandomStates
from sampleformer.training.callbacks.scheduled_choice import ScheduledChoice
from sampleformer.training.data_module import TrainingData
from sampleformer.training.module import TrainingModule
from sampleformer.training.recipe import Recipe
from sampleformer.training.run_folder import RunFolder

_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


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
    model: Model,
    splits: Splits,
    recipe: Recipe,
    folder: RunFolder,
    *,
    device: str,
    quiet: bool,
    callbacks: Sequence[Callback] = (),
    arguments: Mapping[str, Any] | None = None,
) -> Fitted:
    """Trains a model, from the last checkpoint in the folder if there is one.

    Args:
        model: with its first weights.
        splits: the data.
        recipe: of the run.
        folder: of the run, where checkpoints and metrics go.
        device: ``cpu``, ``cuda`` or ``mps``.
        quiet: without a word on how far it has come.
        callbacks: of the user, called before those of this package.
        arguments: further arguments of Lightning's trainer.

    Raises:
        KeyboardInterrupt: if the user stopped it.
        InputError: if the training loss stops being a number.
    """
    # A batch norm that saw samples of one length at a time would never meet the statistics of all.
    cut = cut_in_order if sees_whole_batch(model) else cut_by_length
    data = TrainingData(splits, recipe.training, recipe.seed, cut)
    module = TrainingModule(model, splits, recipe.training, data.batches_per_pass)
    metrics, checkpoints = MetricsFile(folder.metrics), Checkpoints(folder)
    around: list[Callback] = [*callbacks, RandomStates(recipe.seed), metrics, checkpoints, ReturnMemory()]
    if recipe.training.patience is not None:
        around.append(Patience(recipe.training.patience, metrics, checkpoints))
    schedules = recipe.training.schedules
    if any(schedule is not None for _, schedule in schedules):
        around.append(ScheduledChoice(schedules, data.total_steps, int(splits.train.sizes.max())))
    if not quiet:
        around += [SayMemory(data.chunks), TrainingProgress(data.total_steps, metrics)]
    if recipe.training.compile:
        model.compile()
    trainer = _make_trainer(recipe, folder, data.checks, device, around, arguments or {})
    before = folder.last_checkpoint if folder.last_checkpoint.exists() else None
    with _going_on_from(before, checkpoints):
        _run(trainer, module, data, before)
        valid = metrics.valid_scores()
        if not {checkpoints.best_step, trainer.global_step} <= valid.keys():
            raise ValueError(f"it holds the scores of steps {sorted(valid)}, not those of the best and the last")
    return Fitted(metrics.seconds, checkpoints.best_step, trainer.global_step, valid)


@contextmanager
def _going_on_from(path: Path | None, checkpoints: Checkpoints) -> Iterator[None]:
    """Guard around a training that goes on: what is raised before the next checkpoint is written is this one's fault.

    Damage was found by its checksums; one that somebody forged may hold anything.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if path is None or checkpoints.written or not is_fault(error) or is_of_memory(error):
            raise
        words = fault_words(error, "a checkpoint that this training can go on from")
        raise InputError(f"{path}: {words}") from error


def _make_trainer(
    recipe: Recipe,
    folder: RunFolder,
    checks: int,
    device: str,
    callbacks: list[Callback],
    arguments: Mapping[str, Any],
) -> Trainer:
    """A trainer whose epochs are the steps from one check to the next."""
    _silence_lightning()
    # Costs time, and helps only to find mistakes.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    tensorboard = importlib.util.find_spec("tensorboard") is not None
    free: dict[str, Any] = {
        "deterministic": "warn",
        "logger": TensorBoardLogger(folder.path, name="", version="tensorboard") if tensorboard else False,
        "log_every_n_steps": LOG_EVERY,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(
        accelerator=_ACCELERATORS[device],
        devices=1,
        precision=recipe.training.precision,
        max_epochs=checks,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        default_root_dir=folder.path,
        **free | dict(arguments),
    )


def _run(trainer: Trainer, module: TrainingModule, data: TrainingData, checkpoint: Path | None) -> None:
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    except SystemExit as stop:  # how Lightning passes Ctrl-C and SIGTERM on
        raise KeyboardInterrupt from stop
    finally:
        signal.signal(signal.SIGINT, interrupt)  # Lightning leaves it ignored


def _silence_lightning() -> None:
    """Keeps what Lightning says of itself from the user; warnings of torch and of the user's code stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
