"""The loss of a step: that of the task, and what looks at which tokens were chosen and at their scores."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sampleformer.attention.samplers import Scores
from sampleformer.data.batch import Batch
from sampleformer.distributed.shared_batch import counting, sharing, summed_over_processes
from sampleformer.distributed.streams import start_stream, streams
from sampleformer.errors import InputError
from sampleformer.functional.blocks import activation_checkpointing
from sampleformer.functional.score_function import leave_one_out
from sampleformer.models import Model
from sampleformer.tasks.losses import Loss, positive
from sampleformer.training.choice import learns_by_score_function, teach
from sampleformer.training.outputs import at_least_float32, questions_of
from sampleformer.training.score_terms import SCORE_TERMS, SIGNS, score_term
from sampleformer.training.settings import TrainingSettings


def looks_at_choices(settings: TrainingSettings, model: Model) -> bool:
    """Whether the loss has terms for which the model shows what it chose."""
    return any(getattr(settings, name) for name in SCORE_TERMS) or learns_by_score_function(model)


class StepLoss:
    """The loss of a step, whose batch goes through the model in groups of chunks.

    ``L = mean_r loss_r - w_entropy H + w_load CV² + w_mass KL + leave_one_out``: H, CV² and KL are means over layers,
    groups and samples, see `functional.collapse` and `attention.teaching`. The last term is there where the choice
    learns by the score function: then the model answers each chunk r times, with choices of their own. Without weights
    and such a choice, L is the loss of the task.

    Each chunk draws its noise from its own seed, `Batch.noise_seed`. Where processes share the batch, each adds the
    share of its chunks to the loss of all.

    Args:
        settings: of the training.
        model: that is trained.
        loss: the loss of the task.
        together: Whether all chunks of a group go through the model side by side.
    """

    def __init__(self, settings: TrainingSettings, model: Model, loss: Loss, *, together: bool = False) -> None:
        self._weights = {name: weight for name in SCORE_TERMS if (weight := getattr(settings, name))}
        self._by_score_function = learns_by_score_function(model)
        self.passes = settings.choice_samples if self._by_score_function else 1
        self._model, self._loss = model, loss
        self._together = together
        self._block = settings.activation_checkpointing
        if settings.score_mass:
            teach(model, settings.mass_queries)

    @property
    def names(self) -> list[str]:
        """Names of what is recorded."""
        return ["loss", "task_loss", *self._weights]

    def __call__(self, groups: Sequence[Sequence[Batch]]) -> Iterator[dict[str, Tensor]]:
        """What each group adds to the loss of the batch; its graph is made when it is asked for.

        Args:
            groups: Chunks of the batch; where a group has several, the model answers them together, so that its batch
                norms see all of them. Terms of the choice need groups of one.

        Yields:
            ``loss``, which is to be minimised; beside it, for the record, ``task_loss`` and each term that has a
            weight. The sums over the groups are those of the whole batch.

        Raises:
            InputError: if no sampler of the model says by which scores it chose, see `Selection.scores`.
        """
        weight, samples = self._whole([chunk for group in groups for chunk in group if chunk.counts])
        for group in groups:
            if self._weights or self._by_score_function:
                for chunk in group:
                    with self._keeping():
                        part = self._with_terms(chunk, weight, samples)
                    yield part
            else:
                with self._keeping():
                    part = self._of_task(group, weight, samples)
                yield part

    def _keeping(self) -> AbstractContextManager[Any]:
        """Context that decides what is kept for the backward pass."""
        return nullcontext() if self._block is None else activation_checkpointing(self._block)

    def _whole(self, chunks: Sequence[Batch]) -> tuple[Tensor, Tensor]:
        """The weight of all losses and the number of all samples of the batch."""
        device = next(self._model.parameters()).device
        weight = sum((self._loss.weights(*chunk.target_rows).sum() for chunk in chunks), torch.zeros((), device=device))
        samples = weight.new_tensor(sum(len(chunk) for chunk in chunks))
        weight, samples = summed_over_processes(torch.stack([weight, samples])).unbind()
        return positive(weight), samples

    def _of_task(self, group: Sequence[Batch], weight: Tensor, samples: Tensor) -> dict[str, Tensor]:
        questions = [questions_of(chunk) for chunk in group]
        if len(group) == 1 and not self._together:  # a compiled model is called as a whole
            start_stream(group[0].noise_seed)
            with sharing(None):  # norms look at this chunk alone
                answers = [self._model.with_penalty(group[0].tokens, **questions[0])]
        else:
            with streams([chunk.noise_seed for chunk in group]), counting(all(chunk.counts for chunk in group)):
                answers = self._model.together([chunk.tokens for chunk in group], questions)
        if not all(chunk.counts for chunk in group):
            return self._nothing([outputs for outputs, _ in answers])
        losses = [self._losses(outputs, chunk).sum() for (outputs, _), chunk in zip(answers, group, strict=True)]
        loss = task = torch.stack(losses).sum() / weight
        penalties = [penalty.sum() for _, penalty in answers if penalty is not None]
        if penalties:
            loss = loss + torch.stack(penalties).sum() / samples
        return {"loss": loss, "task_loss": task.detach()}

    def _with_terms(self, chunk: Batch, weight: Tensor, samples: Tensor) -> dict[str, Tensor]:
        start_stream(chunk.noise_seed)
        passes = [self._answer(chunk) for _ in range(self.passes)]
        if not chunk.counts:
            return self._nothing([each.outputs for each in passes])
        losses = torch.stack([self._losses_of_samples(each.outputs, chunk) / weight for each in passes])
        loss = task = losses.sum(1).mean()
        share = len(chunk) / samples  # of what is a mean over samples
        if self._by_score_function:
            log_probabilities = torch.stack([each.log_probability for each in passes])
            loss = task + share * leave_one_out(samples * losses, log_probabilities)
        scores = [scores for each in passes for scores in each.scores]
        terms = {name: share * score_term(name, scores) for name in self._weights}
        for name, value in terms.items():
            loss = loss + SIGNS[name] * self._weights[name] * value
        return {"loss": loss} | {name: value.detach() for name, value in {"task_loss": task, **terms}.items()}

    def _nothing(self, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
        """What samples add that do not count: the other processes wait for their gradients all the same."""
        nothing = torch.stack([each.float().sum() * 0 for each in outputs]).sum()
        return {"loss": nothing} | {name: nothing.detach() for name in self.names[1:]}

    def _answer(self, chunk: Batch) -> "_Pass":
        with sharing(None):
            outputs, selections = self._model.with_selections(chunk.tokens, **questions_of(chunk))
        scores = [each.scores for each in selections if each.scores is not None]
        if not scores:
            name = next(iter(self._weights), "choice_samples")
            raise InputError(
                f"training.{name}: needs the scores of the choice, but no sampler of the model gave any; one of your "
                "own returns them in Choice.scores, a model of your own in with_selections"
            )
        return _Pass(outputs, scores)

    def _losses(self, outputs: Tensor, chunk: Batch) -> Tensor:
        return self._loss.losses(chunk.rows(at_least_float32(outputs)), *chunk.target_rows)

    def _losses_of_samples(self, outputs: Tensor, chunk: Batch) -> Tensor:
        """The summed losses of each sample's rows, ``(b,)``."""
        losses = self._losses(outputs, chunk)
        if chunk.answered is None:
            return losses
        return losses.new_zeros(chunk.answered.shape).masked_scatter(chunk.answered, losses).sum(1)


@dataclass(frozen=True)
class _Pass:
    """One answer to a chunk, and the scores of the choices that led to it."""

    outputs: Tensor
    scores: list[Scores]

    @property
    def log_probability(self) -> Tensor:
        """Of all choices of the pass, ``(b,)``."""
        return torch.stack([each.log_probability for each in self.scores if each.log_probability is not None]).sum(0)
