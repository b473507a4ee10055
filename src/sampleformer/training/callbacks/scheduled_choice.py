"""What schedules say, told to the samplers of the model."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.training.choice import samplers_of
from sampleformer.training.module import TrainingModule
from sampleformer.training.schedules import Schedules


class ScheduledChoice(Callback):
    """Sets noise, temperature and number of the tokens chosen before each step.

    All are functions of the step, so that a training that goes on from a checkpoint needs nothing to be kept.

    Args:
        schedules: of the training.
        total_steps: of the whole training.
        longest: tokens of the longest sample of the training part.
    """

    def __init__(self, schedules: Schedules, total_steps: int, longest: int) -> None:
        self._schedules = schedules
        self._total_steps = total_steps
        self._longest = longest

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets the values of the step."""
        self.set(pl_module, trainer.global_step)

    def set(self, pl_module: LightningModule, step: int) -> None:
        """Sets the values of a step in every sampler."""
        assert isinstance(pl_module, TrainingModule)
        total, schedules = self._total_steps, self._schedules
        for sampler in samplers_of(pl_module.model):
            if schedules.noise is not None:
                sampler.noise_scale.fill_(schedules.noise.value(step, total))
            if schedules.temperature is not None:
                sampler.temperature_scale.fill_(schedules.temperature.value(step, total))
                sampler.temperature_floor.fill_(schedules.temperature.floor)
            if schedules.sampled is not None:
                sampler.sampled_in_training = schedules.sampled.count(
                    step, total, sampled=sampler.sampled, longest=self._longest
                )
