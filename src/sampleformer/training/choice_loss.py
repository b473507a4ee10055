"""The loss of a step that looks at which tokens were chosen, and at their scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sampleformer.attention import Observation, observed_choices
from sampleformer.data.batch import Batch
from sampleformer.errors import InputError
from sampleformer.functional.collapse import score_entropy, score_load
from sampleformer.functional.score_function import leave_one_out
from sampleformer.model import TokenModel
from sampleformer.training.choice import learns_by_score_function
from sampleformer.training.outputs import answer_model
from sampleformer.training.settings import TrainingSettings

TERMS: dict[str, Callable[[Tensor, Tensor | None], Tensor]] = {"score_entropy": score_entropy, "score_load": score_load}
"""Terms of the loss by the setting that weighs them; entropy is wanted, load is not."""
_SIGNS = {"score_entropy": -1, "score_load": 1}


class ChoiceLoss:
    """The loss of the task, terms of the scores, and what a choice without a gradient learns by.

    ``L = mean_r loss_r - w_entropy H + w_load CV² + leave_one_out``: H and CV² are means over layers, groups and
    samples, see `functional.collapse`. The last term is there where the choice learns by the score function: then the
    model answers each batch r times, with choices of their own.

    Args:
        settings: of the training.
        model: that is trained.
        loss: of a batch, ``()``, from the model's answers.
        shares: what each row of the answers adds to it, ``(rows,)``.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        model: TokenModel,
        loss: Callable[[Tensor, Batch], Tensor],
        shares: Callable[[Tensor, Batch], Tensor],
    ) -> None:
        self._weights = {name: weight for name in TERMS if (weight := getattr(settings, name))}
        self._by_score_function = learns_by_score_function(model)
        self._passes = settings.choice_samples if self._by_score_function else 1
        self._model, self._loss, self._shares = model, loss, shares

    @property
    def needed(self) -> bool:
        """Whether there is anything beside the loss of the task."""
        return bool(self._weights) or self._by_score_function

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of a batch.

        Returns:
            ``loss``, which is to be minimised; beside it, for the record, ``task_loss`` and each term that has a
            weight.

        Raises:
            InputError: if no sampler of the model shows what it chose, see `observed_choices`.
        """
        passes = [self._answer(batch) for _ in range(self._passes)]
        if self._by_score_function:
            losses = torch.stack([self._loss_of_samples(each.outputs, batch) for each in passes])
            task = losses.mean()
            loss = task + leave_one_out(losses, torch.stack([each.log_probability for each in passes]))
        else:
            loss = task = self._loss(passes[0].outputs, batch)
        choices = [choice for each in passes for choice in each.choices]
        terms = {name: _mean(TERMS[name], choices) for name in self._weights}
        for name, value in terms.items():
            loss = loss + _SIGNS[name] * self._weights[name] * value
        return {"loss": loss} | {name: value.detach() for name, value in {"task_loss": task, **terms}.items()}

    def _answer(self, batch: Batch) -> "_Pass":
        with observed_choices() as choices:
            outputs = answer_model(self._model, batch)
        if not choices:
            name = next(iter(self._weights), "choice_samples")
            raise InputError(
                f"training.{name}: needs the scores of the choice, but no sampler of the model showed any; one of "
                "your own shows them by sampleformer.attention.samplers.observe, and a compiled one cannot"
            )
        return _Pass(outputs, choices)

    def _loss_of_samples(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The loss of each sample, ``(b,)``, whose mean is the loss of the batch."""
        shares = self._shares(outputs, batch)
        if batch.answered is not None:
            everywhere = shares.new_zeros(batch.answered.shape)
            shares = everywhere.masked_scatter(batch.answered, shares).sum(1)
        return shares * len(batch)


@dataclass(frozen=True)
class _Pass:
    """One answer to a batch, and the choices that led to it."""

    outputs: Tensor
    choices: list[Observation]

    @property
    def log_probability(self) -> Tensor:
        """Of all choices of the pass, ``(b,)``."""
        return torch.stack([each.log_probability for each in self.choices if each.log_probability is not None]).sum(0)


def _mean(term: Callable[[Tensor, Tensor | None], Tensor], choices: Sequence[Observation]) -> Tensor:
    return torch.stack([term(choice.scores, choice.mask).mean() for choice in choices]).mean()
