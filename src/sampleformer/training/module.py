"""The step of training and the check between steps, for Lightning's loop."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from sampleformer.data.batch import Batch
from sampleformer.data.source import Splits
from sampleformer.model import TokenModel
from sampleformer.training.answers import Answers
from sampleformer.training.objective import make_objective
from sampleformer.training.optimization import check_state, make_optimizer, rate_factor
from sampleformer.training.outputs import (
    answer_model,
    at_least_float32,
    evaluation_batches,
    in_order,
    known_targets,
    rows_by_sample,
)
from sampleformer.training.scores import score, selecting_score
from sampleformer.training.settings import TrainingSettings
from sampleformer.training.step_loss import StepLoss


class TrainingModule(LightningModule):
    """A model with its loss, its optimiser and the scores of its last check.

    Args:
        model: what is trained.
        splits: the data.
        settings: of the training.
        batches_per_pass: batches in one pass over the training part.
    """

    def __init__(self, model: TokenModel, splits: Splits, settings: TrainingSettings, batches_per_pass: int) -> None:
        super().__init__()
        self.model = model
        encoding = splits.encoding
        self.task = encoding.task
        self.selected_by = selecting_score(encoding.scored_as, settings.selected_by, encoding.outputs)
        self.batches_per_pass = batches_per_pass
        self.valid_scores: dict[str, float] = {}
        self._splits = splits
        self._settings = settings
        self._objective = make_objective(
            self.task,
            known_targets(splits.train),
            encoding.outputs,
            class_weights=settings.class_weights,
            regression_loss=settings.regression_loss,
        )
        self.step_loss = StepLoss(settings, model, self._objective)
        self._answers: list[list[np.ndarray]] = []
        self._losses: list[Tensor] = []
        self._weights: list[Tensor] = []
        # The gradient of a step is added up from those of its chunks, which Lightning cannot do by itself.
        self.automatic_optimization = False

    def on_train_start(self) -> None:
        """Looks at what a checkpoint gave, before anything is computed with it."""
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        check_state(optimizer.optimizer)

    def training_step(self, chunks: Sequence[Batch], batch_idx: int) -> dict[str, Tensor]:
        """One step of the optimiser on a batch, which comes in chunks.

        Returns:
            The loss and its terms, see `StepLoss`.
        """
        optimizer, rate = self.optimizers(), self.lr_schedulers()
        assert isinstance(optimizer, LightningOptimizer)
        assert isinstance(rate, LambdaLR)
        optimizer.zero_grad()
        sums: dict[str, Tensor] = {}
        for part in self.step_loss(chunks):
            with torch.autocast(self.device.type, enabled=False):  # Lightning turns it on for the whole step
                self.manual_backward(part["loss"])
            for name, value in part.items():
                sums[name] = sums.get(name, 0) + value.detach()
        self.clip_gradients(optimizer.optimizer, self._settings.gradient_clip, "norm")
        optimizer.step()
        rate.step()
        return sums

    def on_validation_epoch_start(self) -> None:
        """Forgets the outputs of the check before."""
        self._answers, self._losses, self._weights = [], [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keeps the outputs of one batch."""
        outputs = answer_model(self.model, batch)
        self._answers.append(rows_by_sample(outputs, batch))
        rows = batch.rows(at_least_float32(outputs))
        self._losses.append(self._objective.losses(rows, *batch.target_rows).sum())
        self._weights.append(self._objective.weights(*batch.target_rows).sum())

    def on_validation_epoch_end(self) -> None:
        """Scores all outputs of the check."""
        valid = self._splits.valid
        outputs = in_order(self._answers, evaluation_batches(valid, self._settings.max_tokens))
        self.valid_scores = {"loss": float(torch.stack(self._losses).sum() / torch.stack(self._weights).sum())}
        self.valid_scores |= score(self._splits.encoding, Answers.of(valid, outputs, self.task))

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """The optimiser, whose learning rate changes with every step."""
        optimizer = make_optimizer(self.model, self._settings)
        factor = rate_factor(self._settings, self._settings.total_steps(self.batches_per_pass))
        schedule = LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
