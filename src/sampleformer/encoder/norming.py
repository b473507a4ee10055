"""Norms that look at a whole batch."""

from collections.abc import Sequence
from contextlib import ExitStack

from torch import nn

from sampleformer.functional.batch_norm import batch_statistics
from sampleformer.norms import BatchNorm, is_tokenwise
from sampleformer.tokens import Tokens


def sees_whole_batch(model: nn.Module) -> bool:
    """Whether a part of a model that trains looks at all samples of a batch, as batch norms do, torch's too."""
    return any(looks_at_batch(module) for module in model.modules())


def looks_at_batch(module: nn.Module) -> bool:
    """Whether a module, whatever its parts do, looks at all samples of a batch."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) or not is_tokenwise(module)


def first_norm(branch: nn.Module | None) -> nn.Module | None:
    """The norm that a branch of a layer applies to its tokens."""
    return getattr(branch, "norm", None)


def norms_over(chunks: Sequence[Tokens], *norms: nn.Module | None) -> ExitStack:
    """Context in which batch norms take their statistics over all chunks of a batch, of which they get one at a time.

    It begins at once.

    Args:
        chunks: Tokens that the norms will get.
        norms: Norms of these tokens; all but batch norms stay as they are.
    """
    whole = [norm for norm in norms if isinstance(norm, BatchNorm) and norm.training]
    held = ExitStack()
    if whole:
        statistics = batch_statistics([each.features for each in chunks], [each.mask for each in chunks])
        for norm in whole:
            held.enter_context(norm.given(*statistics))
    return held
