"""Lightning's trainer as this package uses it."""

import logging
import signal
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments import ClusterEnvironment, SLURMEnvironment, TorchElasticEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from sampleformer.encoder.norming import sees_whole_batch
from sampleformer.errors import Terminated
from sampleformer.models import Model
from sampleformer.training.batches import BY_LENGTH, BY_LENGTH_TOGETHER, IN_ORDER, TOGETHER, Cut
from sampleformer.training.callbacks.metrics_file import LOG_EVERY
from sampleformer.training.data_module import TrainingData
from sampleformer.training.module import TrainingModule
from sampleformer.training.processes import ALONE, Processes
from sampleformer.training.scaled_precision import ScaledPrecision
from sampleformer.training.settings import TrainingSettings
from sampleformer.training.step_loss import looks_at_choices
from sampleformer.training.strategies import STRATEGIES

_ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def cut_for(model: Model, settings: TrainingSettings, processes: Processes = ALONE) -> Cut:
    """The way in which a model's batches are cut into chunks."""
    # A batch norm that saw samples of one length at a time would never meet the statistics of all.
    at_random = sees_whole_batch(model)
    # Terms of the loss look at the choices of one pass through the model, and a compiled model, or one that takes its
    # share of the tokens, is called as a whole.
    as_a_whole = settings.compile or looks_at_choices(settings, model) or processes.tokens is not None
    if model.runs_together and not as_a_whole:
        return TOGETHER if at_random else BY_LENGTH_TOGETHER
    return IN_ORDER if at_random else BY_LENGTH


def make_trainer(
    settings: TrainingSettings,
    checks: int,
    device: str,
    callbacks: list[Callback],
    arguments: Mapping[str, Any],
    processes: Processes = ALONE,
) -> Trainer:
    """A trainer whose epochs are the steps from one check to the next.

    Args:
        settings: Settings of the training.
        checks: Number of checks.
        device: ``cpu``, ``cuda`` or ``mps``.
        callbacks: Callbacks in the order of their calls.
        arguments: Further arguments of Lightning's trainer.
        processes: Processes that train together.
    """
    _silence_lightning()
    # Costs time, and helps only to find mistakes.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    free: dict[str, Any] = {
        "deterministic": "warn",
        "log_every_n_steps": LOG_EVERY,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    several: dict[str, Any] = {"devices": 1}
    if processes.size > 1:
        environment: ClusterEnvironment = (
            TorchElasticEnvironment() if TorchElasticEnvironment.detect() else SLURMEnvironment(auto_requeue=False)
        )
        strategy = STRATEGIES[processes.strategy](processes, cluster_environment=environment)
        several = {"devices": processes.size // processes.hosts, "num_nodes": processes.hosts, "strategy": strategy}
    return Trainer(
        accelerator=_ACCELERATORS[device],
        **several,
        max_epochs=checks,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=callbacks,
        **_precision(settings, device) | free | dict(arguments),
    )


def _precision(settings: TrainingSettings, device: str) -> dict[str, Any]:
    return (
        {"plugins": ScaledPrecision(device)} if settings.precision == "16-mixed" else {"precision": settings.precision}
    )


def run_trainer(trainer: Trainer, module: TrainingModule, data: TrainingData, checkpoint: Path | None) -> None:
    """Trains, from a checkpoint if there is one.

    Raises:
        KeyboardInterrupt: if the user stopped it; `Terminated` if the system did.
    """
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
    except SystemExit as stop:  # how Lightning passes Ctrl-C and SIGTERM on
        raise (Terminated if isinstance(stop, SIGTERMException) else KeyboardInterrupt) from stop
    finally:
        signal.signal(signal.SIGINT, interrupt)  # Lightning leaves it ignored


def _silence_lightning() -> None:
    """Keeps what Lightning says of itself from the user; warnings of torch and of the user's code stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    # Where a first step overflows in float16, it is left out and the schedule goes on.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step\\(\\)` before", category=UserWarning)
