"""Mixed precision with float16, whose gradients are scaled so that small ones are not lost."""

from collections.abc import Callable
from typing import Any

from lightning.fabric.utilities.types import Optimizable
from lightning.pytorch import LightningModule
from lightning.pytorch.plugins import MixedPrecision

from sampleformer.training.gradients import Gradients


class ScaledPrecision(MixedPrecision):
    """Matrix products in float16, and torch's `GradScaler` around the gradients, on CPUs too.

    Lightning's own divides gradients by the scale within the step of the optimizer; here they are needed before it, to
    be clipped.

    Args:
        device: ``cpu``, ``cuda`` or ``mps``.

    Source: Micikevicius et al. 2018, Mixed precision training, section 3.2.
    """

    def __init__(self, device: str) -> None:
        super().__init__("16-mixed", device)

    def unscale(self, optimizer: Optimizable, gradients: Gradients) -> None:
        """Divides gradients by the scale.

        Args:
            optimizer: Optimizer whose next step is left out where a gradient is not finite.
            gradients: Its gradients, the same in all processes, or their shares.
        """
        assert self.scaler is not None
        gradients.spread_overflow()
        self.scaler.unscale_(optimizer)  # type: ignore[arg-type]

    def optimizer_step(  # type: ignore[override]
        self, optimizer: Optimizable, model: LightningModule, closure: Callable[[], Any], **arguments: Any
    ) -> Any:
        """A step, unless a gradient was not finite; the scale becomes smaller then, and larger after many steps."""
        assert self.scaler is not None
        closure()
        taken = self.scaler.step(optimizer, **arguments)  # type: ignore[arg-type]
        self.scaler.update()
        return taken
