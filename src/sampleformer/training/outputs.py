"""Outputs of a model over a whole part of the data."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from sampleformer.data.batch import Batch
from sampleformer.data.batching import cut_by_length
from sampleformer.data.collate import collate
from sampleformer.data.progress import progress_bar
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.tasks import Task, is_known


def evaluation_batches(samples: Samples, max_tokens: int) -> list[list[int]]:
    """Indices of every sample once, in batches of similar sizes, always the same; see `cut_by_length`."""
    return [batch.tolist() for batch in cut_by_length(samples.sizes, max_tokens)]


def known_targets(samples: Samples) -> np.ndarray:
    """Targets of samples that must have them.

    Returns:
        Classes, shape ``(rows,)``, −1 where unknown, or columns, shape ``(rows, o)``, NaN where unknown; a row is a
        sample, or a token or a pair of one.

    Raises:
        InputError: if there are no samples, or no targets.
    """
    return checked_targets(samples.targets if len(samples) else None)


def checked_targets(targets: np.ndarray | None) -> np.ndarray:
    """Targets of which some are known, see `known_targets`.

    Raises:
        InputError: if there are none.
    """
    if targets is None or not is_known(targets).any():
        raise InputError("found no rows with a known target, expected at least 1")
    return targets


def questions_of(batch: Batch) -> dict[str, Tensor]:
    """What of a batch is asked about, as arguments of a model: all of it, tokens of it or pairs."""
    questions = {"pairs": batch.pairs, "asked": batch.asked}
    return {name: value for name, value in questions.items() if value is not None}


def answer_model(model: nn.Module, batch: Batch) -> Tensor:
    """A model's answers to a batch: ``(b, o)``, or ``(b, m, o)`` for tokens or pairs."""
    return model(batch.tokens, **questions_of(batch))


def at_least_float32(outputs: Tensor) -> Tensor:
    """Outputs in the precision in which losses are computed."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))


def rows_by_sample(outputs: Tensor, batch: Batch, task: Task) -> list[np.ndarray]:
    """The outputs for each sample of a batch as the task keeps them, ``(rows, c)`` float32."""
    values = task.condense(batch.rows(outputs.detach())).float().cpu()
    if batch.answered is None:
        return list(values[:, None].numpy())
    return [part.numpy() for part in values.split(batch.answered.sum(1).tolist())]


def in_order(answers: Sequence[Sequence[np.ndarray]], batches: Sequence[Sequence[int]]) -> np.ndarray:
    """Answers to the samples of batches as one array, in the order of the samples.

    Args:
        answers: of each batch, as `rows_by_sample` gives them.
        batches: indices of the samples of each batch.

    Returns:
        shape ``(rows, o)``, float32.
    """
    by_sample = [rows for batch in answers for rows in batch]
    return np.concatenate([by_sample[place] for place in np.argsort(np.concatenate(batches), kind="stable")])


@torch.inference_mode()
def model_outputs(
    model: nn.Module,
    samples: Samples,
    task: Task,
    max_tokens: int,
    progress: str | Callable[[int], None] = "evaluating",
) -> np.ndarray:
    """Raw outputs for every sample, without noise or dropout.

    Args:
        model: put into evaluation mode; it stays on its device.
        samples: of the data.
        task: of the outputs.
        max_tokens: padded tokens at a time, see `TrainingSettings`.
        progress: words of a progress bar, or what is given the number of samples done.

    Returns:
        shape ``(rows, c)``, float32, in the order of the samples and their tokens or pairs, see `Task.condense`.
    """
    model.eval()
    device = next(model.parameters()).device
    batches = evaluation_batches(samples, max_tokens)
    answers = []
    done = 0
    with progress_bar(progress, len(samples)) if isinstance(progress, str) else nullcontext(progress) as show:
        for rows in batches:
            batch = collate([samples[row] for row in rows]).to(device)
            answers.append(rows_by_sample(answer_model(model, batch), batch, task))
            done += len(rows)
            show(done)
    return in_order(answers, batches)
