"""Outputs of a model over a whole part of the data."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sampleformer.data.batching import LengthGroupedBatches
from sampleformer.data.progress import progress_bar
from sampleformer.data.samples import Samples, collate
from sampleformer.errors import InputError


def evaluation_batches(samples: Samples, batch_size: int) -> list[list[int]]:
    """Indices of every sample once, in batches of similar lengths, always the same."""
    return list(LengthGroupedBatches(samples.lengths, batch_size, seed=0, shuffle=False))


def known_targets(samples: Samples) -> np.ndarray:
    """Targets of samples that must have them.

    Returns:
        Classes, shape ``(n,)``, or columns, shape ``(n, o)``, NaN where unknown.

    Raises:
        InputError: if there are no samples, or no targets.
    """
    if not len(samples) or samples.targets is None:
        raise InputError("found no rows with a known target, expected at least 1")
    return samples.targets


def in_order(outputs: Sequence[Tensor], batches: Sequence[Sequence[int]]) -> np.ndarray:
    """Outputs of batches as one array, in the order of the samples.

    Returns:
        shape ``(n, o)``, float32.
    """
    values = torch.cat([output.detach().float().cpu() for output in outputs]).numpy()
    ordered = np.empty_like(values)
    ordered[np.concatenate(batches)] = values
    return ordered


@torch.inference_mode()
def model_outputs(model: nn.Module, samples: Samples, batch_size: int, description: str = "evaluating") -> np.ndarray:
    """Raw outputs for every sample, without noise or dropout.

    Args:
        model: put into evaluation mode; it stays on its device.
        samples: of the data.
        batch_size: samples at a time.
        description: what the progress bar says.

    Returns:
        shape ``(n, o)``, float32, in the order of the samples.
    """
    model.eval()
    device = next(model.parameters()).device
    batches = evaluation_batches(samples, batch_size)
    outputs = []
    with progress_bar(description, len(batches)) as show:
        for number, batch in enumerate(batches, start=1):
            tokens = collate([samples[index] for index in batch]).tokens
            outputs.append(model(tokens.to(device)))
            show(number)
    return in_order(outputs, batches)
