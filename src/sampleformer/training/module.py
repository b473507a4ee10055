"""The step of training and the check between steps, for Lightning's loop."""

from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from sampleformer.data.batch import Batch
from sampleformer.data.source import Splits
from sampleformer.model import TokenModel
from sampleformer.training.answers import Answers
from sampleformer.training.choice_loss import ChoiceLoss
from sampleformer.training.objective import make_objective, make_shares
from sampleformer.training.optimization import make_optimizer, rate_factor
from sampleformer.training.outputs import answer_model, evaluation_batches, in_order, known_targets, rows_by_sample
from sampleformer.training.scores import score, selecting_score
from sampleformer.training.settings import TrainingSettings


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
        self._objective, self._row_shares = (
            make(
                self.task,
                known_targets(splits.train),
                encoding.outputs,
                class_weights=settings.class_weights,
                regression_loss=settings.regression_loss,
            )
            for make in (make_objective, make_shares)
        )
        self._choice_loss = ChoiceLoss(settings, model, self._loss, self._shares)
        self._answers: list[list[np.ndarray]] = []
        self._losses: list[Tensor] = []
        self._known: list[int] = []

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | dict[str, Tensor]:
        """The loss of one batch; with terms beside that of the task, these too."""
        if self._choice_loss.needed:
            return self._choice_loss(batch)
        return self._loss(answer_model(self.model, batch), batch)

    def on_validation_epoch_start(self) -> None:
        """Forgets the outputs of the check before."""
        self._answers, self._losses, self._known = [], [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keeps the outputs of one batch."""
        outputs = answer_model(self.model, batch)
        self._answers.append(rows_by_sample(outputs, batch))
        # Each known target counts the same, whatever batch it is in.
        self._known.append(batch.known)
        self._losses.append(self._loss(outputs, batch) * self._known[-1])

    def on_validation_epoch_end(self) -> None:
        """Scores all outputs of the check."""
        valid = self._splits.valid
        outputs = in_order(self._answers, evaluation_batches(valid, self._settings.batch_size))
        self.valid_scores = {"loss": float(torch.stack(self._losses).sum()) / sum(self._known)}
        self.valid_scores |= score(self._splits.encoding, Answers.of(valid, outputs, self.task))

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        """The optimiser, whose learning rate changes with every step."""
        optimizer = make_optimizer(self.model, self._settings)
        factor = rate_factor(self._settings, self._settings.total_steps(self.batches_per_pass))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self._objective(*_rows(outputs, batch))

    def _shares(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self._row_shares(*_rows(outputs, batch))


def _rows(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """What an objective takes: outputs, targets, and where these are known."""
    assert batch.targets is not None
    known = None if batch.target_mask is None else batch.rows(batch.target_mask)
    return batch.rows(outputs.float()), batch.rows(batch.targets), known
