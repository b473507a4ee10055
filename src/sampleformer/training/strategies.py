"""What each of several processes holds of a model that trains, for Lightning's trainer."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.strategies import DDPStrategy
from torch.optim import Optimizer

from sampleformer.training.module import TrainingModule
from sampleformer.training.processes import Processes
from sampleformer.training.shares import gathered, load_optimizer


class SharedBatches(DDPStrategy):
    """Lightning's DDP for a step whose gradients `TrainingModule` adds up itself.

    Torch's wrapper averages gradients while the last of them come in, for processes that hold as much as each other.
    Here a process may hold more chunks of a step than another, or none.

    Args:
        processes: Processes that train together. They have met: `processes.join`.
        arguments: Arguments of Lightning's strategy.
    """

    def __init__(self, processes: Processes, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.processes = processes

    def configure_ddp(self) -> None:
        """Leaves the model unwrapped."""


class SharedWeights(SharedBatches):
    """Torch's FSDP2: each process holds a share of the weights, of their gradients and of the optimizer's state.

    Checkpoints hold everything whole, as without it: a training goes on with any number of processes and any strategy.
    Lightning's `ModelParallelStrategy` would read them by names in the place of numbers, and wants the model to be
    sharded before weights are loaded.
    """

    def model_to_device(self) -> None:
        """Leaves the model where it is: it may be too large for the device before it is sharded."""

    def configure_ddp(self) -> None:
        """Shards the model, whose weights are loaded, before the optimizer is made."""
        module = self.lightning_module
        assert isinstance(module, TrainingModule)
        module.shard_weights(self.root_device)
        module.to(self.root_device)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Whole weights, in the first process."""
        return gathered(super().lightning_module_state_dict(), self.processes)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The whole state of the optimizer, in the first process."""
        return gathered(super().optimizer_state(optimizer), self.processes)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Gives the optimizer this process's share of a state."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            load_optimizer(optimizer, state)


STRATEGIES: dict[str, type[SharedBatches]] = {
    "ddp": SharedBatches,
    "fsdp": SharedWeights,
    "tokens": SharedBatches,  # the model itself shares them, see `shared_tokens`
}
"""Strategies by the value of ``training.strategy``."""
