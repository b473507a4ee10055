"""Norms that look at a whole batch."""

from torch import nn

from sampleformer.norms import is_tokenwise


def sees_whole_batch(model: nn.Module) -> bool:
    """Whether a part of a model that trains looks at all samples of a batch, as batch norms do, torch's too."""
    return any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) or not is_tokenwise(module) for module in model.modules()
    )
