"""Seconds that the pieces of a training take on this machine."""

import copy
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.data.batching import CHUNK_OVERHEAD
from sampleformer.data.collate import collate
from sampleformer.data.samples import Samples
from sampleformer.data.source import Splits
from sampleformer.models import Model
from sampleformer.training.batches import SIDE_BY_SIDE
from sampleformer.training.callbacks.random_states import RandomStates
from sampleformer.training.callbacks.scheduled_choice import ScheduledChoice
from sampleformer.training.data_module import TrainingData
from sampleformer.training.module import TrainingModule
from sampleformer.training.outputs import answer_model, evaluation_batches
from sampleformer.training.processes import ALONE, Processes
from sampleformer.training.random_state import get_random_state, set_random_state
from sampleformer.training.recipe import Recipe
from sampleformer.training.timing import Costs
from sampleformer.training.trainer import cut_for, make_trainer, run_trainer

WARM_UP_STEPS = 2
_MOST_STEPS = 60
_ENOUGH_STEPS, _ENOUGH = 10, 0.02  # steps, and the share of the time that they are given
_TOO_LONG = 0.05  # the share of the time after which few steps must do
_BATCHES = 3
_GOLDEN = 0.618


def measured_costs(
    model: Model, splits: Splits, recipe: Recipe, *, device: str, seconds: float, processes: Processes = ALONE
) -> Costs:
    """Seconds of a training's pieces, from some steps and some batches of a check, all of them with a copy.

    The model and every generator of random numbers are afterwards as they were.

    Args:
        model: Model with its first weights.
        splits: Data.
        recipe: Recipe of the run.
        device: ``cpu``, ``cuda`` or ``mps``.
        seconds: Time of the training, of which the trial takes a few hundredths; more where two steps take longer.
        processes: Processes that train together; the clock of the first one counts.
    """
    random = get_random_state()
    try:
        trial = copy.deepcopy(model)
        if recipe.training.compile:
            trial.compile()
        steps = _timed_steps(trial, splits, recipe, device, seconds, processes)
        trial.to(device).eval()
        most = recipe.training.max_tokens
        check = _evaluation_seconds(trial, splits.valid, most) / processes.shares
        scoring = 2 * _evaluation_seconds(trial, splits.test, most) / processes.shares
    finally:
        set_random_state(random)
    return processes.agreed(Costs(steps.step, check, scoring, start=max(0.0, steps.first - steps.step)))


def evaluation_cost(samples: Samples, max_tokens: int) -> int:
    """A number that grows with the time of evaluating all samples: padded tokens, and the overhead of each batch."""
    return sum(_cost(samples, rows) for rows in evaluation_batches(samples, max_tokens))


def _cost(samples: Samples, rows: list[int]) -> int:
    return len(rows) * int(samples.sizes[rows].max()) + CHUNK_OVERHEAD


@torch.no_grad()
def _evaluation_seconds(model: Model, samples: Samples, max_tokens: int) -> float:
    """Seconds for all samples, from some of their batches, longest, shortest and between."""
    batches = evaluation_batches(samples, max_tokens)
    device = next(model.parameters()).device

    def answer(rows: list[int]) -> None:
        batch = collate([samples[row] for row in rows]).to(device)
        answer_model(model, batch).cpu()

    answer(batches[-1])
    places = sorted({round(place * (len(batches) - 1) / (_BATCHES - 1)) for place in range(_BATCHES)})
    started = time.perf_counter()
    for place in places:
        answer(batches[place])
    spent = time.perf_counter() - started
    return spent * evaluation_cost(samples, max_tokens) / sum(_cost(samples, batches[place]) for place in places)


def _timed_steps(
    model: Model, splits: Splits, recipe: Recipe, device: str, seconds: float, processes: Processes
) -> "_StepTimes":
    settings = recipe.training.model_copy(update={"steps": _MOST_STEPS, "epochs": None, "min_steps": 0})
    settings = settings.model_copy(update={"check_every": _MOST_STEPS})
    cut = cut_for(model, settings, processes)
    data = TrainingData(splits, settings, recipe.seed, cut, processes)
    module = TrainingModule(model, splits, settings, data.batches_per_pass, processes, together=cut in SIDE_BY_SIDE)
    times = _StepTimes(seconds, processes)
    around: list[Callback] = [RandomStates(recipe.seed), times]
    if any(schedule is not None for _, schedule in settings.schedules):
        around.append(_Scattered(settings.schedules, _MOST_STEPS, int(splits.train.sizes.max())))
    nothing_else = {"logger": False, "enable_checkpointing": False, "limit_val_batches": 0}
    trainer = make_trainer(settings, data.checks, device, around, nothing_else, processes)
    run_trainer(trainer, module, data, None)
    return times


class _StepTimes(Callback):
    """Times steps that change no weight, and ends the trial when they are enough.

    Args:
        seconds: Time of the training that is tried.
        processes: Processes that train together.
    """

    def __init__(self, seconds: float, processes: Processes) -> None:
        self._seconds = seconds
        self._processes = processes
        self._times: list[float] = []

    @property
    def first(self) -> float:
        """Seconds of the first step."""
        return self._times[1] - self._times[0]

    @property
    def step(self) -> float:
        """Seconds of a step after those that warm up."""
        warm = min(WARM_UP_STEPS, len(self._times) - 2)
        return (self._times[-1] - self._times[warm]) / (len(self._times) - 1 - warm)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._times.append(time.perf_counter())

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets the learning rate to zero: the first weights stay."""
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = 0.0

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts a step, after the device has done it."""
        float(outputs["loss"])
        self._times.append(time.perf_counter())
        done, spent = len(self._times) - 1 - WARM_UP_STEPS, self._times[-1] - self._times[0]
        enough = done >= _ENOUGH_STEPS and spent > _ENOUGH * self._seconds
        trainer.should_stop = self._processes.agreed(enough or (done > -1 and spent > _TOO_LONG * self._seconds))


class _Scattered(ScheduledChoice):
    """Schedules of the choice whose steps come from all over the training, since a step's cost depends on them."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets a value of any time."""
        self.set(pl_module, int(trainer.global_step * _GOLDEN % 1 * self._total_steps))
