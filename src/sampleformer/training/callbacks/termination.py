"""The end of a training that the system asks to end."""

import signal
import threading
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from sampleformer.training.callbacks.checkpoints import Checkpoints
from sampleformer.training.processes import ALONE, Processes


class Termination(Callback):
    """Ends the training after a step, the same one in all processes, when one of them gets SIGTERM.

    Lightning's own handler talks to the other processes wherever its process stands at that moment, which may be in the
    midst of talking about something else.

    Args:
        checkpoints: What writes a checkpoint of that step.
        processes: Processes that train together.

    ``asked`` says whether this process got the signal.
    """

    def __init__(self, checkpoints: Checkpoints, processes: Processes = ALONE) -> None:
        self._checkpoints = checkpoints
        self._processes = processes
        self.asked = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signal over; Lightning puts back who had it before the training."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Ends the training with a checkpoint if a process was asked to; before a check, the check comes first."""
        if not trainer.is_last_batch and self._is_over():
            self._checkpoints.save_between(trainer)
            raise SIGTERMException

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends the training after a check, whose checkpoint is written by now, as at the end of its epoch it is not."""
        if self._is_over():
            raise SIGTERMException

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends it after the last check."""
        if self._is_over():
            raise SIGTERMException

    def _is_over(self) -> bool:
        asked = torch.tensor(float(self.asked))
        self._processes.add_up([asked])
        return bool(asked)
