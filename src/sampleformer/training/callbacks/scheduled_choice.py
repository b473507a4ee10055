"""What schedules say, told to the samplers of the model."""

from functools import partial
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.attention import Sampler
from sampleformer.training.choice import samplers_of
from sampleformer.training.module import TrainingModule
from sampleformer.training.schedules import SampledSchedule, Schedules


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

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sets the values of the step that chooses most, for what tells how much memory the training will need.

        The numbers only grow, or only become smaller: it is the next step or the last one.
        """
        self.set(pl_module, max((trainer.global_step, self._total_steps - 1), key=partial(self._chosen, pl_module)))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets the values of the step."""
        self.set(pl_module, trainer.global_step)

    def _chosen(self, pl_module: LightningModule, step: int) -> int:
        """Tokens that all samplers together choose at a step, where that depends on the step."""
        assert isinstance(pl_module, TrainingModule)
        if self._schedules.sampled is None:
            return 0
        return sum(self._count(self._schedules.sampled, sampler, step) for sampler in samplers_of(pl_module.model))

    def _count(self, schedule: SampledSchedule, sampler: Sampler, step: int) -> int:
        return schedule.count(step, self._total_steps, sampled=sampler.sampled, longest=self._longest)

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
                sampler.sampled_in_training = self._count(schedules.sampled, sampler, step)
