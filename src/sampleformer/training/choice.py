"""Which settings of a training need a model that chooses tokens, and what they ask of it."""

from torch import nn

from sampleformer.attention import Attention, ImportanceSampler, Sampler
from sampleformer.attention.teaching import can_be_taught
from sampleformer.errors import InputError
from sampleformer.training.score_terms import SCORE_TERMS
from sampleformer.training.settings import TrainingSettings


def samplers_of(model: nn.Module) -> list[Sampler]:
    """The samplers of a model that choose, from the first layer to the last.

    Example:
        >>> from sampleformer.attention import FullAttention, SamsaAttention
        >>> len(samplers_of(nn.ModuleList([FullAttention(8, 2), SamsaAttention(8, 2)])))
        1
    """
    return [module for module in model.modules() if isinstance(module, Sampler) and module.selects]


def learns_by_score_function(model: nn.Module) -> bool:
    """Whether a choice learns from how the losses of several draws differ."""
    return any(isinstance(each, ImportanceSampler) and each.estimator.repeats for each in samplers_of(model))


def teach(model: nn.Module, queries: int) -> None:
    """Has the attentions of a model say how far their scores are from the attention that tokens would get.

    Args:
        model: Model to be trained.
        queries: Tokens of each sample that are asked, see `attention.teaching.score_divergence`.
    """
    for module in model.modules():
        if isinstance(module, Attention) and module.selects:
            module.taught_by = queries


def check_choice(settings: TrainingSettings, model: nn.Module, attention: str) -> None:
    """Refuses settings of a choice that the model does not make.

    Args:
        settings: of the training.
        model: to be trained.
        attention: its name, for messages.

    Raises:
        InputError: if a schedule or a term of the loss is for what no sampler of the model has.
    """
    schedules, samplers = settings.schedules, samplers_of(model)
    asked = [f"schedules.{name}" for name, value in schedules if value is not None]
    asked += [name for name in SCORE_TERMS if getattr(settings, name)]
    if asked and not samplers:
        raise InputError(
            f"training.{asked[0]}: the attention {attention!r} chooses no tokens, so there is nothing to change; "
            "expected one that does, such as samsa or sft, or no such setting"
        )
    attentions = [module for module in model.modules() if isinstance(module, Attention) and module.selects]
    if settings.score_mass and not all(can_be_taught(each) for each in attentions):
        raise InputError(
            f"training.score_mass: the attention {attention!r} is not softmax attention over tokens with a score each, "
            "without relative terms; expected such a one, such as samsa, or no such setting"
        )
    by_score_function = learns_by_score_function(model)
    heated = not by_score_function and any(hasattr(sampler, "temperature") for sampler in samplers)
    if schedules.temperature is not None and not heated:
        raise InputError(
            f"training.schedules.temperature: the choice of {attention!r} has no temperature; expected no such setting"
        )
    noise = schedules.noise
    if noise is not None and 0 in (noise.from_, noise.to) and by_score_function:
        raise InputError(
            "training.schedules.noise: begins or ends at 0, but 'score_function' learns from how choices differ, and "
            "without noise all are the same; expected from and to above 0"
        )
