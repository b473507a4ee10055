"""Random numbers of training that nothing else disturbs."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sampleformer.training.random_state import TRAINING, get_random_state, seed_everything, set_random_state


class RandomStates(Callback):
    """Keeps every generator's state from the last step before a check to the first step after it.

    Checks, loaders and loggers in between may draw what they like; and a training that goes on from a checkpoint
    draws the same numbers as one that never stopped.

    Args:
        seed: of the training.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._state: dict[str, Any] | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Puts the states back before the first step of a virtual epoch."""
        if batch_idx == 0 and self._state is None:
            seed_everything(self._seed, TRAINING)
        elif batch_idx == 0 and self._state is not None:
            set_random_state(self._state)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keeps the states after the last step of a virtual epoch."""
        if trainer.is_last_batch or trainer.should_stop:
            self._state = get_random_state()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"state": self._state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from a checkpoint."""
        self._state = state_dict["state"]
