"""The step of training and the check between steps, for Lightning's loop."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from sampleformer.data.batch import Batch
from sampleformer.data.source import Splits
from sampleformer.distributed.shared_batch import sharing
from sampleformer.models import Model
from sampleformer.training.gradients import Gradients
from sampleformer.training.learning_rate import rate_factor
from sampleformer.training.loss import make_loss
from sampleformer.training.optimizers import check_state, optimizer_of
from sampleformer.training.outputs import (
    answer_model,
    answers_of_all,
    at_least_float32,
    example_targets,
    in_order,
    rows_by_sample,
    share_of,
)
from sampleformer.training.predictions import predictions_of
from sampleformer.training.processes import ALONE, Processes
from sampleformer.training.running_statistics import RunningStatistics
from sampleformer.training.scaled_precision import ScaledPrecision
from sampleformer.training.selection import selecting_metric
from sampleformer.training.settings import TrainingSettings
from sampleformer.training.sharding import ShardedGradients, shard_weights
from sampleformer.training.shares import own_share
from sampleformer.training.step_loss import StepLoss


@dataclass(frozen=True)
class _Answers:
    """Answers to one batch of a check: outputs for each sample, summed losses, summed weights."""

    rows: list[np.ndarray]
    loss: Tensor
    weight: Tensor


class TrainingModule(LightningModule):
    """A model with its loss, its optimiser and the scores of its last check.

    Args:
        model: what is trained.
        splits: the data.
        settings: of the training.
        batches_per_pass: batches in one pass over the training part.
        processes: Processes that share each batch and each check.
        check_batches: Indices of the samples of each batch of a check; none where nothing is checked.
        together: Whether all chunks of a group go through the model side by side, see `StepLoss`.
    """

    def __init__(
        self,
        model: Model,
        splits: Splits,
        settings: TrainingSettings,
        batches_per_pass: int,
        processes: Processes = ALONE,
        *,
        check_batches: Sequence[Sequence[int]] = (),
        together: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.task = splits.encoding.task
        self.selected_by = selecting_metric(self.task, settings.selected_by)
        self.batches_per_pass = batches_per_pass
        self.valid_scores: dict[str, float] = {}
        self._splits = splits
        self._settings = settings
        self._check_batches = check_batches
        self._processes = processes
        self._loss = make_loss(self.task, settings.loss, example_targets(splits.train))
        self.step_loss = StepLoss(settings, model, self._loss, together=together)
        self._running = RunningStatistics(model, processes, self.step_loss.passes, together=together)
        self.average = None if settings.ema is None else copy.deepcopy(model).requires_grad_(False)
        self._gradients = Gradients(model, processes)
        self._answers: list[_Answers] = []
        # The gradient of a step is added up from those of its groups, which Lightning cannot do by itself.
        self.automatic_optimization = False

    def shard_weights(self, device: torch.device) -> None:
        """Leaves in each process a share of the weights, and of their average, see `sharding.shard_weights`.

        Args:
            device: Device of this process.
        """
        for model in (self.model, self.average):
            if model is not None:
                shard_weights(model, self._processes, device)
        self._gradients = ShardedGradients(self.model, self._processes)

    def on_train_start(self) -> None:
        """Looks at what a checkpoint gave, before anything is computed with it."""
        optimizer, rate = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(rate, LambdaLR)
        check_state(optimizer.optimizer)
        for base, factor in zip(rate.base_lrs, rate.lr_lambdas, strict=True):  # as its next step does
            base * factor(rate.last_epoch)
        both = [] if self.average is None else [self.average, self.model]
        # To look for them takes longer than to move the average.
        self._moved = [[own_share(each) for each in model.parameters()] for model in both]
        self._copied = [list(model.buffers()) for model in both]

    def training_step(self, groups: Sequence[Sequence[Batch]], batch_idx: int) -> dict[str, Tensor]:
        """One step of the optimiser on a batch, which comes in groups of chunks.

        Returns:
            The loss and its terms, see `StepLoss`.
        """
        optimizer, rate = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(rate, LambdaLR)
        optimizer.zero_grad()
        sums = self._add_gradients(groups)
        if isinstance(self.trainer.precision_plugin, ScaledPrecision):
            self.trainer.precision_plugin.unscale(optimizer.optimizer, self._gradients)
        self._gradients.clip(self._settings.gradient_clip)
        optimizer.step()
        rate.step()
        self._move_average()
        rates = {"learning_rate": optimizer.param_groups[0]["lr"]}
        self.log_dict({f"train_{name}": value for name, value in sums.items()} | rates, on_step=True, on_epoch=False)
        return sums

    def _add_gradients(self, groups: Sequence[Sequence[Batch]]) -> dict[str, Tensor]:
        """Leaves the gradients of the whole batch in the parameters; the loss and its terms."""
        names = self.step_loss.names
        total = torch.zeros(len(names), device=self.device)
        self._running.start()
        with sharing(self._processes.group):
            for (chunk, *_), part in zip(groups, self.step_loss(groups), strict=True):
                with torch.autocast(self.device.type, enabled=False):  # Lightning turns it on for the whole step
                    self.manual_backward(part["loss"])
                self._running.add(chunk.chunk)
                total = total + torch.stack([part[name].detach().to(total.dtype) for name in names])
        # Once a step and not while the last gradients come in: the processes have different numbers of chunks.
        self._running.finish()
        self._gradients.add_up(total)
        return dict(zip(names, total.unbind(), strict=True))

    @property
    def checked(self) -> Model:
        """The model that is checked, kept and tested: the average of the weights where there is one."""
        return self.model if self.average is None else self.average

    @torch.no_grad()
    def _move_average(self) -> None:
        """``a ← d a + (1 − d) w``, with a smaller d in the first steps, so that the first weights do not stay."""
        if self.average is None or self._settings.ema is None:
            return
        step = self.global_step
        decay = min(self._settings.ema, (1 + step) / (10 + step))
        averages, weights = self._moved
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for average, buffer in zip(*self._copied, strict=True):
            average.copy_(buffer)

    def on_validation_epoch_start(self) -> None:
        """Forgets the outputs of the check before."""
        self._answers = []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keeps the outputs of one batch."""
        outputs = answer_model(self.checked, batch)
        rows = batch.rows(at_least_float32(outputs))
        loss, weight = self._loss.losses(rows, *batch.target_rows).sum(), self._loss.weights(*batch.target_rows).sum()
        self._answers.append(_Answers(rows_by_sample(outputs, batch, self.task), loss.cpu(), weight.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Scores all outputs of the check."""
        valid, processes = self._splits.valid, self._processes
        batches = self._check_batches
        found = answers_of_all(share_of(batches, valid, processes), self._answers, processes)
        scores: dict[str, float] = {}
        if processes.is_first:  # what the best check is must not depend on who computed it
            outputs = in_order([each.rows for each in found], batches)
            loss = torch.stack([each.loss for each in found]).sum() / torch.stack([each.weight for each in found]).sum()
            scores = {"loss": float(loss)} | self.task.score(predictions_of(valid, outputs, self.task))
        self.valid_scores = processes.agreed(scores)
        self.log_dict({f"valid_{name}": value for name, value in self.valid_scores.items()})

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """The optimiser, whose learning rate changes with every step."""
        optimizer = optimizer_of(self._settings, self.model)
        factor = rate_factor(self._settings, self._settings.total_steps(self.batches_per_pass))
        schedule = LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
