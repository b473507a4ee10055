"""What every sampler is."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from sampleformer.attention.samplers.choice import Choice
from sampleformer.kernels.top_k import gumbel_topk
from sampleformer.modules import Module
from sampleformer.tokens import Tokens
from sampleformer.tracing import is_exporting


class Sampler(Module):
    """Chooses the tokens that each group of heads attends to.

    A subclass writes `forward` and, if training is random, `draw_noise`. In training it takes `count` tokens, adds
    `scaled(noise)` to its scores and divides by `annealed(temperature)`, so that schedules can change all three from
    step to step. Evaluation knows nothing of them: there the noise is zero, and k and T are the model's own. A training
    whose noise ends at zero, and whose k and T end at the model's, therefore ends with the model that evaluation runs,
    unless its estimator shows training something else than the tokens chosen.

    Args:
        groups: g, how many choices are made; the heads of an attention are dealt out to them in order.
        sampled: k, how many tokens a group attends to; all of them if there are fewer.
        extra: learned tokens that join the candidates of each group, after the n tokens. The sampler has their scores,
            the attention their keys and values.
        noise: what the noise of training is multiplied by, unless a schedule says otherwise; 0: training, too, takes
            the k best.

    Attributes:
        noise_scale: the same in this step, a number in a tensor. A tensor, as the next two are, so that a compiled
            program need not be compiled anew when it changes.
        temperature_scale: what T is multiplied by in training.
        temperature_floor: the least T in training, if it is lower than the model's.
        sampled_in_training: k in training; None: as in evaluation. Each new value compiles a program anew, which torch
            does eight times if its `recompile_limit` is not raised.

    Raises:
        ValueError: if groups < 1, sampled < 1, extra < 0 or noise is negative or not finite.
    """

    selects: bool = True
    """Whether it chooses among the tokens. False: every token is attended to, and there is nothing to gather."""

    noise_scale: Tensor
    temperature_scale: Tensor
    temperature_floor: Tensor

    def __init__(self, groups: int, sampled: int, *, extra: int = 0, noise: float = 1.0) -> None:
        super().__init__()
        for argument, number, least in (("groups", groups, 1), ("sampled", sampled, 1), ("extra", extra, 0)):
            if number < least:
                raise ValueError(f"{argument} is {number}, expected at least {least}")
        if not 0 <= noise < math.inf:
            raise ValueError(f"noise is {noise}, expected at least 0 and finite")
        self.groups = groups
        self.sampled = sampled
        self.extra = extra
        self.sampled_in_training: int | None = None
        for name, value in (("noise_scale", float(noise)), ("temperature_scale", 1.0), ("temperature_floor", 0.0)):
            self.register_value(name, value)  # of a training, not of a model

    @property
    def count(self) -> int:
        """k of this pass."""
        if self.training and self.sampled_in_training is not None:
            return self.sampled_in_training
        return self.sampled

    def scaled(self, noise: Tensor) -> Tensor:
        """The noise of the scores of a training pass, as large as the schedule has it."""
        return noise * self.noise_scale

    def annealed(self, temperature: Tensor) -> Tensor:
        """T of this pass: in training ``max(T · temperature_scale, min(T, temperature_floor))``."""
        if not self.training:
            return temperature
        return torch.maximum(temperature * self.temperature_scale, temperature.clamp(max=self.temperature_floor))

    def draw_noise(self, context: Tokens, generator: torch.Generator | None = None) -> Tensor | None:
        """The random numbers of one training pass, one tensor; None if there are none."""
        return None

    def forward(self, context: Tokens, noise: Tensor | None) -> Choice:
        """Chooses.

        Args:
            context: the tokens to choose from, features ``(b, n, d)``; padding holds zeros.
            noise: of this training pass; None in evaluation.
        """
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"groups={self.groups}, sampled={self.sampled}"


def noise_dtype(features: Tensor) -> torch.dtype:
    """Noise is as precise as scores are: float32 or wider."""
    return torch.float64 if features.dtype == torch.float64 else torch.float32


def best_candidates(
    scores: Tensor, count: int, mask: Tensor | None, *, noise: Tensor | None = None, kernel: str = "auto"
) -> tuple[Tensor, Tensor | None]:
    """Indices of the best candidates, ``(b, g, m)``, best first, and whether each is one; m = count where they suffice.

    An exported program has one shape of the choice for every length: there, m = count always, and slots are invalid
    where candidates are missing.
    """
    indices, valid = gumbel_topk(scores, count, noise=noise, mask=mask, kernel=kernel)
    if not is_exporting():
        return indices, valid
    if valid is None:
        valid = torch.ones_like(indices, dtype=torch.bool)
    missing = count - indices.shape[-1]
    return F.pad(indices, (0, missing)), F.pad(valid, (0, missing), value=False)
