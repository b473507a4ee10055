"""Outputs of a model over a whole part of the data."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sampleformer.data.batch import Batch
from sampleformer.data.batching import CHUNK_OVERHEAD, cut_by_length, deal, padded_tokens
from sampleformer.data.collate import collate
from sampleformer.data.progress import progress_bar
from sampleformer.data.samples import Samples
from sampleformer.errors import InputError
from sampleformer.tasks import Task, is_known
from sampleformer.training.processes import ALONE, Processes

T = TypeVar("T")
_EXAMPLES = 10_000
"""Samples whose targets are drawn to see what targets are like."""


def evaluation_batches(samples: Samples, max_tokens: int) -> list[list[int]]:
    """Indices of every sample once, in batches of similar sizes, always the same; see `cut_by_length`."""
    return [batch.tolist() for batch in cut_by_length(samples.sizes, max_tokens)]


def share_of(batches: Sequence[Sequence[int]], samples: Samples, processes: Processes) -> list[int]:
    """Numbers of the batches that this process answers; at least one, if it is another's too.

    Where processes go through the model in step, each answers as many: those that are missing are the cheapest one.

    Args:
        batches: Indices of the samples of each batch.
        samples: Samples of the data.
        processes: Processes that share the batches.
    """
    if processes.shares == 1:
        return list(range(len(batches)))
    costs = [padded_tokens(samples.sizes, [np.asarray(batch)]) + CHUNK_OVERHEAD for batch in batches]
    shares = deal(costs, processes.shares)
    least = max(map(len, shares)) if processes.in_step else 1
    share = shares[processes.share]
    return share + [int(np.argmin(costs))] * (least - len(share))


def known_targets(samples: Samples) -> np.ndarray:
    """Targets of samples that must have them.

    Returns:
        Classes, shape ``(rows,)``, −1 where unknown, or columns, shape ``(rows, o)``, NaN where unknown; a row is a
        sample, or a token or a pair of one.

    Raises:
        InputError: if there are no samples, or no targets.
    """
    return checked_targets(samples.targets if len(samples) else None)


def example_targets(samples: Samples) -> np.ndarray:
    """Targets that show what all are like: all of them, or those of evenly spaced samples where targets are drawn.

    Raises:
        InputError: if there are no samples, or no targets.
    """
    if samples.draws_targets and len(samples) > _EXAMPLES:
        samples = samples.subset(np.linspace(0, len(samples) - 1, _EXAMPLES).astype(np.int64))
    return known_targets(samples)


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


def answers_of_all(share: Sequence[int], answers: Sequence[T], processes: Processes) -> list[T]:
    """What all processes have for their shares of some batches, in the order of the batches.

    Args:
        share: Numbers of the batches of this process, see `share_of`.
        answers: What it has for each.
        processes: Processes that share the batches.
    """
    if processes.size == 1:
        return list(answers)
    found: dict[int, T] = {}
    for part in processes.gathered(dict(zip(share, answers, strict=True))):
        found |= part
    return [found[number] for number in sorted(found)]


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
    progress: str | Callable[[int], None] | None = "evaluating",
    processes: Processes = ALONE,
) -> np.ndarray:
    """Raw outputs for every sample, without noise or dropout.

    Args:
        model: put into evaluation mode; it stays on its device.
        samples: of the data.
        task: of the outputs.
        max_tokens: padded tokens at a time, see `TrainingSettings`.
        progress: words of a progress bar, or what is given the number of samples done. None: nothing is shown.
        processes: Processes that share the work; all of them get all outputs.

    Returns:
        shape ``(rows, c)``, float32, in the order of the samples and their tokens or pairs, see `Task.condense`.
    """
    model.eval()
    device = next(chain(model.parameters(), model.buffers())).device
    batches = evaluation_batches(samples, max_tokens)
    share = share_of(batches, samples, processes)
    answers = []
    done = 0
    total = sum(len(batches[number]) for number in share)
    with progress_bar(progress, total) if isinstance(progress, str) else nullcontext(progress) as show:
        for rows in (batches[number] for number in share):
            batch = collate([samples[row] for row in rows]).to(device)
            answers.append(rows_by_sample(answer_model(model, batch), batch, task))
            done += len(rows)
            if show is not None:
                show(done)
    return in_order(answers_of_all(share, answers, processes), batches)
