"""Memory of a training: what it will need, and what the C library keeps for itself."""

import logging
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.allocator import return_freed_memory
from sampleformer.training.batches import StepChunks
from sampleformer.training.memory import HELD, ExpectedMemory, extrapolated, learning_bytes, present_bytes, saved_bytes
from sampleformer.training.module import TrainingModule

STEPS_BETWEEN = 50
log = logging.getLogger("sampleformer")


class SayMemory(Callback):
    """Says before the first step how much memory the training will need at its peak.

    Args:
        chunks: the chunks of the training's steps, of which the largest group needs most.
    """

    def __init__(self, chunks: StepChunks) -> None:
        self._chunks = chunks

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sends a few samples of the largest group through the model, and leaves no trace."""
        assert isinstance(pl_module, TrainingModule)
        module, device = pl_module, pl_module.device
        present = present_bytes(device)
        largest = self._chunks.largest()
        rows = largest.chunks[0]
        padded = len(rows) * int(self._chunks.sizes[rows].max())

        def activations(samples: int) -> int:
            chunk = self._chunks.collate(largest.step, [*rows[:1], *rows[-1:], *rows[1:-1]][:samples]).to(device)
            with trainer.precision_plugin.train_step_context():
                return saved_bytes(module.model, lambda: next(module.step_loss([[chunk]]))["loss"])

        kept = extrapolated(len(rows), activations) * largest.tokens // padded
        expected = ExpectedMemory(present, learning_bytes(module.model), HELD * kept, largest.tokens)
        log.info("%s", expected)


class ReturnMemory(Callback):
    """Gives freed memory back to the system every 50 steps, where the C library is glibc.

    Batches of unequal lengths leave holes that glibc keeps: without this, a training on long texts grew to eight
    gigabytes in half an hour.
    """

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Counts the steps."""
        if trainer.global_step % STEPS_BETWEEN == 0:
            return_freed_memory()
