"""A model that takes its share of the tokens of each sample where processes share them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from sampleformer.data.collate import collate
from sampleformer.data.samples import Samples
from sampleformer.distributed.cutting import lengths_of, shard_tokens
from sampleformer.distributed.token_shards import Shard, within
from sampleformer.encoder.norming import looks_at_batch
from sampleformer.errors import InputError
from sampleformer.models import Model
from sampleformer.norms import BatchNorm
from sampleformer.tokens import as_tokens
from sampleformer.training.outputs import answer_model
from sampleformer.training.settings import TrainingSettings
from sampleformer.training.step_loss import looks_at_choices


def share_tokens(
    model: Model, samples: Samples, settings: TrainingSettings, group: dist.ProcessGroup, device: str
) -> None:
    """Lets a model that is called with all tokens of some samples take this process's share of them, from now on.

    Answers are those of one process that has all tokens. Random numbers are those that one process draws for the same
    chunks. Each process has the answer: a loss is the sum over the processes, of which each adds an equal part.

    Args:
        model: Model.
        samples: Samples of the training part, of which the shortest is tried.
        settings: Settings of the training.
        group: Processes that share the tokens; each calls this.
        device: Device of the model.

    Raises:
        InputError: if the model or a setting is not for shared tokens.
    """
    _check(model, settings)
    held: list[ExitStack] = []

    def enter(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        tokens = as_tokens(given[0])
        own = shard_tokens(tokens, group)
        context = ExitStack()
        context.enter_context(within(Shard(group, dist.get_rank(group), lengths_of(tokens.length, group.size()))))
        held.append(context)
        return (own, *given[1:]), named

    def leave(module: nn.Module, given: Any, answers: Any) -> None:
        if held:  # there is none where the tokens were refused
            held.pop().close()

    model.register_forward_pre_hook(enter, with_kwargs=True)
    model.register_forward_hook(leave, always_call=True)
    _try(model, samples, device)


def _check(model: Model, settings: TrainingSettings) -> None:
    reason = None
    if not model.shares_tokens:
        reason = f"the model {model.name!r} looks at all tokens of a sample, or one beside it does"
    elif model.level != "sample":
        reason = f"outputs are for each {model.level}, expected outputs for whole samples"
    elif any(looks_at_batch(each) and not isinstance(each, BatchNorm) for each in model.modules()):
        reason = "batch norms of others look at the tokens at hand alone, expected those of sampleformer.norms"
    elif looks_at_choices(settings, model):
        reason = "terms of the loss look at all chosen tokens (score_entropy, score_load, score_mass, score_function)"
    if reason is not None:
        raise InputError(f"training.strategy: 'tokens' is not for this training: {reason}")


def _try(model: Model, samples: Samples, device: str) -> None:
    """Asks the model about one sample, which finds attentions and embeddings that refuse shares."""
    training = model.training
    try:
        with torch.inference_mode():
            answer_model(model.to(device).eval(), collate([samples[int(samples.sizes.argmin())]]).to(device))
    except InputError as error:
        raise InputError(f"training.strategy: 'tokens' is not for this training: {error}") from error
    finally:
        model.train(training)
